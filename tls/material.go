package tls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/youmark/pkcs8"
)

// maxFile is the largest file that is read, in octets.
const maxFile = 64 << 20

// material is what the files of a profile held at one time; immutable.
type material struct {
	certificate *tls.Certificate // nil if the profile has none
	roots       *x509.CertPool   // nil: those of the system
	names       map[string]string
	warnings    []string
}

// stamps tell whether files have changed; nil stands for a file that cannot be looked at.
type stamps []os.FileInfo

// files returns the paths of the files that a profile reads.
func (cfg *ProfileConfig) files() []string {
	paths := []string{cfg.CACertFile, cfg.CertFile, cfg.PrivateKeyFile, cfg.UIDNameMappingFile}
	if path, found := strings.CutPrefix(cfg.Password, "file:"); found {
		paths = append(paths, path)
	} else if cfg.Password == "" {
		paths = append(paths, cfg.PasswordFile)
	}
	return paths
}

// stampsOf looks at files.
func stampsOf(paths []string) stamps {
	s := make(stamps, len(paths))
	for i, path := range paths {
		if path != "" {
			s[i], _ = os.Stat(path)
		}
	}
	return s
}

// equal reports whether no file has changed.
func (s stamps) equal(other stamps) bool {
	for i, a := range s {
		b := other[i]
		if (a == nil) != (b == nil) {
			return false
		}
		if a != nil && (!a.ModTime().Equal(b.ModTime()) || a.Size() != b.Size() || !os.SameFile(a, b)) {
			return false
		}
	}
	return true
}

// readMaterial reads the files of a profile. The error names every file that is wrong.
func readMaterial(cfg *ProfileConfig) (*material, error) {
	m := new(material)
	var problems []error
	if cfg.CACertFile != "" {
		roots, err := readAuthorities(cfg.CACertFile)
		if err != nil {
			problems = append(problems, fmt.Errorf("caCertFile: %w", err))
		}
		m.roots = roots
	}
	switch {
	case cfg.CertFile != "":
		if err := m.readCertificate(cfg); err != nil {
			problems = append(problems, err)
		}
	case cfg.PrivateKeyFile != "":
		problems = append(problems, errors.New("privateKeyFile without certFile: a key needs its certificate"))
	}
	if cfg.UIDNameMappingFile != "" {
		names, err := readNames(cfg.UIDNameMappingFile)
		if err != nil {
			problems = append(problems, fmt.Errorf("uidNameMappingFile: %w", err))
		}
		m.names = names
	}
	return m, errors.Join(problems...)
}

// readFile reads a file of reasonable size.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d octets, at most %d are read", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// readAuthorities reads certificates from a file, or from the files of a directory.
func readAuthorities(path string) (*x509.CertPool, error) {
	paths := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if paths, err = filepath.Glob(filepath.Join(path, "*")); err != nil {
			return nil, err
		}
	}
	pool := x509.NewCertPool()
	found := false
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			continue
		}
		data, err := readFile(p)
		if err != nil {
			return nil, err
		}
		certificates, err := parseCertificates(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		for _, c := range certificates {
			pool.AddCert(c)
			found = true
		}
	}
	if !found {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// parseCertificates returns the certificates among PEM blocks.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return all, nil
		}
		if block.Type != "CERTIFICATE" && block.Type != "TRUSTED CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
}

