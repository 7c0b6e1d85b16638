package connect

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/version"
	"github.com/postroad/postroad/internal/management/client"
	"github.com/postroad/postroad/internal/wait"
	"github.com/postroad/postroad/tls"
)

// Flags are the flags of every command that connects to a router as an AMQP client.
type Flags struct {
	URL      string
	hostname string
	sasl     string
	ca       string
	cert     string
	key      string
	insecure bool
	Timeout  time.Duration // until the connection is open
}

// Defaults of the flags.
const (
	defaultURL     = "amqp://127.0.0.1:5672"
	defaultTimeout = 5 * time.Second
)

// Register adds the flags to a command.
func (f *Flags) Register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.URL, "url", defaultURL, "router to connect to: amqp[s]://[user:password@]host[:port]")
	fs.StringVar(&f.hostname, "hostname", "", "hostname told to the router, and the name its certificate must have;\n"+
		"the host of the URL unless given")
	fs.StringVar(&f.sasl, "sasl", "", "SASL mechanism: ANONYMOUS, PLAIN, EXTERNAL, or none for no SASL layer; unless\n"+
		"given PLAIN with a user in the URL, EXTERNAL with a certificate, else ANONYMOUS")
	fs.StringVar(&f.ca, "ca", "", "file with the certificates (PEM) of the authorities to trust; the system's unless given")
	fs.StringVar(&f.cert, "cert", "", "file with the client's own certificate (PEM)")
	fs.StringVar(&f.key, "key", "", "file with the private key of the certificate (PEM)")
	fs.BoolVar(&f.insecure, "insecure-skip-verify", false, "accept any certificate of the router: for tests only")
	fs.DurationVar(&f.Timeout, "connect-timeout", defaultTimeout, "longest time until the connection is open")
}

// saslNone is the value of --sasl that leaves the SASL layer out.
const saslNone = "none"

// Endpoint is a parsed URL together with everything needed to connect to it.
type Endpoint struct {
	Address   string // host:port
	Hostname  string // of the open performative
	Mechanism string // SASL mechanism, or "" for no SASL layer
	User      string
	Password  string
	TLS       *tls.Config // nil for plain TCP
}

// Endpoint parses one of the command's URLs.
func (f *Flags) Endpoint(rawURL string) (*Endpoint, error) {
	if !strings.Contains(rawURL, "://") {
		rawURL = "amqp://" + rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, command.UsageErrorf("%q is no URL; write special characters of user and password as %%XX",
			redactURL(rawURL))
	}
	e := &Endpoint{Hostname: f.hostname}
	port := u.Port()
	switch u.Scheme {
	case "amqp":
		port = cmp.Or(port, "5672")
	case "amqps":
		port = cmp.Or(port, "5671")
		if e.TLS, err = f.tlsConfig(u.Hostname()); err != nil {
			return nil, err
		}
	default:
		return nil, command.UsageErrorf("%q: the scheme must be amqp or amqps, not %q", u.Redacted(), u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, command.UsageErrorf("%q names no host; it should look like amqp://127.0.0.1:5672", u.Redacted())
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return nil, command.UsageErrorf("%q: %q is no port; it must be 1 to 65535", u.Redacted(), port)
	}
	if strings.Trim(u.Path, "/") != "" {
		return nil, command.UsageErrorf("%q: a URL names a router only; give the address %q as an argument", u.Redacted(),
			strings.Trim(u.Path, "/"))
	}
	if e.TLS == nil && (f.ca != "" || f.cert != "" || f.key != "" || f.insecure) {
		return nil, command.UsageErrorf("%q connects without TLS, so --ca, --cert, --key and --insecure-skip-verify have "+
			"no effect; use amqps://", u.Redacted())
	}
	e.Address = net.JoinHostPort(u.Hostname(), port)
	e.Hostname = cmp.Or(e.Hostname, u.Hostname())
	e.User = u.User.Username()
	e.Password, _ = u.User.Password()
	e.Mechanism, err = f.mechanism(e.User != "")
	return e, err
}

// mechanism chooses the SASL mechanism.
func (f *Flags) mechanism(haveUser bool) (string, error) {
	switch m := strings.ToUpper(f.sasl); {
	case m == "ANONYMOUS", m == "EXTERNAL":
		return m, nil
	case m == "PLAIN":
		if !haveUser {
			return "", command.UsageErrorf("--sasl PLAIN needs user and password in the URL: amqp://user:password@host")
		}
		return m, nil
	case m == strings.ToUpper(saslNone):
		return "", nil
	case m != "":
		return "", command.UsageErrorf("--sasl %q is unknown; use ANONYMOUS, PLAIN, EXTERNAL or none", f.sasl)
	case haveUser:
		return "PLAIN", nil
	case f.cert != "":
		return "EXTERNAL", nil
	}
	return "ANONYMOUS", nil
}

// tlsConfig reads the files of the TLS flags.
func (f *Flags) tlsConfig(host string) (*tls.Config, error) {
	c, err := tls.Tool{
		CAFile: f.ca, CertFile: f.cert, KeyFile: f.key, ServerName: cmp.Or(f.hostname, host), Insecure: f.insecure,
	}.Config()
	if errors.Is(err, tls.ErrHalfPair) {
		return nil, command.UsageErrorf("--cert and --key belong together; only one of them is given")
	}
	if err != nil {
		return nil, fmt.Errorf("--ca, --cert, --key: %w", err)
	}
	return c, nil
}

// Dial opens the transport, with TLS when the URL says so.
func (e *Endpoint) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.Address)
	if err != nil || e.TLS == nil {
		return conn, e.explain(err)
	}
	secured, err := tls.Secure(ctx, conn, e.TLS)
	return secured, e.explain(err)
}

