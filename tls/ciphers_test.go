package tls

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"github.com/postroad/postroad/tls/tlstest"
)

// names returns the OpenSSL names of suites, in the order of the table.
func names(ids []uint16) string {
	var out []string
	for _, s := range suites {
		if slices.Contains(ids, s.id) {
			out = append(out, s.name)
		}
	}
	return strings.Join(out, " ")
}

// The table has every suite that crypto/tls has before TLS 1.3, once.
func TestSuitesAreComplete(t *testing.T) {
	t.Parallel()
	have := make(map[uint16]bool)
	for _, s := range suites {
		if have[s.id] {
			t.Errorf("%s is there twice", s.name)
		}
		have[s.id] = true
	}
	for _, c := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !have[c.ID] && slices.Contains(c.SupportedVersions, tls.VersionTLS12) {
			t.Errorf("%s is missing", c.Name)
		}
	}
}

// Cipher lists select what OpenSSL 3.0 selects with them ("openssl ciphers -tls1_2", level 0), as far as Go has it.
func TestParseCiphers(t *testing.T) {
	t.Parallel()
	const gcm = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 " +
		"ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384"
	const chacha = "ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305"
	const rsa = "AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA256 AES128-SHA AES256-SHA"
	const strong = gcm + " " + chacha + " ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA ECDHE-ECDSA-AES256-SHA " +
		"ECDHE-RSA-AES256-SHA ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 " + rsa
	tests := []struct{ list, want, skipped string }{
		{"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", ""},
		{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", ""},
		{"HIGH:!aNULL:!MD5", strong, ""},
		{"ALL:@STRENGTH", strong, ""},
		{"ECDHE+AESGCM:ECDHE+CHACHA20", gcm + " " + chacha, ""},
		{"AESGCM,!kRSA", gcm, ""},
		{"kRSA", rsa, ""},
		{"HIGH:-kRSA:AES256-SHA", strings.Replace(strong, rsa, "AES256-SHA", 1), ""},
		{"!AES256-SHA:kRSA+AES256", "AES256-GCM-SHA384", ""},
		{"SHA256:+HIGH", "ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES128-SHA256 AES128-SHA256", ""},
		{"aECDSA:!SHA1", "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305 " +
			"ECDHE-ECDSA-AES128-SHA256", ""},
		{"ALL:!AES", chacha, ""},
		{"RC4-SHA DES-CBC3-SHA", "DES-CBC3-SHA RC4-SHA", ""},
		{"kRSA+3DES", "DES-CBC3-SHA", ""},
		{"ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
			"DHE-RSA-AES128-GCM-SHA256"},
		{"AES256-SHA;EDH+AES;TLS_AES_256_GCM_SHA384;CAMELLIA128-SHA", "AES256-SHA",
			"EDH+AES TLS_AES_256_GCM_SHA384 CAMELLIA128-SHA"},
		{"aNULL", "", "aNULL"},
	}
	for _, tt := range tests {
		ids, skipped, err := parseCiphers(tt.list)
		if err != nil || names(ids) != tt.want {
			t.Errorf("%s: %v\n got %s\nwant %s", tt.list, err, names(ids), tt.want)
		}
		for i, word := range strings.Fields(tt.skipped) {
			if i >= len(skipped) || !strings.Contains(skipped[i], word) {
				t.Errorf("%s: skipped %q, want %s", tt.list, skipped, tt.skipped)
			}
		}
		if len(skipped) != len(strings.Fields(tt.skipped)) {
			t.Errorf("%s: skipped %q, want %q", tt.list, skipped, tt.skipped)
		}
	}
	if ids, _, err := parseCiphers(" "); ids != nil || err != nil {
		t.Errorf("an empty list: %v, %v", ids, err)
	}
	for _, bad := range []string{
		"ROT13", "HIGH:ROT13", "!ROT13", "ECDHE+ROT13", "ECDHE-RSA-AES128-GCM-SHA1024", "TLS_FOO", "!!HIGH", "!", "high",
	} {
		_, _, err := parseCiphers(bad)
		wantError(t, bad, err, "ciphers: ")
	}
}

// A list rules over TLS 1.2 and leaves TLS 1.3 alone; the state has OpenSSL's name and the strength.
func TestCipherInUse(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	cfg := of(ca.Issue("london", nil), ca)
	cfg.Ciphers, cfg.Protocols = "ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2"
	server := load(t, cfg)
	client := load(t, ProfileConfig{CACertFile: ca.File})
	s, c := handshake(t, server, client, false, "localhost", true)
	if s.err != nil || c.err != nil {
		t.Fatalf("server: %v; client: %v", s.err, c.err)
	}
	if s.state.Cipher != "ECDHE-ECDSA-AES256-GCM-SHA384" || s.state.SSF != 256 || s.state.Protocol != "TLSv1.2" {
		t.Errorf("%s %s %d", s.state.Protocol, s.state.Cipher, s.state.SSF)
	}
	cfg.Protocols = ""
	s, _ = handshake(t, load(t, cfg), client, false, "localhost", true)
	if s.err != nil || s.state.Protocol != "TLSv1.3" {
		t.Errorf("with TLS 1.3: %v, %+v", s.err, s.state)
	}
	other := load(t, ProfileConfig{CACertFile: ca.File, Ciphers: "ECDHE+CHACHA20", Protocols: "TLSv1.2"})
	if s, c := handshake(t, server, other, false, "localhost", true); s.err == nil || c.err == nil {
		t.Error("two lists without a common cipher agree")
	}
	for suite, want := range map[uint16]int{
		tls.TLS_AES_128_GCM_SHA256: 128, tls.TLS_CHACHA20_POLY1305_SHA256: 256, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA: 112,
		tls.TLS_RSA_WITH_RC4_128_SHA: 128, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 256,
	} {
		if got := describe(tls.ConnectionState{CipherSuite: suite}); got.SSF != want {
			t.Errorf("%s: %d bits, want %d", got.Cipher, got.SSF, want)
		}
	}
}
