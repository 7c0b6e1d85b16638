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

// TestStreamWhoseConsumerLeavesIsReadToItsEnd has one whose session's window was held when its only consumer, who had
// been offered nothing, is gone: the rest has to come, and is thrown away.
func TestStreamWhoseConsumerLeavesIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	r := chain(t, 1).node("A")
	c := rawBegin(t, r)
	c.attachReceiver(0, "closest/x", 0)
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
	window, sent := begun.Body.(*wire.Begin).IncomingWindow, uint32(0)
	push := func(frames uint32) { // as many as the window allows
		for ; sent < window && sent < frames; sent++ {
			x := wire.Transfer{More: true}
			payload := strings.Repeat("x", 60_000)
			if sent == 0 {
				x.HasDeliveryID, x.DeliveryTag = true, []byte{1}
				payload = encode(t, &message.Message{Properties: &message.Properties{To: "closest/x"}}) + payload
			}
			p.send(amqptest.Frame{Channel: 1, Body: &x, Payload: payload})
			p.sync()
			for _, x := range p.queue {
				f, ok := x.(frame)
				if flow, is := f.Body.(*wire.Flow); ok && is && f.Channel == begun.Channel {
					window = flow.NextIncomingID + flow.IncomingWindow
				}
			}
			p.queue = nil
		}
	}
	push(1000)
	if sent == 1000 {
		t.Fatal("the stream is not held")
	}
	c.detachOwn(0)
	f := wantFrame(p, "the window is restored", func(x *wire.Flow) bool { return x.NextIncomingID+x.IncomingWindow > sent })
	flow := f.Body.(*wire.Flow)
	window = flow.NextIncomingID + flow.IncomingWindow
	if push(sent + 50); sent < 50 {
		t.Errorf("it stops after %d frames", sent)
	}
}