// Open opens an AMQP connection to the router named by --url.
func (f *Flags) Open(ctx context.Context) (*amqp.Conn, error) {
	e, err := f.Endpoint(f.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, f.Timeout,
		fmt.Errorf("no answer from %s within %v", e.Address, f.Timeout))
	defer cancel()
	raw, err := e.Dial(ctx)
	if err != nil {
		return nil, wait.Cause(ctx, err)
	}
	conn, err := amqp.NewConn(ctx, raw, &amqp.ConnOptions{
		HostName: e.Hostname, SASLType: e.saslType(), MaxFrameSize: 64 << 10,
		Properties: map[string]any{"product": "postroad", "version": version.Current().Version},
	})
	if err != nil {
		raw.Close()
		return nil, wait.Cause(ctx, e.explain(err))
	}
	return conn, nil
}

// saslType returns the mechanism in go-amqp's terms.
func (e *Endpoint) saslType() amqp.SASLType {
	switch e.Mechanism {
	case "ANONYMOUS":
		return amqp.SASLTypeAnonymous()
	case "PLAIN":
		return amqp.SASLTypePlain(e.User, e.Password)
	case "EXTERNAL":
		return amqp.SASLTypeExternal("")
	}
	return nil
}

// explain turns errors of connecting into sentences that say what to look at.
func (e *Endpoint) explain(err error) error {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connection refused by %s; is a router listening there?", e.Address)
	case errors.As(err, &dns):
		return fmt.Errorf("host %q cannot be found (%s)", dns.Name, dns.Err)
	case errors.As(err, &unknown):
		return fmt.Errorf("certificate of %s is not signed by a trusted authority; name it with --ca: %w", e.Address,
			err)
	case errors.As(err, &name):
		return fmt.Errorf("certificate of %s is for another name; say which with --hostname: %w", e.Address, err)
	case errors.As(err, &record):
		return fmt.Errorf("%s does not speak TLS; is amqp:// meant?", e.Address)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		hint := "does it expect TLS (amqps://), another SASL mechanism (--sasl), or is it no AMQP 1.0 port?"
		if e.TLS != nil {
			hint = "does it speak TLS at all, or expect a client certificate (--cert) or another SASL mechanism (--sasl)?"
		}
		return fmt.Errorf("%s closed the connection during the handshake; %s", e.Address, hint)
	}
	if offered, found := strings.CutPrefix(err.Error(), "no supported auth mechanism "); found { // of go-amqp
		return fmt.Errorf("SASL mechanism %s is not offered by %s, it offers %s; choose with --sasl", e.Mechanism,
			e.Address, offered)
	}
	return fmt.Errorf("connecting to %s: %w", e.Address, err)
}

// redactURL hides what may be a password in something that does not parse as a URL.
func redactURL(s string) string {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		scheme, rest = "amqp", s
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = "xxxxx" + rest[i:]
	}
	return scheme + "://" + rest
}

// Management connects to a router and opens a management client on the connection, which the caller closes.
func (f *Flags) Management(ctx context.Context, timeout time.Duration) (*amqp.Conn, *client.Client, error) {
	conn, err := f.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := client.Open(ctx, conn, "", timeout)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, m, nil
}
