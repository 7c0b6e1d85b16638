package tls

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"path/filepath"
	"testing"

	"github.com/postroad/postroad/tls/tlstest"
)

// clientSubject is the subject of the client certificate of Interconnect's own test of uidFormat.
func clientSubject(c *x509.Certificate) {
	c.Subject = subject("n", "127.0.0.1", "o", "Client", "u", "Dev", "l", "Raleigh", "s", "NC", "c", "US")
}

// subject makes a subject of letters of uidFormat and values.
func subject(parts ...string) pkix.Name {
	var name pkix.Name
	for i := 0; i < len(parts); i += 2 {
		a := pkix.AttributeTypeAndValue{Type: uidFields[parts[i][0]], Value: parts[i+1]}
		name.ExtraNames = append(name.ExtraNames, a)
	}
	return name
}

// Identities are those that Interconnect's system_tests_user_id expects for the same subject.
func TestIdentity(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	leaf := ca.Issue("client", clientSubject).Certificate
	one, two, five := sha1.Sum(leaf.Raw), sha256.Sum256(leaf.Raw), sha512.Sum512(leaf.Raw)
	hex1, hex2, hex5 := hex.EncodeToString(one[:]), hex.EncodeToString(two[:]), hex.EncodeToString(five[:])
	state := ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	for format, want := range map[string]string{
		"1": hex1, "2": hex2, "5": hex5,
		"2noucs": hex2 + ";127.0.0.1;Client;Dev;US;NC",
		"1cs":    hex1 + ";US;NC",
		"cs5":    "US;NC;" + hex5,
		"nsuco":  "127.0.0.1;NC;Dev;US;Client",
		"scounl": "NC;US;Client;Dev;127.0.0.1;Raleigh",
		"":       "C=US,ST=NC,L=Raleigh,OU=Dev,O=Client,CN=127.0.0.1",
	} {
		got, err := load(t, ProfileConfig{UIDFormat: format}).Identity(state)
		if err != nil || got != want {
			t.Errorf("uidFormat %q: %q, %v, want %q", format, got, err, want)
		}
	}
	if got, err := load(t, ProfileConfig{}).Identity(ConnectionState{}); got != "" || err != nil {
		t.Errorf("without a certificate: %q, %v", got, err)
	}
}

// Fields that the certificate lacks are left out; of a field that is there twice the first counts; if none is there
// the identity is the subject.
func TestIdentityOfSparseSubject(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	leaf := ca.Issue("sparse", func(c *x509.Certificate) {
		c.Subject = subject("n", "first", "n", "second")
	}).Certificate
	state := ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	for format, want := range map[string]string{"con": "first", "co": "CN=second,CN=first"} {
		if got, err := load(t, ProfileConfig{UIDFormat: format}).Identity(state); err != nil || got != want {
			t.Errorf("uidFormat %q: %q, %v, want %q", format, got, err, want)
		}
	}
}

// uidNameMappingFile gives an identity another name, leaves others alone, and is read again when it changes.
func TestNameMapping(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	file := filepath.Join(t.TempDir(), "names.json")
	tlstest.WriteFile(t, file, []byte(`{"paris": "Paris, the router", "rome": ""}`))
	p := load(t, ProfileConfig{UIDFormat: "n", UIDNameMappingFile: file})
	want := func(name, want string) {
		t.Helper()
		leaf := ca.Issue(name, nil).Certificate
		if got, err := p.Identity(ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	want("paris", "Paris, the router")
	want("rome", "rome")
	want("london", "london")
	tlstest.WriteFile(t, file, []byte(`{"london": "London"}`))
	want("london", "London")
	want("paris", "paris")
	tlstest.WriteFile(t, file, []byte(`{"london": "Lon\ndon"}`))
	want("london", "London")
}

// A client whose certificate makes an identity with control characters is refused; a server may be called anything.
func TestBadIdentity(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	evil := ca.Issue("evil", func(c *x509.Certificate) { c.Subject.CommonName = "admin\nroot" })
	cfg := of(evil, ca)
	cfg.UIDFormat = "n"
	p := load(t, cfg)
	s, c := handshake(t, p, p, true, "localhost", true)
	wantError(t, "evil", s.err, "control characters")
	s, c = handshake(t, p, p, false, "localhost", true)
	if s.err != nil || c.err != nil || c.state.Identity != "" {
		t.Errorf("server: %v; client: %v, %+v", s.err, c.err, c.state)
	}
}

// A certificate without a subject proves nobody, and is good for a connection all the same.
func TestNoSubject(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewAuthority(t, "ca", nil)
	p := load(t, of(ca.Issue("bare", func(c *x509.Certificate) { c.Subject = pkix.Name{} }), ca))
	s, c := handshake(t, p, p, true, "localhost", true)
	if s.err != nil || c.err != nil || s.state.Identity != "" || c.state.Identity != "" {
		t.Errorf("server: %v, %+v; client: %v, %+v", s.err, s.state, c.err, c.state)
	}
}

// A uidFormat that means nothing is refused with the letters that mean something.
func TestBadUIDFormat(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{
		"nx": "'x' is not one of", "nn": "'n' appears twice", "12": "only one of the fingerprints", "n,o": "',' is not",
	} {
		_, err := Load(ProfileConfig{UIDFormat: format})
		wantError(t, format, err, want)
	}
}

// Subjects are written as "openssl x509 -subject -nameopt RFC2253" writes them.
func TestDistinguishedName(t *testing.T) {
	t.Parallel()
	raw, err := hex.DecodeString("307f310b3009060355040613024445310b300906035504080c024e4331173015060355040a0c0e412c2042" +
		"202b202243223c3e3b5c31153008060355040b0c01793009060355040b0c0223783112301006035504030c09206ac3bc7267656e2031" +
		"12301006092a864886f70d0109011603614062310b3009060355040513023132")
	if err != nil {
		t.Fatal(err)
	}
	const want = `serialNumber=12,emailAddress=a@b,CN=\ j\C3\BCrgen\ ,OU=\#x+OU=y,O=A\, B \+ \"C\"\<\>\;\\,ST=NC,C=DE`
	if got := distinguishedName(raw); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	unknown, err := asn1.Marshal(pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: "zzz"}, {Type: uidFields['n'], Value: "a\x7f\x01"},
	}}.ToRDNSequence())
	if err != nil {
		t.Fatal(err)
	}
	if got := distinguishedName(unknown); got != `CN=a\7F\01,1.2.3.4=#13037A7A7A` {
		t.Errorf("an unknown type: %s", got)
	}
	for _, bad := range [][]byte{nil, {0x30}, {0x30, 0x02, 0x31, 0x05}, append(raw, 0), {0x04, 0x00}} {
		if got := distinguishedName(bad); got != "" {
			t.Errorf("% x: %q, want nothing", bad, got)
		}
	}
}

// No subject makes the writer panic or write a control character.
func FuzzDistinguishedName(f *testing.F) {
	f.Add([]byte{0x30, 0x0d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x44, 0x45})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, c := range []byte(distinguishedName(raw)) {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%q", distinguishedName(raw))
			}
		}
	})
}
