package tls

import (
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// verifyServer checks the certificate of a server against the authorities, nil for those of the system, and unless
// host is empty against the host that was dialed.
//
// It stands in for crypto/tls's own check, which cannot leave the host out, and which refuses two forms that networks
// of Interconnect have: the host in the common name of a certificate without alternative names, and an IP address
// written as a DNS name. Both are accepted from the profile's own authorities only.
func verifyServer(chain []*x509.Certificate, roots *x509.CertPool, host string) error {
	if len(chain) == 0 {
		return errors.New("the server presented no certificate")
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	leaf := chain[0]
	verified, err := leaf.Verify(options)
	if err != nil || host == "" {
		return err
	}
	err = leaf.VerifyHostname(host)
	if err == nil || roots == nil {
		return err
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
		for _, name := range leaf.DNSNames {
			if other := net.ParseIP(name); other != nil && other.Equal(ip) {
				return nil
			}
		}
	}
	if hasAlternativeNames(leaf) || constrained(verified) {
		return err
	}
	named := x509.Certificate{Raw: leaf.Raw, DNSNames: []string{leaf.Subject.CommonName}}
	if ip := net.ParseIP(leaf.Subject.CommonName); ip != nil {
		named = x509.Certificate{Raw: leaf.Raw, IPAddresses: []net.IP{ip}}
	}
	if named.VerifyHostname(host) == nil {
		return nil
	}
	return err
}

// hasAlternativeNames reports whether a certificate says in the modern way whom it is for (RFC 6125 section 6.4.4).
func hasAlternativeNames(c *x509.Certificate) bool {
	return len(c.DNSNames)+len(c.IPAddresses)+len(c.URIs) > 0
}

// constrained reports whether every chain has an authority that may name some hosts only: the common name is not held
// against such limits.
func constrained(chains [][]*x509.Certificate) bool {
	for _, chain := range chains {
		limited := false
		for _, c := range chain[1:] {
			limited = limited || len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+
				len(c.PermittedIPRanges)+len(c.ExcludedIPRanges) > 0
		}
		if !limited {
			return false
		}
	}
	return true
}
