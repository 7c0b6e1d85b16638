package tls

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// versions are the names of the protocols attribute, the oldest first.
var versions = []struct {
	name string
	id   uint16
}{
	{"TLSv1", tls.VersionTLS10}, {"TLSv1.1", tls.VersionTLS11}, {"TLSv1.2", tls.VersionTLS12},
	{"TLSv1.3", tls.VersionTLS13},
}

// versionName returns the name of a version as in the protocols attribute and in sslProto.
func versionName(id uint16) string {
	for _, v := range versions {
		if v.id == id {
			return v.name
		}
	}
	return fmt.Sprintf("0x%04x", id)
}

// protocols are the versions a profile allows, the oldest first; never empty.
type protocols []uint16

// parseProtocols reads names separated by spaces, commas or semicolons.
func parseProtocols(attribute string) (protocols, error) {
	words := strings.FieldsFunc(attribute, func(r rune) bool { return strings.ContainsRune(" ,;\t\n", r) })
	if len(words) == 0 {
		return protocols{tls.VersionTLS12, tls.VersionTLS13}, nil
	}
	p := protocols{}
	for _, word := range words {
		at := -1
		for i, v := range versions {
			if strings.EqualFold(v.name, word) || word == "TLSv1.0" && i == 0 {
				at = i
			}
		}
		if at < 0 {
			return protocols{tls.VersionTLS13}, fmt.Errorf(
				"protocols: %q is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", word)
		}
		if !p.has(versions[at].id) {
			p = append(p, versions[at].id)
		}
	}
	slices.Sort(p)
	return p, nil
}

func (p protocols) has(v uint16) bool { return slices.Contains(p, v) }
func (p protocols) min() uint16       { return p[0] }
func (p protocols) max() uint16       { return p[len(p)-1] }

// gap reports whether the list leaves out a version in the middle, which crypto/tls has no setting for.
func (p protocols) gap() bool { return int(p.max()-p.min()) >= len(p) }

// best returns the newest version that is allowed and offered, 0 if there is none.
func (p protocols) best(offered []uint16) uint16 {
	for _, v := range slices.Backward(p) {
		if slices.Contains(offered, v) {
			return v
		}
	}
	return 0
}
