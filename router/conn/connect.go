package conn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
	"github.com/postroad/postroad/tls"
)

// guide says where a connector that is not configured leads.
type guide interface {
	// Aim makes what the next connection is to be made with.
	Aim(c *Connector) error
	// Dial makes it, up to the end of the transport's handshake.
	Dial(ctx context.Context) (transport.Conn, error)
}

// Connector keeps one outgoing connection.
type Connector struct {
	Host     *Host
	Entity   *config.Connector
	Settings *Settings
	Profile  *tls.Profile
	Ctx      context.Context // ends with the connector
	Guide    guide           // nil for a configured one

	Mu      sync.Mutex
	Status  string // CONNECTING, SUCCESS, FAILED
	message string
}

// NewConnector makes a connector of the configuration.
func (h *Host) NewConnector(cfg *config.Connector) (*Connector, error) {
	c := &Connector{Host: h, Entity: cfg, Ctx: h.Ctx, Status: "CONNECTING"}
	if cfg.SSLProfile != "" {
		if c.Profile = h.Profiles[cfg.SSLProfile]; c.Profile == nil {
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
	c.Settings = &Settings{
		Terms: forwarding.Terms{Role: roleOf(cfg.Role), Cost: cfg.Cost, Measured: cfg.CostBasis == "rtt",
			Capacity: CapacityOf(cfg.LinkCapacity), Annotated: keepsAnnotations(cfg.StripAnnotations),
			Trusted: trustsAnnotations(cfg.StripAnnotations)},
		name: cfg.Name, MaxFrameSize: uint32(cfg.MaxFrameSize), ChannelMax: channelMax(cfg.MaxSessions),
		IdleTimeOut: time.Duration(cfg.IdleTimeoutSeconds) * time.Second, Handshake: HandshakeDefault,
		Host: cfg.Host, properties: properties, mechanisms: cfg.SASLMechanisms,
		user: cfg.SASLUsername, password: password, Window: windowOf(cfg.MaxSessionFrames),
	}
	if c.Settings.Role == forwarding.RoleInterRouter && c.Profile != nil {
		c.Settings.verifyID = h.verifiesIDs()
		if cfg.VerifyID != nil {
			c.Settings.verifyID = *cfg.VerifyID
		}
	}
	return c, nil
}

// Serve dials and serves until the connector or the router ends.
func (c *Connector) Serve() {
	var again Redial
	for c.Ctx.Err() == nil {
		began := time.Now()
		opened := false
		var err error
		if c.Guide != nil {
			err = c.Guide.Aim(c)
		}
		if err == nil {
			opened, err = c.Once()
		}
		wait := again.After(opened, time.Since(began))
		c.report("FAILED", err)
		select {
		case <-c.Ctx.Done():
		case <-time.After(wait):
		}
	}
}

// dial makes a connection, up to the end of the transport's handshake.
func (c *Connector) dial() (transport.Conn, error) {
	ctx, cancel := context.WithTimeout(c.Ctx, HandshakeDefault)
	defer cancel()
	if c.Guide != nil {
		return c.Guide.Dial(ctx)
	}
	o := transport.DialOptions{
		Host: c.Entity.Host, Port: c.Entity.Port, Family: c.Entity.ProtocolFamily, TLS: c.Profile,
		VerifyHostname: c.Entity.VerifyHostname,
	}
	if c.Entity.Transport == config.TransportQUIC {
		o.Scheme, o.Window, o.Background = transport.SchemeQUIC, quicWindow(c.Settings.Role), &c.Host.Closing
	}
	return transport.Dial(ctx, o)
}

// Once makes and serves one connection. opened says whether the peer's open came.
func (c *Connector) Once() (opened bool, err error) {
	h := c.Host
	nc, err := c.dial()
	if err != nil {
		h.Plane.Ledger.Fail(books.Failure{Role: c.Settings.Role.String(), Dialed: true, Reason: books.FailedDial})
		return false, err
	}
	n := h.NewConn(nc, c.Settings, true)
	n.Connector = c
	h.serve(n)
	opened, reason := n.E.Outcome()
	if reason != "" {
		err = errors.New(reason)
	}
	return opened, err
}

// report sets the status that management shows; a new failure is logged once.
func (c *Connector) report(status string, err error) {
	message := "Connection Opened: dir=out host=" + c.Entity.Address()
	if err != nil {
		message = err.Error()
	} else if status == "FAILED" {
		message = "connection closed"
	}
	c.Mu.Lock()
	changed := status != c.Status || message != c.message
	c.Status, c.message = status, message
	c.Mu.Unlock()
	if changed && status == "FAILED" && c.Ctx.Err() == nil {
		c.Host.Log(logging.Server).Infof("connector %s to %s: %s", c.Entity.Name, c.Entity.Address(), message)
	}
}
