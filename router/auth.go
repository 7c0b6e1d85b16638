package router

import (
	"context"
	"net"
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/sasl"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/transport"
)

// authentication is the SASL exchange of a connection and what came of it. It belongs to the connection's mutex.
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

// begun is begin, guarded.
func (c *conn) begun() (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			c.e.panicked(v)
			c.fail(nil)
			ok = false
		}
	}()
	c.e.here(atBegin)
	return c.begin()
}

// begin finishes the transport's handshake and makes the engine. False means that the connection ended already.
func (c *conn) begin() bool {
	limit := c.settings.handshake
	if limit <= 0 {
		limit = time.Minute // without a limit of its own, a transport handshake still must end
	}
	ctx, cancel := context.WithDeadline(c.host.ctx, c.e.began.Add(limit))
	err := c.nc.Handshake(ctx)
	cancel()
	if err != nil {
		c.e.note("handshake with %s: %v", c.e.remote, err)
		c.e.fails(books.FailedTLS)
		c.fail(err)
		return false
	}
	if !c.e.dialed && isGossip(c.nc) {
		c.handOver()
		return false
	}
	s := c.settings
	c.auth = &authentication{}
	state := c.nc.TLS()
	if state != nil {
		c.auth.certified = len(state.Connection.VerifiedChains) > 0
		c.auth.identity = state.Identity
	}
	cfg := engine.Config{
		Client:              c.e.dialed,
		ContainerID:         c.e.plane.id,
		MaxFrameSize:        s.maxFrameSize,
		ChannelMax:          s.channelMax,
		IdleTimeOut:         s.idleTimeOut,
		HandshakeTimeOut:    s.handshake,
		OfferedCapabilities: []wire.Symbol{"ANONYMOUS-RELAY", "qd.streaming-links"},
		DesiredCapabilities: []wire.Symbol{"ANONYMOUS-RELAY", "qd.streaming-links"},
		Properties:          c.openProperties(),
	}
	if s.role == RoleInterRouter {
		cfg.OfferedCapabilities = append(cfg.OfferedCapabilities, mesh.Extension)
	} else {
		cfg.IncomingWindow = s.window
	}
	if c.e.dialed {
		cfg.Hostname = s.host
	} else {
		c.auth.offered = sasl.Announce(sasl.Offer{
			Mechanisms:      s.mechanisms,
			PeerCertificate: c.auth.certified,
			Credentials:     c.host.credentials(),
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
			c.e.note("no SASL mechanism can succeed for %s: check saslMechanisms, usersFile and sslProfile", c.e.remote)
			c.e.fails(books.FailedAuthentication)
			c.fail(nil)
			return false
		}
	}
	c.e.begin(cfg)
	c.e.Secured(c.security())
	c.output.mu.Lock() // from now on others may write in passing, which needs the engine
	c.output.try = transport.NewTryWriter(c.nc)
	c.output.mu.Unlock()
	c.poke()
	return true
}

// fail ends a connection that never began.
func (c *conn) fail(err error) {
	c.e.near.Gone.Store(true)
	c.e.inbox.close()
	c.nc.Close()
	if err != nil {
		c.e.ending.reason = err.Error()
	}
	c.e.plane.events.put(event{kind: eventConnGone, conn: c.e})
}

// authenticate goes on with the SASL exchange. The mutex is held; others do not wait for it before the open.
func (c *conn) authenticate(ev *engine.Event) {
	a := c.auth
	switch ev.Kind {
	case engine.EventInit:
		init := ev.Cold.Init
		var err error
		a.server, err = sasl.Accept(string(init.Mechanism), a.offered, sasl.ServerConfig{
			Credentials: c.host.credentials(), PeerIdentity: a.identity,
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
		c.e.eng.Respond(response)
	case engine.EventAuthenticated:
		if err := a.client.Finish(sasl.OK, ev.Cold.Data); err != nil {
			c.failAuthentication(err)
			return
		}
		a.done = true
		c.e.eng.Open(nil)
	}
}

// step takes a response of a client.
func (c *conn) step(response []byte) {
	a := c.auth
	challenge, outcome, identity := a.server.Step(response)
	code, ended := outcome.Code()
	switch {
	case !ended:
		c.e.eng.Challenge(challenge)
	case code == 0:
		a.user, a.done = identity, true
		c.e.eng.Outcome(0, challenge)
	default:
		c.refuseAuthentication(a.server.Err())
	}
}

func (c *conn) refuseAuthentication(err error) {
	c.e.note("authentication of %s refused: %v", c.e.remote, err)
	c.e.ending.reason = "authentication refused"
	c.e.fails(books.FailedAuthentication)
	c.e.eng.Outcome(1, nil)
}

// chooseMechanism begins the exchange of a client.
func (c *conn) chooseMechanism(offered []wire.Symbol) {
	s := c.settings
	names := make([]string, len(offered))
	for i, m := range offered {
		names[i] = string(m)
	}
	allowed, _ := sasl.ParseMechanisms(s.mechanisms)
	state := c.nc.TLS()
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
	host, _, splitErr := net.SplitHostPort(s.host)
	if splitErr != nil {
		host = s.host
	}
	c.e.eng.Init(wire.Symbol(m), c.auth.client.Start(), host)
}

func (c *conn) failAuthentication(err error) {
	c.e.note("authentication at %s failed: %v", c.e.remote, err)
	c.e.ending.reason = err.Error()
	c.e.fails(books.FailedAuthentication)
	c.e.shut(nil)
}
