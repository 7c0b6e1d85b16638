package tls

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postroad/postroad/tls/tlstest"
)

// Keys in every form that OpenSSL writes by default, now and in the past, open with the password and only with it.
func TestParseKey(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", "keys", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	plain := read("plain.pem")
	sec1, err := parseKey(read("ec-with-parameters.pem"), "")
	if err != nil || !strings.Contains(string(sec1), "BEGIN EC PRIVATE KEY") {
		t.Errorf("a key after its parameters: %v", err)
	}
	for name, want := range map[string][]byte{
		"pbes2-aes256.pem": plain, "pbes2-3des-sha1.pem": plain, "pbes2-scrypt.pem": plain, "legacy-aes256.pem": sec1,
	} {
		if got, err := parseKey(read(name), "server-password"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
		_, err := parseKey(read(name), "wrong")
		wantError(t, name+" with a wrong password", err, "cannot be decrypted")
		_, err = parseKey(read(name), "")
		wantError(t, name+" without a password", err, "no password is given")
	}
	_, err = parseKey(read("pbes1-3des.pem"), "server-password")
	wantError(t, "an old encryption", err, "openssl pkcs8 -topk8 -v2 aes256 makes one")
}

// A profile opens its encrypted key with the password, whichever way that is given, and warns where that is unsafe.
func TestPasswordForms(t *testing.T) {
	t.Setenv("POSTROAD_TEST_KEY_PASSWORD", "server-password")
	file := filepath.Join(t.TempDir(), "password")
	tlstest.WriteFile(t, file, []byte("server-password\r\nsecond line\n"))
	empty := filepath.Join(t.TempDir(), "empty")
	tlstest.WriteFile(t, empty, nil)
	const plain = "unsafe to write a password"
	tests := []struct {
		cfg           ProfileConfig
		warning, want string
	}{
		{ProfileConfig{Password: "env:POSTROAD_TEST_KEY_PASSWORD"}, "", ""},
		{ProfileConfig{Password: "env: POSTROAD_TEST_KEY_PASSWORD"}, "", ""},
		{ProfileConfig{Password: "file:" + file}, "", ""},
		{ProfileConfig{Password: "pass:server-password"}, plain, ""},
		{ProfileConfig{Password: "literal:server-password"}, plain, ""},
		{ProfileConfig{Password: "server-password"}, plain, ""},
		{ProfileConfig{PasswordFile: file}, "passwordFile is deprecated", ""},
		{ProfileConfig{Password: "server-password", PasswordFile: "/nowhere"}, plain, ""},
		{ProfileConfig{Password: "env:POSTROAD_TEST_NO_SUCH"}, "", "no environment variable POSTROAD_TEST_NO_SUCH"},
		{ProfileConfig{Password: "file:/nowhere"}, "", "password: stat /nowhere"},
		{ProfileConfig{Password: "file:" + empty}, "", "is empty"},
	}
	for _, tt := range tests {
		secret, warning, err := tt.cfg.password()
		switch {
		case tt.want != "":
			wantError(t, tt.cfg.Password, err, tt.want)
		case err != nil || secret != "server-password" || !strings.Contains(warning, tt.warning) ||
			(tt.warning == "") != (warning == ""):
			t.Errorf("%+v: %q, warning %q, %v", tt.cfg, secret, warning, err)
		}
	}
}

// A new password file is read together with the key that it opens.
func TestPasswordIsReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	tlstest.WriteFile(t, file, []byte("one"))
	ca := tlstest.NewAuthority(t, "ca", nil)
	cfg := of(ca.Issue("london", nil), ca)
	cfg.Password = "file:" + file
	var reported reports
	cfg.OnReload = reported.add
	p := load(t, cfg)
	p.current()
	if got := reported.take(); len(got) != 0 {
		t.Errorf("reports %v", got)
	}
	tlstest.WriteFile(t, file, []byte("two"))
	p.current()
	if got := reported.take(); len(got) != 1 || got[0] != nil {
		t.Errorf("reports %v, want one nil", got)
	}
}

// A key that everybody can read is warned of, also if it is in the file of the certificate.
func TestReadableKey(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	pair := ca.Issue("london", nil)
	key, err := os.ReadFile(pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(t.TempDir(), "both.pem")
	tlstest.WriteFile(t, both, append(tlstest.CertificatePEM(pair.Certificate), key...))
	if err := os.Chmod(both, 0o644); err != nil {
		t.Fatal(err)
	}
	p := load(t, ProfileConfig{Name: "both", CertFile: both})
	wantText(t, "warnings", strings.Join(p.Warnings(), "; "), "can be read by everybody")
	if !p.HasCertificate() || p.Name() != "both" {
		t.Error("the certificate of the file is not in use")
	}
}
