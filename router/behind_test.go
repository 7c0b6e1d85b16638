package router

import (
	"errors"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestStreamGoesOnWhenTheMessageBeforeItIsSettledEarly has a neighbor that settles the message which a stream waits
// for, before it has all of it.
func TestStreamGoesOnWhenTheMessageBeforeItIsSettledEarly(t *testing.T) {
	t.Parallel()
	r := chain(t, 1).node("A")
	p := neighbor(t, r, "X")
	c := connOf(t, r, "X")
	p.send(amqptest.On(1, &wire.Begin{IncomingWindow: 1, OutgoingWindow: 10, HandleMax: 10}))
	want(p, "begin is answered", func(x *wire.Begin) bool { return x.RemoteChannel == 1 })
	a := forwarding.RouterAttach(forwarding.CapabilityData)
	a.Name, a.Role = "to-me", wire.RoleReceiver
	p.send(amqptest.On(1, a))
	data := want(p, "the data link is attached", func(x *wire.Attach) bool { return x.Name == "to-me" })
	p.send(amqptest.On(1, &wire.Flow{IncomingWindow: 1, OutgoingWindow: 10, HasHandle: true, HasDeliveryCount: true,
		LinkCredit: 100, HasLinkCredit: true}))
	p.sync()

	// The mesh does not believe the neighbor, so that it is given messages directly.
	give := func(size int, whole bool) {
		s := idleConn(r)
		d := s.NewDelivery()
		d.Link, d.Settled = &forwarding.Link{End: s}, true
		d.Content.Append(buf.Slice{B: []byte(encode(t, &message.Message{Properties: &message.Properties{To: "x"}}) +
			strings.Repeat("x", size))})
		if whole {
			d.Arrival = forwarding.Arrived
			d.Content.Finish()
		}
		d.Content.Share(1, forwarding.ContentHigh)
		b := d.NewBranch(s.InterRouterLink(d, c), nil, nil)
		b.Settled = false
		b.Link.Outstanding.Add(1)
		s.Wakes.Post(c, forwarding.Note{Kind: forwarding.NoteDeliver, Branch: b})
		s.Wakes.Flush()
	}
	give(100_000, true)
	first := want(p, "it begins", func(x *wire.Transfer) bool { return x.Handle == data.Handle && x.More })
	give(200_000, false)
	begun := wantFrame(p, "a stream has a session", func(x *wire.Begin) bool { return !x.HasRemoteChannel })
	p.send(amqptest.On(2, &wire.Begin{RemoteChannel: begun.Channel, HasRemoteChannel: true, IncomingWindow: 100,
		OutgoingWindow: 10, HandleMax: 10}))
	stream := want(p, "and a link", func(x *wire.Attach) bool { return x.Role == wire.RoleSender && x.Name != "to-me" })
	a = forwarding.RouterAttach(forwarding.CapabilityData)
	a.Name, a.Role = stream.Name, wire.RoleReceiver
	p.send(amqptest.On(2, a), amqptest.On(2, &wire.Flow{IncomingWindow: 100, OutgoingWindow: 10, HasHandle: true,
		HasDeliveryCount: true, LinkCredit: 100, HasLinkCredit: true}))
	eventually(t, "the stream waits", func() error {
		c.Mu.Lock()
		defer c.Mu.Unlock()
		if len(c.Turns.Behind) != 1 {
			return errors.New("it does not")
		}
		return nil
	})
	p.send(amqptest.On(1, &wire.Disposition{Role: wire.RoleReceiver, First: first.DeliveryID, Last: first.DeliveryID,
		Settled: true, State: wire.State{Kind: wire.StateAccepted}}))
	for {
		f := wantFrame[*wire.Transfer](p, "the stream goes on")
		if f.Channel == begun.Channel {
			break
		}
	}
	p.nc.Close()
	eventually(t, "the neighbor is gone", func() error { return neighbors(r, 0) })
}
