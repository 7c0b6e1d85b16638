package membership

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	keyOctets = 32 // AES-256
	maxKeys   = 8
	// maxKeyFile is how large the file of a keyring may be, comments included.
	maxKeyFile = 16 << 10
)

// Keyring holds the keys of a mesh: all of them open what others send, the first one seals what is sent. It lives in a
// file which only its owner may read, one key in base64 a line, '#' before comments. Changes are made in the file first.
//
// A key is rotated in three steps, each at all routers before the next one: Add the new key, Use it, Remove the old
// one. A step that was done already is done again without an effect.
type Keyring struct {
	path string
	mu   sync.Mutex // one writer at a time
	keys atomic.Pointer[[]key]
}

// key is one key, ready for use.
type key struct {
	raw  [keyOctets]byte
	aead cipher.AEAD
}

// KeyInfo describes a key without giving it away.
type KeyInfo struct {
	Fingerprint string // the first 16 hexadecimal digits of its SHA-256
	InUse       bool   // it seals what is sent
}

// GenerateKey returns a new key in the form in which Add takes it.
func GenerateKey() string {
	var raw [keyOctets]byte
	_, _ = rand.Read(raw[:]) // it does not fail; see crypto/rand
	return base64.StdEncoding.EncodeToString(raw[:])
}

// Fingerprint returns the name of a key that may be shown.
func Fingerprint(text string) (string, error) {
	k, err := parseKey(text)
	if err != nil {
		return "", err
	}
	return k.fingerprint(), nil
}

func (k key) fingerprint() string {
	sum := sha256.Sum256(k.raw[:])
	return hex.EncodeToString(sum[:8])
}

// parseKey reads a key. The error does not repeat it.
func parseKey(text string) (key, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keyOctets {
		return key{}, fmt.Errorf("a key must be %d octets in base64, as postroad makes them", keyOctets)
	}
	k := key{raw: [keyOctets]byte(raw)}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	k.aead, err = cipher.NewGCM(block)
	return k, err
}

// CreateKeyring makes the file of a keyring with one new key. The file must not exist.
func CreateKeyring(path string) (*Keyring, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	_, err = f.WriteString(keyFileHead + GenerateKey() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("keyring %s: %w", path, err)
	}
	return LoadKeyring(path)
}

// LoadKeyring reads a keyring. It refuses a file that others than its owner may read or write.
func LoadKeyring(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	return k, k.Reload()
}

// Reload reads the file again, for when another process has changed it. On an error the keys stay as they are.
func (k *Keyring) Reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := k.read()
	if err == nil {
		k.keys.Store(&keys)
	}
	return err
}

// read reads the file.
func (k *Keyring) read() ([]key, error) {
	f, err := os.Open(k.path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("keyring: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("keyring %s is not a file", k.path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("keyring %s may be read or written by others than its owner (mode %04o); use chmod 600",
			k.path, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("keyring %s has more than %d octets", k.path, maxKeyFile)
	}
	var keys []key
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		one, err := parseKey(text)
		if err != nil {
			return nil, fmt.Errorf("keyring %s, line %d: %w", k.path, number, err)
		}
		if find(keys, one) < 0 {
			keys = append(keys, one)
		}
	}
	switch {
	case len(keys) == 0:
		return nil, fmt.Errorf("keyring %s has no key", k.path)
	case len(keys) > maxKeys:
		return nil, fmt.Errorf("keyring %s has %d keys, at most %d are possible", k.path, len(keys), maxKeys)
	}
	return keys, lines.Err()
}

func find(keys []key, one key) int {
	return slices.IndexFunc(keys, func(k key) bool { return k.raw == one.raw })
}

// keyFileHead begins the file.
const keyFileHead = "# Keys of a mesh, one a line in base64. The first one seals, all of them open.\n"

// write replaces the file in one step.
func (k *Keyring) write(keys []key) error {
	text := bytes.NewBufferString(keyFileHead)
	for _, one := range keys {
		fmt.Fprintln(text, base64.StdEncoding.EncodeToString(one.raw[:]))
	}
	f, err := os.CreateTemp(filepath.Dir(k.path), filepath.Base(k.path)+".*") // with mode 0600
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	_, err = f.Write(text.Bytes())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), k.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("keyring: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(k.path)); err == nil { // the new name is safe, too, where the system can do that
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// change applies an edit to what is in the file now. Edit returns nil for no change.
func (k *Keyring) change(text string, edit func(keys []key, one key) ([]key, error)) error {
	one, err := parseKey(text)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := k.read()
	if err != nil {
		return err
	}
	edited, err := edit(keys, one)
	if err != nil {
		return err
	}
	if edited != nil {
		if err := k.write(edited); err != nil {
			return err
		}
		keys = edited
	}
	k.keys.Store(&keys)
	return nil
}

// Add makes a key known, so that what others seal with it can be opened. It is the first step of a rotation.
func (k *Keyring) Add(text string) error {
	return k.change(text, func(keys []key, one key) ([]key, error) {
		switch {
		case find(keys, one) >= 0:
			return nil, nil
		case len(keys) == maxKeys:
			return nil, fmt.Errorf("keyring %s has %d keys already, remove one", k.path, maxKeys)
		}
		return append(keys, one), nil
	})
}

// Use makes a known key the one that seals. It is the second step of a rotation, when all routers know the key.
func (k *Keyring) Use(text string) error {
	return k.change(text, func(keys []key, one key) ([]key, error) {
		i := find(keys, one)
		switch i {
		case -1:
			return nil, fmt.Errorf("keyring %s does not have the key %s, add it at all routers first", k.path,
				one.fingerprint())
		case 0:
			return nil, nil
		}
		return append([]key{one}, slices.Delete(keys, i, i+1)...), nil
	})
}

// Remove forgets a key. It is the third step of a rotation, when all routers use another one.
func (k *Keyring) Remove(text string) error {
	return k.change(text, func(keys []key, one key) ([]key, error) {
		i := find(keys, one)
		switch i {
		case -1:
			return nil, nil
		case 0:
			return nil, fmt.Errorf("keyring %s uses the key %s, use another one first", k.path, one.fingerprint())
		}
		return slices.Delete(keys, i, i+1), nil
	})
}

// Named calls f with the key that has a fingerprint, or the beginning of one, in the form in which Use and Remove take it.
func (k *Keyring) Named(fingerprint string, f func(text string) error) error {
	var found []key
	for _, one := range *k.keys.Load() {
		if fingerprint != "" && strings.HasPrefix(one.fingerprint(), strings.ToLower(fingerprint)) {
			found = append(found, one)
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("keyring %s has %d keys with the fingerprint %.80q", k.path, len(found), fingerprint)
	}
	return f(base64.StdEncoding.EncodeToString(found[0].raw[:]))
}

// Keys describes the keys, the one in use first.
func (k *Keyring) Keys() []KeyInfo {
	var infos []KeyInfo
	for i, one := range *k.keys.Load() {
		infos = append(infos, KeyInfo{one.fingerprint(), i == 0})
	}
	return infos
}
