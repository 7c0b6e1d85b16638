package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/router/conn"
)

// TestSmallMessagesThatWaitDoNotHoldWhatTheyWereReadWith has two senders to a consumer without credit, on a connection
// that sends much else meanwhile.
func TestSmallMessagesThatWaitDoNotHoldWhatTheyWereReadWith(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	rawBegin(t, r).attachReceiver(0, "closest/x", 0)
	p := rawBegin(t, r)
	p.attachSender(0, "closest/x")
	p.attachSender(1, "closest/x")
	p.attachSender(2, "")
	filler := encode(t, &message.Message{Properties: &message.Properties{To: "closest/none"}}) + strings.Repeat("x", 60_000)
	for i := range uint32(500) {
		all := []any{transfer(p.first(i%2), body("x"))}
		for range 5 {
			x := p.first(2)
			x.Settled, x.HasSettled = true, true
			all = append(all, transfer(x, filler))
		}
		p.send(all...)
		if i%20 == 19 {
			p.sync()
			p.queue = nil
		}
	}
	if held := r.plane.Overload.Held(); held > conn.HeldHigh {
		t.Errorf("%d KiB are held for 500 messages of some octets", held>>10)
	}
}

// TestMessagesBelowFourKiBCountAsWell has one connection that sends more small messages than it may have held, over many
// links.
func TestMessagesBelowFourKiBCountAsWell(t *testing.T) {
	t.Parallel()
	const links, each, size = 100, 250, 4000
	r := alone(t).node("A")
	rawBegin(t, r).attachReceiver(0, "closest/x", 0)
	p := rawBegin(t, r)
	for handle := range uint32(links) {
		p.attachSender(handle, "closest/x")
	}
	m := body("%s", strings.Repeat("x", size))
	go func() {
		for i := range uint32(links * each) {
			p.nc.Write(amqptest.Encode(nil, transfer(p.first(i%links), m))) // until the connection ends with the test
		}
	}()
	eventually(t, "the connection is held back", func() error {
		if held := r.plane.Overload.Clients.Held(); held < conn.HeldHigh*3/4 {
			return fmt.Errorf("%d octets are held", held)
		}
		return nil
	})
	q := connect(t, r)
	exchange(t, q.sender("closest/y", nil), q.receiver("closest/y", 10), 100)
	if held := r.plane.Overload.Clients.Held(); held > 2*conn.HeldHigh {
		t.Errorf("%d KiB are held", held>>10)
	}
	queued := queuedOn(r)
	if octets := int64(queued * size); octets > r.plane.Overload.Clients.Held()+2*conn.HeldHigh {
		t.Errorf("%d messages of %d octets are queued, and %d octets are counted", queued, size, r.plane.Overload.Clients.Held())
	}
}
