package tls

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// shortNames are OpenSSL's names of the types that subjects are made of.
var shortNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
	"2.5.4.15": "businessCategory", "2.5.4.16": "postalAddress", "2.5.4.17": "postalCode", "2.5.4.20": "telephoneNumber",
	"2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.44": "generationQualifier",
	"2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym", "2.5.4.97": "organizationIdentifier",
	"1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
}

// distinguishedName writes a subject as OpenSSL does with XN_FLAG_RFC2253, which is the identity Proton gives to a
// certificate: the last element first, values escaped, octets beyond ASCII as \XX, unknown types as OID=#hex. It is ""
// for what is no subject.
func distinguishedName(raw []byte) string {
	var sequence []asn1.RawValue
	if rest, err := asn1.Unmarshal(raw, &sequence); err != nil || len(rest) > 0 {
		return ""
	}
	var out strings.Builder
	for i := len(sequence) - 1; i >= 0; i-- {
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		set := sequence[i].Bytes
		var elements []string
		for len(set) > 0 {
			var a attribute
			rest, err := asn1.Unmarshal(set, &a)
			if err != nil {
				return ""
			}
			set = rest
			elements = append([]string{a.String()}, elements...)
		}
		out.WriteString(strings.Join(elements, "+"))
	}
	return out.String()
}

// attribute is one AttributeTypeAndValue with its value as it is encoded.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// String writes type=value.
func (a attribute) String() string {
	oid := a.Type.String()
	var text pkix.AttributeTypeAndValue
	der, err := asn1.Marshal(a)
	if err == nil {
		_, err = asn1.Unmarshal(der, &text)
	}
	value, isString := text.Value.(string)
	name := shortNames[oid]
	if err != nil || !isString || name == "" {
		if name == "" {
			name = oid
		}
		return fmt.Sprintf("%s=#%X", name, a.Value.FullBytes)
	}
	return name + "=" + escapeValue(value)
}

// escapeValue escapes as ASN1_STRFLGS_RFC2253 does.
func escapeValue(value string) string {
	var out strings.Builder
	for i := range len(value) {
		c := value[i]
		first, last := i == 0, i == len(value)-1
		switch {
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&out, `\%02X`, c)
		case strings.IndexByte(`,+"\<>;`, c) >= 0, c == '#' && first, c == ' ' && (first || last):
			out.WriteByte('\\')
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
