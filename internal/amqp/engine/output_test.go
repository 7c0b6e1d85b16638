package engine_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Small payloads are copied, large ones in a chunk are referenced and hold it until the output is released. Not
// parallel: it counts the chunks of the process.
func TestOutputReferencesLargePayloads(t *testing.T) {
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	before := buf.Outstanding()
	chunk := buf.NewChunk(10_000)
	for _, size := range []int{100, 10_000} {
		d := p.Conn.Deliver(link, true, 0)
		p.Conn.Write(d, nil, buf.Slice{B: chunk.B[:size], C: chunk}, true)
	}
	if chunk.Exclusive() {
		t.Error("nobody holds the large payload")
	}
	pending := p.Conn.Pending()
	var o engine.Output
	p.Conn.Take(&o)
	referenced := false
	for _, s := range o.Segments {
		referenced = referenced || &s[0] == &chunk.B[0] && len(s) == 10_000
	}
	if !referenced || len(o.Segments) != 2 || o.Size != pending || o.Size < 10_100 {
		t.Errorf("%d segments of %d octets, %d were pending", len(o.Segments), o.Size, pending)
	}
	o.Release()
	if !chunk.Exclusive() || o.Size != 0 {
		t.Error("the released output holds the payload")
	}
	chunk.Release()
	if n := buf.Outstanding(); n != before {
		t.Errorf("%d chunks leaked", n-before)
	}
}

func TestOutputTakesWhatHasNoChunkAndWhatIsLong(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 10)
	body := bytes.Repeat([]byte("0123456789"), 5000)
	p.Conn.Write(p.Conn.Deliver(link, true, 0), nil, buf.Slice{B: body}, true)
	p.Want("a payload without a chunk is copied", amqptest.Frame{Body: &wire.Transfer{HasDeliveryID: true,
		DeliveryTag: make([]byte, 4), HasMessageFormat: true, Settled: true, HasSettled: true}, Payload: string(body)})
	name := strings.Repeat("n", 10_000) // longer than what is reserved for a rare performative
	p.Conn.NewLink(0, &wire.Attach{Name: name})
	p.Conn.NewLink(0, &wire.Attach{Name: "short"})
	p.Want("a long performative is whole, and in its place",
		amqptest.Like(func(x *wire.Attach) bool { return x.Name == name }),
		amqptest.Like(func(x *wire.Attach) bool { return x.Name == "short" }))
	if s := p.Conn.Stats(); s.FramesIn != 4 || s.FramesOut != 6 || s.OctetsIn == 0 || s.OctetsOut < 60_000 {
		t.Errorf("%+v", s)
	}
}

func TestErrorsSayWhoEndedWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *engine.Error
		want string
	}{
		{&engine.Error{Scope: engine.ScopeLink}, "link ended by peer"},
		{&engine.Error{Scope: engine.ScopeSession, Local: true}, "session ended by local"},
		{&engine.Error{Scope: engine.ScopeConnection, Cause: &wire.Error{Condition: wire.ErrInternal, Description: "why"}},
			"connection ended by peer: amqp:internal-error: why"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
