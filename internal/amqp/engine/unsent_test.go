package engine_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// feed gives the engine octets and handles its events; nothing is taken.
func feed(t *testing.T, p *amqptest.Peer, what ...any) {
	t.Helper()
	var b []byte
	for _, x := range what {
		b = amqptest.Encode(b, x)
	}
	for used := -1; used != 0 || p.Conn.Continues(); {
		used = p.Conn.Input(p.Now, b)
		b = b[used:]
		events := p.Conn.Events()
		for i := range events {
			p.Accept(&events[i])
		}
	}
}

// whole has everything taken and returns how many octets that is.
func whole(c *engine.Connection) (octets int) {
	for c.Dirty() {
		var o engine.Output
		c.Take(&o)
		octets += o.Size
		o.Release()
	}
	return octets
}

func TestAnswersThatNobodyTakesAreCounted(t *testing.T) {
	t.Parallel()
	for name, storm := range map[string]func(i uint32) []any{
		"begin and end": func(uint32) []any { return []any{amqptest.On(9, &wire.Begin{}), amqptest.On(9, &wire.End{})} },
		"attach": func(i uint32) []any {
			return []any{&wire.Attach{Name: fmt.Sprint(i), Handle: i, Role: wire.RoleReceiver}}
		},
		"attach and detach": func(uint32) []any {
			return []any{&wire.Attach{Name: "x", Role: wire.RoleReceiver}, &wire.Detach{Closed: true}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Begun(t, engine.Config{})
			for i := range uint32(1000) {
				before := p.Conn.Unsent()
				if feed(t, p, storm(i)...); p.Conn.Unsent() <= before {
					t.Fatalf("answers of %d octets after %d", p.Conn.Unsent(), before)
				}
			}
			if unsent, n := p.Conn.Unsent(), whole(p.Conn); unsent != n {
				t.Errorf("%d octets are written, %d were unsent", n, unsent)
			}
			if n := p.Conn.Unsent(); n != 0 {
				t.Errorf("%d octets are unsent when all is taken", n)
			}
		})
	}
}

// However often a peer asks for the state of its links, what is gathered for it is one answer for each.
func TestEchoesAreAnsweredOnceForEachLink(t *testing.T) {
	t.Parallel()
	const links = 100
	p := amqptest.Begun(t, engine.Config{})
	for i := range uint32(links) {
		p.Receiver(i, 1)
	}
	echo := func(i uint32) *wire.Flow {
		return &wire.Flow{HasNextIncomingID: true, IncomingWindow: 10, HasHandle: true, Handle: i % links, Echo: true,
			HasLinkCredit: true, LinkCredit: 1, Drain: i%3 == 0}
	}
	most := 0
	for i := range uint32(10_000) {
		feed(t, p, echo(i), &wire.Flow{HasNextIncomingID: true, IncomingWindow: 10, Echo: true})
		if i == links {
			most = p.Conn.Unsent()
		}
	}
	if n := p.Conn.Unsent(); n > most+100 || n > links*64 {
		t.Errorf("%d octets are unsent after 10,000 echoes, %d after %d", n, most, links)
	}
	if n := whole(p.Conn); n > links*64 {
		t.Errorf("%d octets answer 10,000 echoes", n)
	}
}

// A drain that is answered takes the flow back that was gathered.
func TestDrainsFillNoList(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 0)
	had := p.Conn.Footprint()
	for range 10_000 {
		feed(t, p, &wire.Flow{HasNextIncomingID: true, IncomingWindow: 10, HasHandle: true, Echo: true, Drain: true,
			HasLinkCredit: true, LinkCredit: 1})
		p.Conn.Drained(link)
	}
	if n := p.Conn.Footprint() - had; n > 16<<10 {
		t.Errorf("the footprint has grown by %d octets", n)
	}
}

// Transfer frames are the caller's: it writes as many as it wants to have waiting.
func TestTransfersDoNotCountAsAnswers(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 1000)
	for _, size := range []int{10, 10_000, 200_000} {
		p.Conn.Write(p.Conn.Deliver(link, true, 0), nil, slice(string(make([]byte, size))), true)
	}
	if n := p.Conn.Unsent(); n != 0 || p.Conn.Pending() < 210_000 {
		t.Errorf("%d of %d octets count as answers", n, p.Conn.Pending())
	}
}

func TestOneTakeWritesABoundedNumberOfFlows(t *testing.T) {
	t.Parallel()
	const links = 10_000
	p := amqptest.Begun(t, engine.Config{})
	var ids []engine.LinkID
	for i := range uint32(links) {
		ids = append(ids, p.Sender(i, 0))
	}
	for _, id := range ids {
		p.Conn.Grant(id, 5)
	}
	seen := map[uint32]bool{}
	for takes := 0; p.Conn.Dirty(); takes++ {
		var o engine.Output
		p.Conn.Take(&o)
		var b []byte
		for _, s := range o.Segments {
			b = append(b, s...)
		}
		o.Release()
		n := 0
		for ; len(b) > 0; n++ {
			f, size, err := amqptest.Decode(b, math.MaxUint32)
			if err != nil {
				t.Fatal(err)
			}
			x := f.(amqptest.Frame).Body.(*wire.Flow)
			if seen[x.Handle] || x.LinkCredit != 5 {
				t.Fatalf("the flow of handle %d with credit %d comes twice", x.Handle, x.LinkCredit)
			}
			seen[x.Handle] = true
			b = b[size:]
		}
		if n == 0 || n > 2001 {
			t.Fatalf("%d flows are taken at once", n)
		}
	}
	if len(seen) != links {
		t.Errorf("%d of %d links have credit", len(seen), links)
	}
	if err := p.Conn.CheckInvariants(); err != nil {
		t.Error(err)
	}
}
