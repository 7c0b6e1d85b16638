package router

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// raw is a peer that says exactly what a test tells it to, frame by frame, over a real socket. It reads only when the
// test waits for something; frames that a wait passes over are kept for the waits after it.
type raw struct {
	t     testing.TB
	ctx   context.Context
	nc    net.Conn
	in    []byte // octets read and not decoded
	queue []any  // protocol headers and frames that no wait has taken yet
	err   error  // why nothing more can be read
	next  uint32 // delivery-id of the next transfer
	// theirs gives the router's handle of a link for the handle of this side.
	theirs map[uint32]uint32
}

// rawTo connects to an address and says nothing. The connection is closed when the test ends.
func rawTo(t testing.TB, address string) *raw {
	t.Helper()
	ctx := within(t)
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &raw{t: t, ctx: ctx, nc: nc, theirs: make(map[uint32]uint32)}
}

// rawOpen connects to a router's listener for clients and opens the connection without SASL.
func rawOpen(t testing.TB, r *Router, open ...*wire.Open) *raw {
	t.Helper()
	p := rawTo(t, r.Addr("clients"))
	o := &wire.Open{ContainerID: "raw", MaxFrameSize: 64 << 10, ChannelMax: 100}
	if len(open) > 0 {
		o = open[0]
	}
	p.send(wire.HeaderAMQP, o)
	p.header("the header is answered [2.2]", wire.HeaderAMQP)
	want[*wire.Open](p, "open is answered [2.4.1]")
	return p
}

// rawBegin is rawOpen with a session on channel 0 of both sides.
func rawBegin(t testing.TB, r *Router) *raw {
	t.Helper()
	p := rawOpen(t, r)
	p.begin(0)
	return p
}

func (p *raw) begin(channel uint16) {
	p.t.Helper()
	p.send(amqptest.On(channel, &wire.Begin{IncomingWindow: 1 << 20, OutgoingWindow: 1 << 20, HandleMax: 1 << 16}))
	want(p, "begin is answered [2.5.1]", func(x *wire.Begin) bool { return x.RemoteChannel == channel })
}

// send writes protocol headers, performatives (on channel 0), frames and raw octets. When the router has closed the
// connection, it is a wait that fails, not the sending.
func (p *raw) send(what ...any) {
	var b []byte
	for _, x := range what {
		b = amqptest.Encode(b, x)
	}
	if deadline, ok := p.ctx.Deadline(); ok {
		p.nc.SetWriteDeadline(deadline)
	}
	p.nc.Write(b)
}

// read waits for the next protocol header or frame.
func (p *raw) read() (any, error) {
	for {
		what, n, err := amqptest.Decode(p.in, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("the router sent what cannot be decoded: %w", err)
		}
		if n > 0 {
			p.in = p.in[n:]
			return what, nil
		}
		if p.err != nil {
			return nil, p.err
		}
		if deadline, ok := p.ctx.Deadline(); ok {
			p.nc.SetReadDeadline(deadline)
		}
		p.in = slices.Grow(p.in, 64<<10)
		n, p.err = p.nc.Read(p.in[len(p.in):cap(p.in)])
		p.in = p.in[:len(p.in)+n]
	}
}

// find waits for a frame or header that matches, and takes it out of the queue.
func (p *raw) find(match func(any) bool) (any, error) {
	for i, x := range p.queue {
		if match(x) {
			p.queue = slices.Delete(p.queue, i, i+1)
			return x, nil
		}
	}
	for {
		x, err := p.read()
		if err != nil {
			return nil, err
		}
		if match(x) {
			return x, nil
		}
		if f, ok := x.(frame); !ok || f.Body != nil {
			p.queue = append(p.queue, x)
		}
	}
}

func (p *raw) header(why string, h wire.ProtocolHeader) {
	p.t.Helper()
	if _, err := p.find(func(x any) bool { return x == h }); err != nil {
		p.t.Fatalf("%s: %v", why, err)
	}
}

// want waits for a performative of one type that fulfils all conditions.
func want[T any](p *raw, why string, match ...func(T) bool) T {
	p.t.Helper()
	f := wantFrame(p, why, match...)
	return f.Body.(T)
}