// readCertificate reads the profile's own certificate and key.
func (m *material) readCertificate(cfg *ProfileConfig) error {
	chain, err := readFile(cfg.CertFile)
	if err != nil {
		return fmt.Errorf("certFile: %w", err)
	}
	certificates, err := parseCertificates(chain)
	if err != nil {
		return fmt.Errorf("certFile: %s: %w", cfg.CertFile, err)
	}
	if len(certificates) == 0 {
		return fmt.Errorf("certFile: %s holds no certificate in PEM form", cfg.CertFile)
	}
	path := cfg.PrivateKeyFile
	if path == "" {
		path = cfg.CertFile
	}
	data, err := readFile(path)
	if err != nil {
		return fmt.Errorf("privateKeyFile: %w", err)
	}
	password, warning, err := cfg.password()
	if err != nil {
		return err
	}
	if warning != "" {
		m.warnings = append(m.warnings, warning)
	}
	key, err := parseKey(data, password)
	if err != nil {
		return fmt.Errorf("privateKeyFile: %s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		m.warnings = append(m.warnings, fmt.Sprintf("private key file %s can be read by everybody: chmod o-r it", path))
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return fmt.Errorf("certFile %s and privateKeyFile %s do not make a pair: %w", cfg.CertFile, path, err)
	}
	m.certificate = &pair
	if leaf := pair.Leaf; leaf != nil && time.Now().After(leaf.NotAfter) {
		m.warnings = append(m.warnings, fmt.Sprintf("the certificate in %s expired on %s",
			cfg.CertFile, leaf.NotAfter.UTC().Format(time.RFC3339)))
	}
	return nil
}

// parseKey returns the first private key among PEM blocks, decrypted, as one PEM block.
func parseKey(data []byte, password string) ([]byte, error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil, errors.New("no private key in PEM form")
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" {
			if password == "" {
				return nil, errors.New("the key is encrypted and no password is given")
			}
			key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password))
			if err != nil {
				return nil, fmt.Errorf("the key cannot be decrypted: wrong password, or an encryption other than "+
					"PBES2 with AES or 3DES (openssl pkcs8 -topk8 -v2 aes256 makes one): %w", err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		//lint:ignore SA1019 keys in this form exist; it protects a file, not a message
		if x509.IsEncryptedPEMBlock(block) {
			if password == "" {
				return nil, errors.New("the key is encrypted and no password is given")
			}
			//lint:ignore SA1019 as above
			der, err := x509.DecryptPEMBlock(block, []byte(password))
			if err != nil {
				return nil, fmt.Errorf("the key cannot be decrypted: %w", err)
			}
			block = &pem.Block{Type: block.Type, Bytes: der}
		}
		return pem.EncodeToMemory(block), nil
	}
}

// readNames reads a JSON object of identities and the names they get.
func readNames(path string) (map[string]string, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	var names map[string]string
	if err := decoder.Decode(&names); err != nil {
		return nil, fmt.Errorf("%s is no JSON object of identities and names: %w", path, err)
	}
	if decoder.More() {
		return nil, fmt.Errorf("%s has something after its JSON object", path)
	}
	for id, name := range names {
		if strings.ContainsFunc(name, isControl) {
			return nil, fmt.Errorf("%s: the name of %q has a control character", path, id)
		}
	}
	return names, nil
}

// password returns the password of the key. As in Interconnect it is what env:NAME or the first line of file:PATH
// holds, what follows pass: or literal:, or the attribute itself.
func (cfg *ProfileConfig) password() (secret, warning string, err error) {
	const plain = "it is unsafe to write a password into a configuration: use env:NAME or file:PATH"
	value := cfg.Password
	path, fromFile := strings.CutPrefix(value, "file:")
	if value == "" && cfg.PasswordFile != "" {
		path, fromFile, warning = cfg.PasswordFile, true, "passwordFile is deprecated: write password: file:…"
	}
	if fromFile {
		data, err := readFile(path)
		if err != nil {
			return "", "", fmt.Errorf("password: %w", err)
		}
		line, _, _ := bytes.Cut(data, []byte{'\n'})
		if line = bytes.TrimSuffix(line, []byte{'\r'}); len(line) == 0 {
			return "", "", fmt.Errorf("password: the first line of %s is empty", path)
		}
		return string(line), warning, nil
	}
	if name, found := strings.CutPrefix(value, "env:"); found {
		name = strings.TrimLeft(name, " ")
		secret, ok := os.LookupEnv(name)
		if !ok {
			return "", "", fmt.Errorf("password: there is no environment variable %s", name)
		}
		return secret, "", nil
	}
	for _, prefix := range []string{"pass:", "literal:"} {
		if secret, found := strings.CutPrefix(value, prefix); found {
			return secret, plain, nil
		}
	}
	if value != "" {
		warning = plain
	}
	return value, warning, nil
}
