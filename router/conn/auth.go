package conn

import (
	"context"
	"net"
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/transport"
)

// authentication is the SASL exchange of a connection, and what came of it. The endpoint's mutex guards it.
type authentication struct {
	server    *sasl.Server
	client    *sasl.Client
	offered   []string
	identity  string // what TLS says of the peer, for EXTERNAL
	certified bool   // TLS verified a certificate of the peer
	mechanism string
	user      string
	done      bool
}

// begun is Begin, guarded against a panic.
func (c *Conn) begun() (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			c.E.Panicked(v)
			c.fail(nil)
			ok = false
		}
	}()
	c.E.Here(forwarding.AtBegin)
	return c.Begin()
}

// Begin finishes the transport's handshake and makes the engine. False means that the connection ended already.
func (c *Conn) Begin() bool {
	limit := c.settings.Handshake
	if limit <= 0 {
		limit = time.Minute // without a limit of its own, a transport handshake still must end
	}
	ctx, cancel := context.WithDeadline(c.Host.Ctx, c.E.Began.Add(limit))
	err := c.Socket.Handshake(ctx)
	cancel()
	if err != nil {
		c.E.Note("handshake with %s: %v", c.E.Remote, err)
		c.E.Fails(books.FailedTLS)
		c.fail(err)
		return false
	}
	if !c.E.Dialed && IsGossip(c.Socket) {
		c.handOver()
		return false
	}
	s := c.settings
	c.auth = &authentication{}
	state := c.Socket.TLS()
	if state != nil {
		c.auth.certified = len(state.Connection.VerifiedChains) > 0
		c.auth.identity = state.Identity
	}
	cfg := engine.Config{
		Client:              c.E.Dialed,
		ContainerID:         c.E.Plane.ID,
		MaxFrameSize:        s.MaxFrameSize,
		ChannelMax:          s.ChannelMax,
		IdleTimeOut:         s.IdleTimeOut,
		HandshakeTimeOut:    s.Handshake,
		OfferedCapabilities: []wire.Symbol{"ANONYMOUS-RELAY", "qd.streaming-links"},
		DesiredCapabilities: []wire.Symbol{"ANONYMOUS-RELAY", "qd.streaming-links"},
		Properties:          c.openProperties(),
	}
	if s.Role == forwarding.RoleInterRouter {
		cfg.OfferedCapabilities = append(cfg.OfferedCapabilities, mesh.Extension)
	} else {
		cfg.IncomingWindow = s.Window
	}
	if c.E.Dialed {
		cfg.Hostname = s.Host
	} else {
		c.auth.offered = sasl.Announce(sasl.Offer{
			Mechanisms:      s.mechanisms,
			PeerCertificate: c.auth.certified,
			Credentials:     c.Host.credentials(),
			Authenticate:    s.authenticate,
		})
		for _, m := range c.auth.offered {
			cfg.Mechanisms = append(cfg.Mechanisms, wire.Symbol(m))
		}
		cfg.SASL = engine.SASLOptional
		if s.authenticate {
			cfg.SASL = engine.SASLRequired
		}
		if len(c.auth.offered) == 0 {
			c.E.Note("no SASL mechanism can succeed for %s: check saslMechanisms, usersFile and sslProfile", c.E.Remote)
			c.E.Fails(books.FailedAuthentication)
			c.fail(nil)
			return false
		}
	}
	c.E.Begin(cfg)
	c.E.Secured(c.security())
	c.Output.Mu.Lock() // from now on others may write in passing, which needs the engine
	c.Output.try = transport.NewTryWriter(c.Socket)
	c.Output.Mu.Unlock()
	c.Poke()
	return true
}

// fail ends a connection that never began.
func (c *Conn) fail(err error) {
	c.E.Near.Gone.Store(true)
	c.E.Inbox.Close()
	c.Socket.Close()
	if err != nil {
		c.E.Ending.Reason = err.Error()
	}
	c.E.Plane.Events.Put(forwarding.Event{Kind: forwarding.EventConnGone, End: c.E})
}

// authenticate goes on with the SASL exchange. The mutex is held; others do not wait for it before the open.
func (c *Conn) authenticate(ev *engine.Event) {
	a := c.auth
	switch ev.Kind {
	case engine.EventInit:
		init := ev.Cold.Init
		var err error
		a.server, err = sasl.Accept(string(init.Mechanism), a.offered, sasl.ServerConfig{
			Credentials: c.Host.credentials(), PeerIdentity: a.identity,
		})
		if err != nil {
			c.refuseAuthentication(err)
			return
		}
		a.mechanism = a.server.Mechanism()
		response := init.InitialResponse
		if !init.HasInitialResponse {
			response = nil
		}
		c.step(response)
	case engine.EventResponse:
		c.step(ev.Cold.Data)
	case engine.EventMechanisms:
		c.chooseMechanism(ev.Cold.Mechanisms)
	case engine.EventChallenge:
		response, err := a.client.Step(ev.Cold.Data)
		if err != nil {
			c.failAuthentication(err)
			return
		}
		c.E.Engine.Respond(response)
	case engine.EventAuthenticated:
		if err := a.client.Finish(sasl.OK, ev.Cold.Data); err != nil {
			c.failAuthentication(err)
			return
		}
		a.done = true
		c.E.Engine.Open(nil)
	}
}

// step takes a response of a client.
func (c *Conn) step(response []byte) {
	a := c.auth
	challenge, outcome, identity := a.server.Step(response)
	code, ended := outcome.Code()
	switch {
	case !ended:
		c.E.Engine.Challenge(challenge)
	case code == 0:
		a.user, a.done = identity, true
		c.E.Engine.Outcome(0, challenge)
	default:
		c.refuseAuthentication(a.server.Err())
	}
}

// refuseAuthentication tells a client that it is not let in.
func (c *Conn) refuseAuthentication(err error) {
	c.E.Note("authentication of %s refused: %v", c.E.Remote, err)
	c.E.Ending.Reason = "authentication refused"
	c.E.Fails(books.FailedAuthentication)
	c.E.Engine.Outcome(1, nil)
}

// chooseMechanism begins the exchange of a client.
func (c *Conn) chooseMechanism(offered []wire.Symbol) {
	s := c.settings
	names := make([]string, len(offered))
	for i, m := range offered {
		names[i] = string(m)
	}
	allowed, _ := sasl.ParseMechanisms(s.mechanisms)
	state := c.Socket.TLS()
	m, err := sasl.Choose(names, allowed, sasl.Possessions{
		Certificate: state != nil && state.ClientCertificate,
		Password:    s.user != "",
	})
	if err == nil {
		c.auth.client, err = sasl.NewClient(m, sasl.ClientConfig{Username: s.user, Password: s.password})
	}
	if err != nil {
		c.failAuthentication(err)
		return
	}
	c.auth.mechanism = m
	host, _, splitErr := net.SplitHostPort(s.Host)
	if splitErr != nil {
		host = s.Host
	}
	c.E.Engine.Init(wire.Symbol(m), c.auth.client.Start(), host)
}

// failAuthentication ends a connection that this side has made, since the peer does not let it in.
func (c *Conn) failAuthentication(err error) {
	c.E.Note("authentication at %s failed: %v", c.E.Remote, err)
	c.E.Ending.Reason = err.Error()
	c.E.Fails(books.FailedAuthentication)
	c.E.Shut(nil)
}
