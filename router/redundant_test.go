package router

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// flood sends messages with a name without waiting for outcomes, and then takes these.
func (s *sender) flood(count, size int, name string) (outcomes map[string]int) {
	outcomes = make(map[string]int)
	receipts := make(chan amqp.SendReceipt, count)
	go func() {
		defer close(receipts)
		for i := range count {
			m := text("%s %s %d", s.link.LinkName(), name, i)
			m.Data = append(m.Data, make([]byte, size)) // go-amqp shows the first section
			receipt, err := s.link.SendWithReceipt(s.ctx, m, nil)
			if err != nil {
				s.t.Errorf("send: %v", err)
				return
			}
			receipts <- receipt
		}
	}()
	for receipt := range receipts {
		state, err := receipt.Wait(s.ctx)
		if err != nil {
			s.t.Errorf("no outcome: %v", err)
			return outcomes
		}
		outcomes[shown(state)]++
	}
	return outcomes
}

// register knows which messages have come, and how often.
type register struct {
	mu  sync.Mutex
	got map[string]int
}

func (r *receiver) register() *register {
	g := &register{got: make(map[string]int)}
	r.consume(func(m *amqp.Message) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.got[string(m.GetData())]++
	})
	return g
}

// once wants so many messages to have come, each once.
func (g *register) once(t *testing.T, count int) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for m, times := range g.got {
		if times != 1 {
			t.Errorf("message %q came %d times", m, times)
		}
	}
	if len(g.got) != count {
		t.Errorf("%d messages came, want %d", len(g.got), count)
	}
}

// TestARedundantMessageGoesOverTwoPathsAndIsDeliveredOnce has messages of several sizes go through a diamond.
func TestARedundantMessageGoesOverTwoPathsAndIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	n, a, b, c, d := diamond(t, "")
	g := connect(t, d).receiver("twice/x", 100).register()
	n.consumers("A", "twice/x", 0, 1)
	const each = 100
	var sending sync.WaitGroup
	for _, size := range []int{0, 5_000, 300_000} {
		s := connect(t, a).sender("twice/x", nil)
		sending.Go(func() {
			if got := s.flood(each, size, "x"); got["accepted"] != each {
				t.Errorf("outcomes: %v", got)
			}
		})
	}
	sending.Wait()
	g.once(t, 3*each)
	for _, r := range []*Router{b, c} {
		if row, _ := addressRow(r, "twice/x"); row.DeliveriesTransit == 0 {
			t.Errorf("nothing came through %s", r.ID())
		}
	}
	if got := d.view.Sum(false).Totals.FromRouters.Duplicates; got == 0 {
		t.Error("no second copies were dropped")
	}
}

// TestRedundantMessagesKeepTheirOrder sends over two paths of different length.
func TestRedundantMessagesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	n := ring(t, 5)
	const senders, count = 4, 200
	o := order{t: t, last: make(map[string]int), left: senders * count, done: make(chan struct{})}
	o.consume(n.node("C"), "twice/x")
	n.consumers("A", "twice/x", 0, 1)
	for i := range senders {
		s := connect(t, n.node("A")).sender("twice/x", nil)
		go func() {
			for number := range count {
				if _, err := s.link.SendWithReceipt(s.ctx, text("%d %d", i, number), nil); err != nil {
					t.Errorf("send: %v", err)
				}
			}
		}()
	}
	<-o.done
}

