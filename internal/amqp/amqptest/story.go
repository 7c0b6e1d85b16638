package amqptest

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Opened returns a peer of a server engine after headers and open, without SASL, everything forgotten.
func Opened(t testing.TB, cfg engine.Config) *Peer {
	t.Helper()
	cfg.SASL = engine.SASLOptional
	if cfg.MaxFrameSize == 0 {
		cfg.MaxFrameSize = 64 << 10
	}
	if cfg.ChannelMax == 0 {
		cfg.ChannelMax = 100
	}
	if cfg.ContainerID == "" {
		cfg.ContainerID = "under test"
	}
	p := New(t, cfg)
	p.Send(wire.HeaderAMQP, &wire.Open{ContainerID: "peer", MaxFrameSize: 64 << 10, ChannelMax: 100})
	p.Want("the connection opens [2.4.1]", wire.HeaderAMQP, Any[wire.Open]())
	p.Forget()
	return p
}

// Begun returns a peer as Opened does, with a session on channel 0 of both sides.
func Begun(t testing.TB, cfg engine.Config) *Peer {
	t.Helper()
	p := Opened(t, cfg)
	p.Send(&wire.Begin{IncomingWindow: 1000, OutgoingWindow: 1000, HandleMax: 1 << 20})
	p.Want("the session begins [2.5.1]", Any[wire.Begin]())
	p.Forget()
	return p
}

// Sender attaches a link on which the peer sends, gives it credit, and returns its number.
func (p *Peer) Sender(handle, credit uint32) engine.LinkID {
	p.t.Helper()
	id := p.attach(&wire.Attach{Name: fmt.Sprintf("in-%d", handle), Handle: handle, Role: wire.RoleSender,
		HasInitialDelivery: true,
		SndSettleMode:      wire.SenderMixed,
		Target:             &wire.Target{Address: "a", HasAddress: true, ExpiryPolicy: wire.SessionEnd}})
	if credit > 0 {
		p.Conn.Grant(id, credit)
		p.Forget()
	}
	return id
}

// Receiver attaches a link on which the peer receives, grants credit, and returns its number.
func (p *Peer) Receiver(handle, credit uint32) engine.LinkID {
	p.t.Helper()
	id := p.attach(&wire.Attach{Name: fmt.Sprintf("out-%d", handle), Handle: handle, Role: wire.RoleReceiver,
		SndSettleMode: wire.SenderMixed, Source: &wire.Source{Address: "a", HasAddress: true, ExpiryPolicy: wire.SessionEnd}})
	if credit > 0 {
		p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 1000, OutgoingWindow: 1000, Handle: handle,
			HasHandle: true, HasDeliveryCount: true, LinkCredit: credit, HasLinkCredit: true})
		p.Forget()
	}
	return id
}

func (p *Peer) attach(a *wire.Attach) engine.LinkID {
	p.t.Helper()
	p.Forget()
	p.Send(a)
	p.Want("the attach is answered [2.6.3]", Like(func(x *wire.Attach) bool {
		return x.Name == a.Name && x.Role != a.Role
	}))
	return p.WantEvents("the attach is reported", engine.EventAttach)[0].Link
}
