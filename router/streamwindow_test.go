package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// TestStreamThatNobodyReadsHoldsAboutAMegabyte has a neighbor that sends as much as the window of the stream's session
// allows, to a consumer that takes nothing.
func TestStreamThatNobodyReadsHoldsAboutAMegabyte(t *testing.T) {
	t.Parallel()
	const most = 1<<20 + 64<<10 // the consumer has taken a frame
	r := chain(t, 1).node("A")
	c := rawOpen(t, r)
	c.send(&wire.Begin{IncomingWindow: 1, OutgoingWindow: 1, HandleMax: 10})
	want[*wire.Begin](c, "begin is answered")
	c.attachReceiver(0, "closest/x", 0)
	c.send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 1, OutgoingWindow: 1, HasHandle: true,
		HasDeliveryCount: true, LinkCredit: 1, HasLinkCredit: true})
	p := neighbor(t, r, "X")
	for handle := uint32(3); handle < 2+route.Priorities; handle++ {
		p.attachAs(fmt.Sprintf("link-%d", handle), handle, wire.RoleSender, forwarding.CapabilityData)
	}
	p.send(amqptest.On(1, &wire.Begin{IncomingWindow: 10, OutgoingWindow: 10, HandleMax: 10}))
	begun := wantFrame(p, "begin is answered", func(x *wire.Begin) bool { return x.RemoteChannel == 1 })
	a := forwarding.RouterAttach(forwarding.CapabilityData)
	a.Name, a.Role, a.HasInitialDelivery = "stream", wire.RoleSender, true
	p.send(amqptest.On(1, a))
	want(p, "the stream's link is attached", func(x *wire.Attach) bool { return x.Name == "stream" })
	p.queue = nil

	window, sent, octets := begun.Body.(*wire.Begin).IncomingWindow, uint32(0), 0
	for sent < window && octets < 2*most {
		x := wire.Transfer{More: true}
		payload := strings.Repeat("x", 60_000)
		if sent == 0 {
			x.HasDeliveryID, x.DeliveryTag = true, []byte{1}
			payload = encode(t, &message.Message{Properties: &message.Properties{To: "closest/x"}}) + payload
		}
		p.send(amqptest.Frame{Channel: 1, Body: &x, Payload: payload})
		sent, octets = sent+1, octets+len(payload)
		p.sync()
		for _, x := range p.queue {
			f, ok := x.(frame)
			if flow, is := f.Body.(*wire.Flow); ok && is && f.Channel == begun.Channel {
				window = flow.NextIncomingID + flow.IncomingWindow
			}
		}
		p.queue = nil
	}
	if octets > most {
		t.Errorf("%d octets may be sent, and more", octets)
	}
	if octets < forwarding.StreamFrom {
		t.Errorf("only %d octets may be sent: it is no stream", octets)
	}
}