// TestALostRouterIsNotNoticedBySendersOfRedundantMessages kills the routers between sender and consumer in turn, under
// traffic: every message is accepted, and arrives once.
func TestALostRouterIsNotNoticedBySendersOfRedundantMessages(t *testing.T) {
	t.Parallel()
	n, a, _, _, d := diamond(t, "")
	plans := make(map[string]plan)
	for _, id := range []string{"B", "C"} {
		_, port, _ := net.SplitHostPort(n.node(id).Addr("routers"))
		plans[id] = plan{id: id, port: port, to: []*Router{a}}
	}
	g := connect(t, d).receiver("twice/x", 100).register()
	n.consumers("A", "twice/x", 0, 1)
	const portion = 20
	sizes := []int{0, 0, 10_000, 200_000}
	rounds := make([]atomic.Int64, len(sizes)) // that each sender has done
	stop := make(chan struct{})
	var sending sync.WaitGroup
	for k, size := range sizes {
		s := connect(t, a).sender("twice/x", nil)
		sending.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := s.flood(portion, size, fmt.Sprint(rounds[k].Load())); got["accepted"] != portion {
					t.Errorf("round %d with %d octets: %v", rounds[k].Load(), size, got)
				}
				rounds[k].Add(1)
			}
		})
	}
	// more waits until each sender has sent whole rounds.
	more := func(count int64) {
		t.Helper()
		for k := range rounds {
			goal := rounds[k].Load() + count
			eventually(t, "the senders go on", func() error {
				if now := rounds[k].Load(); now < goal {
					return fmt.Errorf("sender %d has done %d rounds, not %d", k, now, goal)
				}
				return nil
			})
		}
	}
	for _, id := range []string{"B", "C", "B", "C"} {
		eventually(t, "there are two paths", func() error {
			if p := a.peerNamed("D"); p == nil || p.Pair.Load() == nil {
				return errors.New("one, or none")
			}
			return nil
		})
		more(2) // which take both
		n.kill(id)
		more(1)
		n.add(plans[id])
		n.converge()
	}
	close(stop)
	sending.Wait()
	total := 0
	for k := range rounds {
		total += portion * int(rounds[k].Load())
	}
	g.once(t, total)
}

// TestTheOutcomeOfARedundantMessageIsThatOfTheConsumer shows each outcome.
func TestTheOutcomeOfARedundantMessageIsThatOfTheConsumer(t *testing.T) {
	t.Parallel()
	n, a, _, _, d := diamond(t, "")
	r := connect(t, d).receiver("twice/x", 10)
	n.consumers("A", "twice/x", 0, 1)
	s := connect(t, a).sender("twice/x", nil)
	for _, c := range []struct {
		settle func(m *amqp.Message) error
		want   string
	}{
		{func(m *amqp.Message) error { return r.link.AcceptMessage(r.ctx, m) }, "accepted"},
		{func(m *amqp.Message) error { return r.link.RejectMessage(r.ctx, m, &amqp.Error{Condition: "x:y"}) },
			shown(&amqp.StateRejected{Error: &amqp.Error{Condition: "x:y"}})},
		{func(m *amqp.Message) error { return r.link.ReleaseMessage(r.ctx, m) }, "released"},
		{func(m *amqp.Message) error {
			return r.link.ModifyMessage(r.ctx, m, &amqp.ModifyMessageOptions{UndeliverableHere: true})
		}, shown(&amqp.StateModified{UndeliverableHere: true})},
	} {
		receipt := s.begin(text("x"))
		if err := c.settle(r.next()); err != nil {
			t.Fatal(err)
		}
		if got := shown(s.outcome(receipt)); got != c.want {
			t.Errorf("the outcome is %s, want %s", got, c.want)
		}
		r.none("it was delivered")
	}
}

// TestAConsumerMayTakeItsTimeWhileAPathOfItsMessageIsLost kills either router between them while the consumer holds a
// message.
func TestAConsumerMayTakeItsTimeWhileAPathOfItsMessageIsLost(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"B", "C"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			n, a, _, _, d := diamond(t, "")
			r := connect(t, d).receiver("twice/x", 10)
			n.consumers("A", "twice/x", 0, 1)
			s := connect(t, a).sender("twice/x", nil)
			receipt := s.begin(text("x"))
			m := r.next()
			n.kill(lost)
			eventually(t, "A knows", func() error {
				if p := a.peerNamed(lost); p != nil && p.Hop.Load() != nil {
					return fmt.Errorf("there is a way to %s", lost)
				}
				return nil
			})
			r.settle(m)
			wantAccepted(t, "the message", s.outcome(receipt))
			r.none("it was delivered")
		})
	}
}

