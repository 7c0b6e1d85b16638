package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// guide says where a connector that is not configured leads.
type guide interface {
	// aim makes what the next connection is to be made with.
	aim(c *connector) error
	// dial makes it, up to the end of the transport's handshake.
	dial(ctx context.Context) (transport.Conn, error)
}

// connector keeps one outgoing connection.
type connector struct {
	host     *host
	cfg      *config.Connector
	settings *settings
	profile  *tls.Profile
	ctx      context.Context // ends with the connector
	guide    guide           // nil for a configured one

	mu      sync.Mutex
	status  string // CONNECTING, SUCCESS, FAILED
	message string
}

func (h *host) newConnector(cfg *config.Connector) (*connector, error) {
	c := &connector{host: h, cfg: cfg, ctx: h.ctx, status: "CONNECTING"}
	if cfg.SSLProfile != "" {
		if c.profile = h.profiles[cfg.SSLProfile]; c.profile == nil {
			return nil, fmt.Errorf("connector %q: sslProfile %q cannot be used", cfg.Name, cfg.SSLProfile)
		}
	}
	properties, err := encodeProperties(cfg.OpenProperties)
	if err != nil {
		return nil, fmt.Errorf("connector %q: openProperties: %w", cfg.Name, err)
	}
	password, err := config.Secret(cfg.SASLPassword)
	if err != nil {
		return nil, fmt.Errorf("connector %q: saslPassword: %w", cfg.Name, err)
	}
	c.settings = &settings{
		terms: terms{role: roleOf(cfg.Role), cost: cfg.Cost, measured: cfg.CostBasis == "rtt",
			capacity: capacityOf(cfg.LinkCapacity), annotated: keepsAnnotations(cfg.StripAnnotations),
			trusted: trustsAnnotations(cfg.StripAnnotations)},
		name: cfg.Name, maxFrameSize: uint32(cfg.MaxFrameSize), channelMax: channelMax(cfg.MaxSessions),
		idleTimeOut: time.Duration(cfg.IdleTimeoutSeconds) * time.Second, handshake: handshakeDefault,
		host: cfg.Host, properties: properties, mechanisms: cfg.SASLMechanisms,
		user: cfg.SASLUsername, password: password, window: windowOf(cfg.MaxSessionFrames),
	}
	if c.settings.role == RoleInterRouter && c.profile != nil {
		c.settings.verifyID = h.verifiesIDs()
		if cfg.VerifyID != nil {
			c.settings.verifyID = *cfg.VerifyID
		}
	}
	return c, nil
}

// Delays before a connector dials again: after the loss of an open connection, and growing while it cannot connect.
const (
	redialAfterLoss = 100 * time.Millisecond
	redialFirst     = 250 * time.Millisecond
	redialLast      = time.Second // a partition that heals must not wait for longer
)

// serve dials and serves until the connector or the router ends.
func (c *connector) serve() {
	var again redial
	for c.ctx.Err() == nil {
		began := time.Now()
		opened := false
		var err error
		if c.guide != nil {
			err = c.guide.aim(c)
		}
		if err == nil {
			opened, err = c.once()
		}
		wait := again.after(opened, time.Since(began))
		c.report("FAILED", err)
		select {
		case <-c.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// dial makes a connection, up to the end of the transport's handshake.
func (c *connector) dial() (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeDefault)
	defer cancel()
	if c.guide != nil {
		return c.guide.dial(ctx)
	}
	o := transport.DialOptions{
		Host: c.cfg.Host, Port: c.cfg.Port, Family: c.cfg.ProtocolFamily, TLS: c.profile,
		VerifyHostname: c.cfg.VerifyHostname,
	}
	if c.cfg.Transport == config.TransportQUIC {
		o.Scheme, o.Window, o.Background = transport.SchemeQUIC, quicWindow(c.settings.role), &c.host.closing
	}
	return transport.Dial(ctx, o)
}

// once makes and serves one connection; opened tells whether the peer's open came.
func (c *connector) once() (opened bool, err error) {
	h := c.host
	nc, err := c.dial()
	if err != nil {
		h.plane.ledger.Fail(books.Failure{Role: c.settings.role.String(), Dialed: true, Reason: books.FailedDial})
		return false, err
	}
	n := h.newConn(nc, c.settings, true)
	n.connector = c
	h.serve(n)
	opened, reason := n.e.outcome()
	if reason != "" {
		err = errors.New(reason)
	}
	return opened, err
}

// report sets the status that management shows; a new failure is logged once.
func (c *connector) report(status string, err error) {
	message := "Connection Opened: dir=out host=" + c.cfg.Address()
	if err != nil {
		message = err.Error()
	} else if status == "FAILED" {
		message = "connection closed"
	}
	c.mu.Lock()
	changed := status != c.status || message != c.message
	c.status, c.message = status, message
	c.mu.Unlock()
	if changed && status == "FAILED" && c.ctx.Err() == nil {
		c.host.log(logging.Server).Infof("connector %s to %s: %s", c.cfg.Name, c.cfg.Address(), message)
	}
}