// wantFrame is want for the whole frame, with its channel and payload.
func wantFrame[T any](p *raw, why string, match ...func(T) bool) amqptest.Frame {
	p.t.Helper()
	x, err := p.find(func(x any) bool {
		f, ok := x.(frame)
		if !ok {
			return false
		}
		body, ok := f.Body.(T)
		for _, m := range match {
			ok = ok && m(body)
		}
		return ok
	})
	if err != nil {
		p.t.Fatalf("%s: want %T: %v; the router said %s", why, *new(T), err, p.said())
	}
	return x.(frame)
}

// said describes what the router said and no wait has taken.
func (p *raw) said() string {
	s := ""
	for _, x := range p.queue {
		if f, ok := x.(frame); ok {
			s += fmt.Sprintf(" [%d %T%+v]", f.Channel, f.Body, f.Body)
		} else {
			s += fmt.Sprintf(" %q", x)
		}
	}
	return s
}

// wantClose waits for a close with a condition, and for the end of the connection.
func (p *raw) wantClose(why string, condition wire.Symbol) {
	p.t.Helper()
	x := want[*wire.Close](p, why)
	wantCondition(p.t, why, x.Error, condition)
	p.wantEnd(why)
}

// wantEnd waits until the router closes the connection. An error of the transport will do: what was not read yet makes
// the system reset the connection.
func (p *raw) wantEnd(why string) {
	p.t.Helper()
	for {
		_, err := p.read()
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			p.t.Fatalf("%s: the connection is not closed", why)
		case err != nil:
			return
		}
	}
}

// wantDetach waits for a detach with a condition, and answers it for the link that has a handle on this side.
func (p *raw) wantDetach(why string, own uint32, condition wire.Symbol) {
	p.t.Helper()
	x := want[*wire.Detach](p, why)
	wantCondition(p.t, why, x.Error, condition)
	p.send(&wire.Detach{Handle: own, Closed: true})
}

// wantSessionEnd waits for the end of a session with a condition, and answers it.
func (p *raw) wantSessionEnd(why string, condition wire.Symbol) {
	p.t.Helper()
	f := wantFrame[*wire.End](p, why)
	wantCondition(p.t, why, f.Body.(*wire.End).Error, condition)
	p.send(amqptest.On(f.Channel, &wire.End{}))
}

func wantCondition(t testing.TB, why string, err *wire.Error, condition wire.Symbol) {
	t.Helper()
	switch {
	case err == nil && condition == "":
	case err == nil:
		t.Fatalf("%s: no error is told, want %s", why, condition)
	case err.Condition != condition:
		t.Fatalf("%s: the error is %v, want %s", why, err, condition)
	}
}

// syncChannel is a channel that no test uses otherwise.
const syncChannel = 99

// sync proves that the router has handled everything sent so far, and written what it had to say to it: a session
// begins, which is answered in its turn, and ends, which is answered after what was gathered before.
func (p *raw) sync() {
	p.t.Helper()
	p.begin(syncChannel)
	p.send(amqptest.On(syncChannel, &wire.End{}))
	want[*wire.End](p, "end is answered [2.5.5]")
}

// attachSender attaches a sender with a handle and waits for credit; without an address it is an anonymous one.
func (p *raw) attachSender(handle uint32, address string) (credit uint32) {
	p.t.Helper()
	p.send(&wire.Attach{Name: fmt.Sprintf("out-%d", handle), Handle: handle, Role: wire.RoleSender,
		SndSettleMode: wire.SenderMixed, HasInitialDelivery: true, Source: &wire.Source{ExpiryPolicy: wire.SessionEnd},
		Target: &wire.Target{Address: address, HasAddress: address != "", ExpiryPolicy: wire.SessionEnd}})
	p.attached(handle)
	flow := want(p, "a sender gets credit [2.6.7]", func(x *wire.Flow) bool {
		return x.HasHandle && x.Handle == p.theirs[handle] && x.LinkCredit > 0
	})
	return flow.LinkCredit
}

// attachReceiver attaches a receiver with a handle and grants credit.
func (p *raw) attachReceiver(handle uint32, address string, credit uint32) {
	p.t.Helper()
	p.send(&wire.Attach{Name: fmt.Sprintf("in-%d", handle), Handle: handle, Role: wire.RoleReceiver,
		SndSettleMode: wire.SenderMixed, Target: &wire.Target{ExpiryPolicy: wire.SessionEnd},
		Source: &wire.Source{Address: address, HasAddress: true, ExpiryPolicy: wire.SessionEnd}})
	p.attached(handle)
	if credit > 0 {
		p.grant(handle, 0, credit)
	}
}

