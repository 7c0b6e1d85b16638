// Package tlstest makes authorities and certificates for tests, in files as an sslProfile names them.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates. Its files are in a directory of the test.
type Authority struct {
	File string // its certificate, for caCertFile

	tb          testing.TB
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

// Pair is a certificate and its key in files.
type Pair struct {
	CertFile, KeyFile string
	Certificate       *x509.Certificate
	Key               *ecdsa.PrivateKey
}

// NewAuthority makes an authority. Change may alter its certificate before it is signed; it may be nil.
func NewAuthority(tb testing.TB, name string, change func(*x509.Certificate)) *Authority {
	tb.Helper()
	a := &Authority{tb: tb, dir: tb.TempDir(), serial: 1}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(template)
	}
	a.key = newKey(tb)
	a.certificate = sign(tb, template, template, a.key, a.key)
	a.File = filepath.Join(a.dir, name+"-ca.pem")
	WriteFile(tb, a.File, CertificatePEM(a.certificate))
	return a
}

// Issue makes a certificate for servers and clients with the common name and alternative names localhost, 127.0.0.1
// and ::1. Change may alter it before it is signed; it may be nil. The files are named after the common name.
func (a *Authority) Issue(name string, change func(*x509.Certificate)) Pair {
	a.tb.Helper()
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if change != nil {
		change(template)
	}
	p := Pair{Key: newKey(a.tb)}
	p.Certificate = sign(a.tb, template, a.certificate, p.Key, a.key)
	p.CertFile, p.KeyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	WriteFile(a.tb, p.CertFile, CertificatePEM(p.Certificate))
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		a.tb.Fatal(err)
	}
	WriteFile(a.tb, p.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return p
}

// CertificatePEM returns a certificate in PEM form.
func CertificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// WriteFile puts a file in place in one step, readable for its owner only.
func WriteFile(tb testing.TB, path string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		tb.Fatal(err)
	}
}

// newKey makes a key.
func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// sign signs a certificate for a key.
func sign(tb testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
