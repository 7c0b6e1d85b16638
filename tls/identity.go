package tls

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
)

// uidFields are the letters of uidFormat that stand for a field of the subject.
var uidFields = map[byte]asn1.ObjectIdentifier{
	'c': {2, 5, 4, 6}, 's': {2, 5, 4, 8}, 'l': {2, 5, 4, 7}, 'o': {2, 5, 4, 10}, 'u': {2, 5, 4, 11}, 'n': {2, 5, 4, 3},
}

// checkUIDFormat refuses letters that mean nothing, and two fingerprints, of which Interconnect would show the last
// one twice.
func checkUIDFormat(format string) error {
	fingerprints := 0
	for i := range len(format) {
		letter := format[i]
		switch {
		case strings.IndexByte("125", letter) >= 0:
			fingerprints++
		case uidFields[letter] == nil:
			return fmt.Errorf("uidFormat %q: %q is not one of c, s, l, o, u, n, 1, 2, 5", format, rune(letter))
		}
		if strings.IndexByte(format[:i], letter) >= 0 {
			return fmt.Errorf("uidFormat %q: %q appears twice", format, rune(letter))
		}
	}
	if fingerprints > 1 {
		return fmt.Errorf("uidFormat %q: only one of the fingerprints 1, 2, 5 can be used", format)
	}
	return nil
}

// Identity returns the user that the peer's certificate proves: the fields of uidFormat in their order, joined by
// semicolons, those that the certificate lacks left out, and the name that uidNameMappingFile gives to that. Without
// uidFormat, or if the certificate has none of the fields, it is the whole subject in the form of RFC 2253. It is "" if
// the peer presented no certificate, or one without a subject: such a peer cannot use EXTERNAL. The state must be of a
// connection of this profile, which has verified the certificate. It fails for an identity with control characters.
func (p *Profile) Identity(state ConnectionState) (string, error) {
	if len(state.PeerCertificates) == 0 {
		return "", nil
	}
	leaf := state.PeerCertificates[0]
	id, err := fieldsOf(leaf, p.cfg.UIDFormat)
	if err != nil {
		return "", err
	}
	if id != "" {
		if name := p.current().names[id]; name != "" {
			id = name
		}
	} else {
		id = distinguishedName(leaf.RawSubject)
	}
	if strings.ContainsFunc(id, isControl) {
		return "", fmt.Errorf("the certificate of the peer makes the identity %q, which has control characters", id)
	}
	return id, nil
}

// fieldsOf returns the fields of a certificate that a uidFormat asks for.
func fieldsOf(c *x509.Certificate, format string) (string, error) {
	if format == "" {
		return "", nil
	}
	var subject pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.RawSubject, &subject); err != nil {
		return "", fmt.Errorf("the subject of the peer's certificate: %w", err)
	}
	var parts []string
	for i := range len(format) {
		switch format[i] {
		case '1':
			sum := sha1.Sum(c.Raw)
			parts = append(parts, hex.EncodeToString(sum[:]))
		case '2':
			sum := sha256.Sum256(c.Raw)
			parts = append(parts, hex.EncodeToString(sum[:]))
		case '5':
			sum := sha512.Sum512(c.Raw)
			parts = append(parts, hex.EncodeToString(sum[:]))
		default:
			if value, ok := first(subject, uidFields[format[i]]); ok {
				parts = append(parts, value)
			}
		}
	}
	return strings.Join(parts, ";"), nil
}

// first returns the first value of a type in a subject, as Proton does.
func first(subject pkix.RDNSequence, kind asn1.ObjectIdentifier) (string, bool) {
	for _, set := range subject {
		for _, a := range set {
			if value, ok := a.Value.(string); ok && a.Type.Equal(kind) {
				return value, true
			}
		}
	}
	return "", false
}

// isControl reports whether a character cannot stand in an identity.
func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
