package engine_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// relay passes unsettled messages from a peer of engine a to a peer of engine b, and their outcomes back.
type relay struct {
	a, b     *engine.Connection
	in, out  engine.LinkID
	now      time.Time
	chunk    *buf.Chunk
	transfer []byte // frames of one batch, in chunk
	frame    int    // octets of one frame
	answer   []byte // of b's peer
	origin   []engine.DeliveryID
	output   engine.Output
	id       uint32 // of the next delivery
	settled  int
	octets   int
}

const relayBatch = 64

func newRelay(tb testing.TB, size int) *relay {
	tb.Helper()
	in, out := amqptest.Begun(tb, engine.Config{}), amqptest.Begun(tb, engine.Config{})
	r := &relay{a: in.Conn, b: out.Conn, in: in.Sender(0, relayBatch), out: out.Receiver(0, 2*relayBatch), now: in.Now,
		origin: make([]engine.DeliveryID, 4*relayBatch)}
	x := wire.Transfer{DeliveryID: 1 << 31, HasDeliveryID: true, DeliveryTag: []byte("tag!"), HasMessageFormat: true,
		HasSettled: true}
	one := amqptest.Encode(nil, amqptest.Transfer(x, string(make([]byte, size))))
	r.frame = len(one)
	r.chunk = buf.NewChunk(relayBatch * len(one))
	r.transfer = r.chunk.B[:0]
	for range relayBatch {
		r.transfer = append(r.transfer, one...)
	}
	return r
}

// batch relays a batch of messages.
func (r *relay) batch() {
	const idAt = 8 + 3 + 3 + 1 + 1 // frame header, descriptor, list header, handle, format code
	first := r.id
	for i := range relayBatch {
		binary.BigEndian.PutUint32(r.transfer[i*r.frame+idAt:], r.id)
		r.id++
	}
	for b := r.transfer; len(b) > 0; {
		used := r.a.Input(r.now, b)
		events := r.a.Events()
		for i := range events {
			e := &events[i]
			d := r.b.Deliver(r.out, false, e.Format)
			r.origin[d] = e.Delivery
			r.b.Write(d, nil, buf.Slice{B: e.Payload, C: r.chunk}, true)
		}
		b = b[used:]
	}
	r.take(r.b)

	x := wire.Disposition{Role: wire.RoleReceiver, First: first, Last: r.id - 1, Settled: true, State: acceptedState}
	f := wire.Flow{NextIncomingID: r.id, HasNextIncomingID: true, IncomingWindow: 1000, HasHandle: true,
		DeliveryCount: r.id, HasDeliveryCount: true, LinkCredit: 2 * relayBatch, HasLinkCredit: true}
	answer := x.Append(wire.BeginFrame(r.answer[:0], wire.FrameAMQP, 0))
	wire.EndFrame(answer, 0, 0)
	start := len(answer)
	answer = f.Append(wire.BeginFrame(answer, wire.FrameAMQP, 0))
	wire.EndFrame(answer, start, 0)
	r.answer = answer
	for b := answer; len(b) > 0; {
		used := r.b.Input(r.now, b)
		events := r.b.Events()
		for i := range events {
			if e := &events[i]; e.Kind == engine.EventOutcome {
				r.a.Settle(r.origin[e.Delivery], e.State)
				r.settled++
			}
		}
		b = b[used:]
	}
	r.a.Grant(r.in, relayBatch)
	r.take(r.a)
}

func (r *relay) take(c *engine.Connection) {
	c.Take(&r.output)
	r.octets += r.output.Size
	r.output.Release()
}

// The steady state allocates nothing: neither for a message nor for its outcome nor for credit. Not parallel: it counts
// allocations.
func TestRelayAllocatesNothing(t *testing.T) {
	for _, size := range []int{0, 100, 4000} {
		r := newRelay(t, size)
		for range 100 {
			r.batch()
		}
		if n := testing.AllocsPerRun(200, r.batch); n > poolLoss {
			t.Errorf("%v allocations for %d messages of %d octets", n, relayBatch, size)
		}
		if r.settled != int(r.id) || r.settled == 0 {
			t.Errorf("%d of %d settled", r.settled, r.id)
		}
	}
}

// BenchmarkRelay is one message of 100 octets from input to output through two engines, and its outcome back. The
// octets are those of the payload.
func BenchmarkRelay(b *testing.B) {
	const size = 100
	r := newRelay(b, size)
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += relayBatch {
		r.batch()
	}
}