// TestTheSecondCopyTakesThePlaceOfOneThatIsLostOnItsWay cuts the way of the copy that the consumer is being given, in the
// middle of it: the consumer gets the message whole from the other one.
func TestTheSecondCopyTakesThePlaceOfOneThatIsLostOnItsWay(t *testing.T) {
	t.Parallel()
	n, a, _, _, d := diamond(t, "")
	p := rawBegin(t, a)
	q := rawBegin(t, d)
	q.attachReceiver(0, "twice/x", 10)
	n.consumers("A", "twice/x", 0, 1)
	p.attachSender(1, "twice/x")
	part := strings.Repeat("x", 50_000)
	x := p.first(1)
	x.More = true
	p.send(transfer(x, body("begun")+part))
	for range 9 {
		p.send(transfer(wire.Transfer{Handle: 1, More: true}, part))
	}
	begun := want[*wire.Transfer](q, "the beginning")
	// Whose copy it is says where the consumer's router has the delivery from.
	var lost string
	eventually(t, "both copies have come", func() error {
		d.plane.Pairs.Mu.Lock()
		defer d.plane.Pairs.Mu.Unlock()
		for _, r := range d.plane.Pairs.Records {
			if r.Follower != nil {
				lost = map[string]string{"B": "C", "C": "B"}[r.Follower.Origin.Near.ID]
				return nil
			}
		}
		return errors.New("one has not")
	})
	n.kill(lost)
	for { // the rest of what was begun
		f := want[*wire.Transfer](q, "the end of what was begun")
		if f.Aborted {
			break
		}
		if !f.More {
			t.Fatal("what was begun is whole")
		}
	}
	p.send(transfer(wire.Transfer{Handle: 1}, "end"))
	f := want[*wire.Transfer](q, "the other copy")
	if f.DeliveryID == begun.DeliveryID {
		t.Error("it is the same delivery")
	}
	for f.More {
		f = want[*wire.Transfer](q, "the rest of it")
	}
}

// TestCopiesAreToldApartWhateverTheOrderOfEvents plays what may become of the two copies of a message.
func TestCopiesAreToldApartWhateverTheOrderOfEvents(t *testing.T) {
	t.Parallel()
	key := forwarding.CopyKey{Ingress: "0/A", Number: 7}
	for name, play := range map[string]func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery){
		"the second comes while the first is under way": func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery) {
			r, _ := table.Meet(key, x, p)
			if again, _ := table.Meet(key, y, p); again != r || y.Stage != forwarding.StageFollowing {
				t.Error("the second does not follow")
			}
			if f := table.End(r, forwarding.Accepted, false); f != y {
				t.Error("the second does not hear of the outcome")
			}
		},
		"the second comes after the outcome": func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery) {
			r, _ := table.Meet(key, x, p)
			table.End(r, forwarding.Accepted, false)
			if again, state := table.Meet(key, y, p); again != nil || state.Kind != forwarding.Accepted.Kind {
				t.Errorf("the second has the outcome %v", state)
			}
		},
		"the first is lost, then the second comes": func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery) {
			r, _ := table.Meet(key, x, p)
			table.End(r, forwarding.Released, true)
			if again, _ := table.Meet(key, y, p); again != r || y.Stage == forwarding.StageFollowing {
				t.Error("the second does not take its place")
			}
			table.End(r, forwarding.Accepted, false)
		},
		"both are lost": func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery) {
			r, _ := table.Meet(key, x, p)
			table.Meet(key, y, p)
			if f := table.End(r, forwarding.Released, true); f != y {
				t.Error("the second does not take the first one's place")
			}
			table.End(r, forwarding.Released, true)
		},
		"the second is lost, then the first has its outcome": func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery) {
			r, _ := table.Meet(key, x, p)
			table.Meet(key, y, p)
			table.Leave(r, y)
			if f := table.End(r, forwarding.Accepted, false); f != nil {
				t.Error("the second hears of the outcome")
			}
		},
		"many messages come once, and then the second copy of the first one": func(t *testing.T, table *forwarding.CopyTable, p *route.Router, x, y *forwarding.Delivery) {
			r, _ := table.Meet(key, x, p)
			table.End(r, forwarding.Accepted, false)
			for i := range uint64(forwarding.EndedCopies) {
				once, _ := table.Meet(forwarding.CopyKey{Ingress: "0/A", Number: 8 + i}, &forwarding.Delivery{}, p)
				table.End(once, forwarding.Accepted, false)
			}
			if again, state := table.Meet(key, y, p); again != nil || state.Kind != forwarding.InDoubt.Kind {
				t.Errorf("the second has the outcome %v", state)
			}
			if len(table.Records) > forwarding.EndedCopies || len(table.Ended) > forwarding.EndedCopies {
				t.Errorf("%d records are kept", len(table.Records))
			}
			table.Records = nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var table forwarding.CopyTable
			play(t, &table, &route.Router{}, &forwarding.Delivery{}, &forwarding.Delivery{})
			if len(table.Records) > 0 {
				t.Errorf("%d records are left", len(table.Records))
			}
		})
	}
}
