package sasl

import (
	"fmt"
	"slices"
	"strings"
)

// The mechanisms this package knows.
const (
	Anonymous   = "ANONYMOUS"
	Plain       = "PLAIN"
	External    = "EXTERNAL"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
)

// mechanisms is every mechanism, the strongest first, which is also the order of preference in which a server
// announces them [5.3.3.1].
var mechanisms = []string{External, ScramSHA512, ScramSHA256, Plain, Anonymous}

// Mechanisms returns the names of all mechanisms of this package, the strongest first.
func Mechanisms() []string { return slices.Clone(mechanisms) }

// ParseMechanisms splits the saslMechanisms attribute of a listener or connector, names separated by spaces or commas
// in any case, into those this package knows and those it does not, each once and in the order given.
func ParseMechanisms(attribute string) (known, unknown []string) {
	separator := func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' || r == '\r' }
	for _, name := range strings.FieldsFunc(attribute, separator) {
		name = strings.ToUpper(name)
		list := &unknown
		if slices.Contains(mechanisms, name) {
			list = &known
		}
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	return known, unknown
}

// Offer is what a listener knows about one connection when it announces mechanisms.
type Offer struct {
	// Mechanisms is the saslMechanisms attribute of the listener; empty allows every mechanism.
	Mechanisms string
	// PeerCertificate says that TLS verified a certificate of the peer: EXTERNAL can work.
	PeerCertificate bool
	// Credentials are the users that PLAIN and SCRAM are checked against, nil for none.
	Credentials Credentials
	// Authenticate is the authenticatePeer attribute of the listener: ANONYMOUS is out.
	Authenticate bool
}

// Announce returns the mechanisms that can succeed on a connection, the most preferred first, for sasl-mechanisms
// [5.3.3.1]. An empty list means that no client can pass: the specification has no form for it, so the connection is
// to be refused.
func Announce(o Offer) []string {
	allowed, unknown := ParseMechanisms(o.Mechanisms)
	if len(allowed) == 0 && len(unknown) == 0 {
		allowed = mechanisms
	}
	var checked []string
	if o.Credentials != nil {
		checked = o.Credentials.Mechanisms()
	}
	var list []string
	for _, m := range mechanisms {
		possible := slices.Contains(checked, m)
		switch m {
		case External:
			possible = o.PeerCertificate
		case Anonymous:
			possible = !o.Authenticate
		}
		if possible && slices.Contains(allowed, m) {
			list = append(list, m)
		}
	}
	return list
}

// Possessions is what a client could prove itself with.
type Possessions struct {
	Certificate bool // a TLS client certificate was presented on this connection
	Password    bool // a user name and a password are configured
}

// Choose picks the strongest mechanism that the server offered [5.3.3.1], the configuration allows and the client can
// perform; an empty allowed list allows all. ANONYMOUS is the last resort, whatever the client possesses. The error
// says why each offered mechanism was passed over.
func Choose(offered, allowed []string, have Possessions) (string, error) {
	for _, m := range mechanisms {
		if slices.Contains(offered, m) && refusal(m, allowed, have) == "" {
			return m, nil
		}
	}
	if len(offered) == 0 {
		return "", fmt.Errorf("sasl: the server offers no mechanism")
	}
	const most = 8 // an answer worth reading, whatever the server sent
	var reasons []string
	for _, m := range offered[:min(len(offered), most)] {
		reasons = append(reasons, fmt.Sprintf("%.40q %s", m, refusal(m, allowed, have)))
	}
	if len(offered) > most {
		reasons = append(reasons, fmt.Sprintf("%d more", len(offered)-most))
	}
	return "", fmt.Errorf("sasl: no mechanism of the server can be used: %s", strings.Join(reasons, "; "))
}

// refusal says why a client would not use a mechanism, "" if it would.
func refusal(mechanism string, allowed []string, have Possessions) string {
	switch {
	case !slices.Contains(mechanisms, mechanism):
		return "is not supported"
	case len(allowed) > 0 && !slices.Contains(allowed, mechanism):
		return "is not among saslMechanisms " + strings.Join(allowed, " ")
	case mechanism == External && !have.Certificate:
		return "needs a TLS client certificate"
	case mechanism != External && mechanism != Anonymous && !have.Password:
		return "needs saslUsername and saslPassword"
	}
	return ""
}
