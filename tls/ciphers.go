package tls

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// suite is a cipher suite before TLS 1.3, under the name that OpenSSL has for it. The name tells everything about it:
// [ECDHE-RSA- or ECDHE-ECDSA-, else RSA key exchange] cipher [-mode] -MAC.
type suite struct {
	name string
	id   uint16
}

// suites are those that crypto/tls implements.
var suites = []suite{
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
	{"ECDHE-ECDSA-AES128-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-RSA-AES128-SHA", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA},
	{"ECDHE-ECDSA-AES256-SHA", tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-RSA-AES256-SHA", tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-ECDSA-AES128-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
	{"ECDHE-RSA-AES128-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
	{"AES128-GCM-SHA256", tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	{"AES256-GCM-SHA384", tls.TLS_RSA_WITH_AES_256_GCM_SHA384},
	{"AES128-SHA256", tls.TLS_RSA_WITH_AES_128_CBC_SHA256},
	{"AES128-SHA", tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	{"AES256-SHA", tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	{"ECDHE-RSA-DES-CBC3-SHA", tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA},
	{"DES-CBC3-SHA", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
	{"ECDHE-ECDSA-RC4-SHA", tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA},
	{"ECDHE-RSA-RC4-SHA", tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA},
	{"RC4-SHA", tls.TLS_RSA_WITH_RC4_128_SHA},
}

func (s suite) has(part string) bool { return strings.Contains("-"+s.name+"-", "-"+part+"-") }
func (s suite) ecdhe() bool          { return s.has("ECDHE") }
func (s suite) aead() bool           { return s.has("GCM") || s.has("POLY1305") }
func (s suite) aes() bool            { return s.has("AES128") || s.has("AES256") }
func (s suite) tripleDES() bool      { return s.has("CBC3") }
func (s suite) strong() bool         { return s.aes() || s.has("CHACHA20") }

// bits is the strength of the key as OpenSSL counts it.
func (s suite) bits() int {
	switch {
	case s.has("AES256") || s.has("CHACHA20"):
		return 256
	case s.tripleDES():
		return 112
	}
	return 128
}

// secure reports whether Go would use a suite without being told to.
func (s suite) secure() bool {
	return slices.ContainsFunc(tls.CipherSuites(), func(c *tls.CipherSuite) bool { return c.ID == s.id })
}

// keywords are the words of OpenSSL's cipher lists (openssl-ciphers(1)) that select suites Go has.
var keywords = map[string]func(suite) bool{
	"ALL": func(suite) bool { return true }, "DEFAULT": suite.secure,
	"HIGH": suite.strong, "MEDIUM": func(s suite) bool { return !s.strong() },
	"kRSA": func(s suite) bool { return !s.ecdhe() }, "RSA": func(s suite) bool { return !s.ecdhe() },
	"aRSA": func(s suite) bool { return !s.has("ECDSA") }, "aECDSA": func(s suite) bool { return s.has("ECDSA") },
	"ECDSA": func(s suite) bool { return s.has("ECDSA") },
	"ECDHE": suite.ecdhe, "EECDH": suite.ecdhe, "kECDHE": suite.ecdhe, "kEECDH": suite.ecdhe, "ECDH": suite.ecdhe,
	"AES": suite.aes, "AES128": func(s suite) bool { return s.has("AES128") },
	"AES256": func(s suite) bool { return s.has("AES256") },
	"AESGCM": func(s suite) bool { return s.has("GCM") }, "CHACHA20": func(s suite) bool { return s.has("CHACHA20") },
	"3DES": suite.tripleDES, "RC4": func(s suite) bool { return s.has("RC4") },
	"SHA": func(s suite) bool { return s.has("SHA") }, "SHA1": func(s suite) bool { return s.has("SHA") },
	"SHA256":  func(s suite) bool { return s.has("SHA256") && !s.aead() },
	"CBC":     func(s suite) bool { return !s.aead() && !s.has("RC4") },
	"TLSv1.2": func(s suite) bool { return !s.has("SHA") }, "TLSv1": func(s suite) bool { return s.has("SHA") },
	"TLSv1.0": func(s suite) bool { return s.has("SHA") }, "SSLv3": func(s suite) bool { return s.has("SHA") },
}

// absent are OpenSSL's words for suites that Go has none of.
const absent = " LOW EXP EXPORT EXPORT40 EXPORT56 NULL eNULL aNULL ADH AECDH COMPLEMENTOFDEFAULT COMPLEMENTOFALL DH " +
	"DHE EDH kDHE kEDH kDH kDHr kDHd aDH kECDH kECDHr kECDHe aECDH aDSS DSS DSA aDSA AESCCM AESCCM8 ARIA ARIA128 " +
	"ARIA256 ARIAGCM CAMELLIA CAMELLIA128 CAMELLIA256 DES RC2 IDEA SEED MD5 SHA384 GOST aGOST kGOST aGOST01 GOST94 " +
	"GOST89MAC PSK kPSK aPSK kECDHEPSK kDHEPSK kRSAPSK SRP kSRP aSRP KRB5 kKRB5 aKRB5 FZA SSLv2 SUITEB128 SUITEB192 "

// vocabulary are the parts that the names of OpenSSL's suites are made of.
const vocabulary = " ECDHE ECDH DHE EDH DH ADH AECDH RSA ECDSA DSS PSK SRP EXP KRB5 AES128 AES256 ARIA128 ARIA256 " +
	"CAMELLIA128 CAMELLIA256 CHACHA20 POLY1305 GCM CCM CCM8 CBC CBC3 DES RC2 RC4 IDEA SEED NULL GOST2001 GOST89 GOST94 " +
	"SHA SHA256 SHA384 MD5 AES 128 256 3DES EDE SM4 "

// contains reports whether a list of words has a word.
func contains(list, word string) bool { return word != "" && strings.Contains(list, " "+word+" ") }

// parseCiphers reads a cipher list as OpenSSL does: elements separated by colons, commas, semicolons or spaces, each a
// name, a keyword, or keywords joined by +; with ! before it what it selects is ruled out for good, with - it is taken
// away, and + only moves it, which means nothing here. Keywords select 3DES and RC4 only if they say so. It returns nil
// for an empty list, and the elements that select nothing because Go has no such cipher.
func parseCiphers(list string) (ids []uint16, skipped []string, err error) {
	elements := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":,; \t\n", r) })
	if len(elements) == 0 {
		return nil, nil, nil
	}
	ids = []uint16{}
	banned := make(map[uint16]bool)
	for _, element := range elements {
		if strings.HasPrefix(element, "@") { // @STRENGTH, @SECLEVEL=n
			continue
		}
		word := strings.TrimLeft(element, "!-+")
		operator := element[:len(element)-len(word)]
		if len(operator) > 1 {
			return nil, nil, fmt.Errorf("ciphers: %q has more than one of ! - +", element)
		}
		selected, known := selectSuites(word)
		switch {
		case !known:
			return nil, nil, fmt.Errorf("ciphers: %q is no cipher and no keyword of OpenSSL; names look like "+
				"ECDHE-RSA-AES256-GCM-SHA384, keywords like HIGH or ECDHE+AESGCM", word)
		case len(selected) == 0 && operator == "":
			skipped = append(skipped, fmt.Sprintf("ciphers: %s selects nothing that is supported here", word))
		}
		for _, id := range selected {
			if operator == "" && weak(id) && !asksForWeak(word) {
				continue
			}
			at := slices.Index(ids, id)
			switch {
			case operator == "" && at < 0 && !banned[id]:
				ids = append(ids, id)
			case (operator == "!" || operator == "-") && at >= 0:
				ids = slices.Delete(ids, at, at+1)
			}
			banned[id] = banned[id] || operator == "!"
		}
	}
	return ids, skipped, nil
}

// weak reports whether a suite has a cipher that distributions leave out of their OpenSSL: 3DES or RC4.
func weak(id uint16) bool {
	return slices.ContainsFunc(suites, func(s suite) bool { return s.id == id && !s.strong() })
}

// asksForWeak reports whether an element means weak suites, and does not only include them.
func asksForWeak(element string) bool {
	for word := range strings.SplitSeq(element, "+") {
		if word == "3DES" || word == "RC4" || word == "MEDIUM" {
			return true
		}
	}
	return keywords[element] == nil && !strings.Contains(element, "+")
}

// selectSuites returns the suites that one element without its operator selects; known is false for what OpenSSL would
// not understand either.
func selectSuites(element string) (ids []uint16, known bool) {
	for _, s := range suites {
		if s.name == element || tls.CipherSuiteName(s.id) == element {
			return []uint16{s.id}, true
		}
	}
	ids = make([]uint16, 0, len(suites))
	for _, s := range suites {
		ids = append(ids, s.id)
	}
	for word := range strings.SplitSeq(element, "+") {
		matches := keywords[word]
		switch {
		case matches != nil:
		case contains(absent, word) || isSuiteName(word):
			matches = func(suite) bool { return false }
		default:
			return nil, false
		}
		for _, s := range suites {
			if at := slices.Index(ids, s.id); at >= 0 && !matches(s) {
				ids = slices.Delete(ids, at, at+1)
			}
		}
	}
	return ids, true
}

// isSuiteName reports whether a word is made like the name of a suite, in OpenSSL's form or the standard's.
func isSuiteName(word string) bool {
	if standard, found := strings.CutPrefix(word, "TLS_"); found {
		word = strings.ReplaceAll(strings.ReplaceAll(standard, "_WITH_", "_"), "_", "-")
	}
	parts := strings.Split(word, "-")
	for _, part := range parts {
		if !contains(vocabulary, part) {
			return false
		}
	}
	return len(parts) > 1
}
