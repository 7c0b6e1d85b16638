package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// RecordHeaderError is what a handshake fails with when the other side does not speak TLS.
type RecordHeaderError = tls.RecordHeaderError

// Tool is what the flags of a command-line tool say about TLS. The files are read once, for one connection; a router
// uses a [Profile].
type Tool struct {
	CAFile     string // authorities to trust; empty: those of the system
	CertFile   string // own certificate; empty: none
	KeyFile    string // key of it
	ServerName string // the server's certificate must be for it
	Insecure   bool   // trust any certificate
}

// ErrHalfPair says that a certificate was named without its key, or the other way round.
var ErrHalfPair = errors.New("a certificate and its key belong together; only one of them is given")

// Config reads the files. Its errors name the file that is wrong.
func (t Tool) Config() (*Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.Insecure}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, ErrHalfPair
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", t.CertFile, t.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Secure runs the client's side of the handshake on a connection, which it closes when that fails.
func Secure(ctx context.Context, raw net.Conn, c *Config) (net.Conn, error) {
	secured := tls.Client(raw, c)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the error that matters is known
		return nil, err
	}
	return secured, nil
}