// attached waits for the answer to the attach of a link with a handle.
func (p *raw) attached(handle uint32) *wire.Attach {
	p.t.Helper()
	x := want[*wire.Attach](p, "the attach is answered [2.6.3]")
	p.theirs[handle] = x.Handle
	return x
}

// grant gives credit to the router on a receiver that has had some deliveries.
func (p *raw) grant(handle, deliveryCount, credit uint32) {
	p.send(&wire.Flow{IncomingWindow: 1 << 20, OutgoingWindow: 1 << 20, Handle: handle, HasHandle: true,
		DeliveryCount: deliveryCount, HasDeliveryCount: true, LinkCredit: credit, HasLinkCredit: true})
}

// first is the first or only transfer of the next delivery.
func (p *raw) first(handle uint32) wire.Transfer {
	id := p.next
	p.next++
	return wire.Transfer{Handle: handle, DeliveryID: id, HasDeliveryID: true, DeliveryTag: fmt.Appendf(nil, "%d", id),
		HasMessageFormat: true}
}

// deliver sends a whole message in one frame and returns its delivery-id.
func (p *raw) deliver(handle uint32, payload string) uint32 {
	x := p.first(handle)
	p.send(amqptest.Transfer(x, payload))
	return x.DeliveryID
}

// wantOutcome waits for the outcome of a delivery that this peer sent.
func (p *raw) wantOutcome(why string, id uint32, kind wire.StateKind) wire.State {
	p.t.Helper()
	for _, x := range p.queue { // it stays there: a range of deliveries settles each of them
		if f, ok := x.(frame); ok && covers(f, id) {
			return p.outcome(why, f, kind)
		}
	}
	for {
		x, err := p.read()
		if err != nil {
			p.t.Fatalf("%s: no outcome of delivery %d: %v; the router said %s", why, id, err, p.said())
		}
		p.queue = append(p.queue, x)
		if f, ok := x.(frame); ok && covers(f, id) {
			return p.outcome(why, f, kind)
		}
	}
}

func covers(f frame, id uint32) bool {
	d, ok := f.Body.(*wire.Disposition)
	return ok && d.Role == wire.RoleReceiver && d.Settled && d.First <= id && id <= d.Last
}

func (p *raw) outcome(why string, f frame, kind wire.StateKind) wire.State {
	p.t.Helper()
	state := f.Body.(*wire.Disposition).State
	if state.Kind != kind {
		p.t.Fatalf("%s: the outcome is %+v (%v), want kind %d", why, state, state.RejectedError(), kind)
	}
	return state.Clone()
}

// wantRejected waits for a rejection with an error condition.
func (p *raw) wantRejected(why string, id uint32, condition wire.Symbol) {
	p.t.Helper()
	state := p.wantOutcome(why, id, wire.StateRejected)
	wantCondition(p.t, why, state.RejectedError(), condition)
}

// received is one delivery that a raw peer got.
type received struct {
	wire.Transfer // its first frame
	payload       []byte
	aborted       bool
}

// receive waits for the next delivery on a handle, whole or aborted.
func (p *raw) receive(handle uint32) received {
	p.t.Helper()
	var r received
	for n := 0; ; n++ {
		f := wantFrame(p, "a delivery arrives", func(x *wire.Transfer) bool { return x.Handle == p.theirs[handle] })
		x := f.Body.(*wire.Transfer)
		if n == 0 {
			r.Transfer = *x
		}
		r.payload = append(r.payload, f.Payload...)
		if x.Aborted || !x.More {
			r.aborted = x.Aborted
			return r
		}
	}
}

// settle settles a delivery that this peer received.
func (p *raw) settle(id uint32, state wire.State) {
	p.send(&wire.Disposition{Role: wire.RoleReceiver, First: id, Last: id, Settled: true, State: state})
}

// encode encodes a message.
func encode(t testing.TB, m *message.Message) string {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// body is an encoded message with one data section.
func body(format string, args ...any) string {
	b := wire.AppendDescriptor(nil, 0x75)
	return string(wire.AppendBinary(b, fmt.Appendf(nil, format, args...)))
}

// frame is a frame of a conversation.
type frame = amqptest.Frame

// transfer is a frame with a transfer on channel 0.
func transfer(x wire.Transfer, payload string) amqptest.Frame { return amqptest.Transfer(x, payload) }
