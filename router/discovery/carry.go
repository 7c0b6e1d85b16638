package discovery

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/transport"
)

// connect makes a connection to an endpoint, up to the end of the handshake. The host name is not verified: the
// certificate there is for the id of a router.
func (g *Gossip) connect(ctx context.Context, e membership.Endpoint, alpn ...string) (transport.Conn, error) {
	o := transport.DialOptions{Host: e.Host, Port: strconv.Itoa(int(e.Port)), TLS: g.Profile, ALPN: alpn}
	if e.Transport == config.WayQUIC {
		o.Scheme, o.Background = transport.SchemeQUIC, &g.Host.Closing
	}
	return transport.Dial(ctx, o)
}

// dial connects to a router for gossip. The overlay calls it.
func (g *Gossip) dial(ctx context.Context, e membership.Endpoint) (membership.Carrier, error) {
	c, err := g.connect(ctx, e, membership.ALPN)
	if err != nil {
		return nil, err
	}
	if g.Profile != nil && !conn.IsGossip(c) {
		return nil, errors.Join(errors.New("there is no gossip at this port"), c.Abort())
	}
	if q := transport.QUIC(c); q != nil {
		return q, nil
	}
	return membership.Multiplex(c, true)
}

// accept takes connections to the port for gossip alone.
func (g *Gossip) accept() {
	h := g.Host
	for {
		nc, err := g.Port.Accept()
		if err != nil {
			return
		}
		select {
		case g.handshakes <- struct{}{}:
		default:
			g.Refused.Add(1)
			_ = nc.Abort()
			continue
		}
		h.Serving.Go(func() {
			defer func() { <-g.handshakes }()
			ctx, cancel := context.WithTimeout(h.Ctx, conn.HandshakeDefault)
			defer cancel()
			err := nc.Handshake(ctx)
			if err == nil && g.Profile != nil && !conn.IsGossip(nc) {
				err = errors.New("it does not ask for gossip")
			}
			if err != nil {
				g.Refused.Add(1)
				g.log(membership.LevelDebug, fmt.Sprintf("connection from %v: %v", nc.RemoteAddr(), err))
				_ = nc.Abort()
				return
			}
			g.Take(nc)
		})
	}
}

// Take hands a connection that was accepted, and has negotiated gossip, to the overlay. It returns at once.
func (g *Gossip) Take(nc transport.Conn) {
	if q := transport.QUIC(nc); q != nil {
		g.overlay.Serve(q)
		return
	}
	carrier, err := membership.Multiplex(nc, false)
	if err != nil {
		g.Refused.Add(1)
		return
	}
	g.overlay.Serve(carrier)
}
