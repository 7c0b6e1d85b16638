package router

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/go-amqp"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// withExchanges returns a network of one router with exchanges, or of three in a chain of which the middle one has them.
// The routers are those of the sender, of the exchanges and of the consumers.
func withExchanges(t testing.TB, routers int, sections string) (n *network, a, b, c *Router) {
	t.Helper()
	n = newNetwork(t)
	for i := range routers {
		p := plan{id: letter(i), standalone: routers == 1}
		if i > 0 {
			p.to = n.routers[i-1:]
		}
		if i == routers/2 {
			p.sections = sections
		}
		n.add(p)
	}
	if routers > 1 {
		n.converge()
	}
	return n, n.routers[0], n.routers[routers/2], n.routers[routers-1]
}

// onOneAndThree runs a test with one router and with three.
func onOneAndThree(t *testing.T, sections string, f func(t *testing.T, n *network, a, b, c *Router)) {
	t.Parallel()
	for _, routers := range []int{1, 3} {
		t.Run(fmt.Sprint(routers), func(t *testing.T) {
			t.Parallel()
			n, a, b, c := withExchanges(t, routers, sections)
			f(t, n, a, b, c)
		})
	}
}

// box is a consumer that accepts everything and keeps it.
type box struct {
	mu   sync.Mutex
	got  []string
	name string
}

// boxAt attaches a box to an address and waits until the exchanges' router knows.
func boxAt(t testing.TB, n *network, at, exchanges *Router, address string) *box {
	t.Helper()
	b := &box{name: address}
	connect(t, at).receiver(address, 100).consume(func(m *amqp.Message) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.got = append(b.got, string(m.GetData()))
	})
	if at == exchanges {
		eventually(t, "a consumer is known", func() error {
			if row, ok := addressRow(at, address); !ok || row.SubscriberCount == 0 {
				return errors.New("it is not")
			}
			return nil
		})
	} else {
		eventually(t, "a consumer is known", func() error {
			if row, ok := addressRow(exchanges, address); !ok || row.RemoteCount == 0 {
				return errors.New("it is not")
			}
			return nil
		})
	}
	return b
}

// want fails the test unless the box has got exactly these messages. Call it when their outcomes are known.
func (b *box) want(t testing.TB, messages string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := strings.Join(b.got, " "); got != messages {
		t.Errorf("%s received %q, want %q", b.name, got, messages)
	}
}

// about returns a message with a subject.
func about(subject, body string) *amqp.Message {
	m := text("%s", body)
	m.Properties = &amqp.MessageProperties{Subject: &subject}
	return m
}

// wantExchange fails the test unless an exchange has counted received, dropped, forwarded and diverted deliveries.
func wantExchange(t testing.TB, r *Router, name string, counts ...uint64) {
	t.Helper()
	for x := range r.view.Exchanges() {
		if got := []uint64{x.Received, x.Dropped, x.Forwarded, x.Diverted}; x.Name == name && !slices.Equal(got, counts) {
			t.Errorf("exchange %s counted %d received, dropped, forwarded, diverted; want %d", name, got, counts)
		}
	}
}

// wantBindings fails the test unless the bindings of a router have counted these matches.
func wantBindings(t testing.TB, r *Router, counts ...uint64) {
	t.Helper()
	var got []uint64
	for b := range r.view.Bindings() {
		got = append(got, b.Matched)
	}
	if !slices.Equal(got, counts) {
		t.Errorf("the bindings matched %d, want %d", got, counts)
	}
}

// The bindings and the messages are those of Interconnect's system_tests_exchange_bindings.py.
func TestAnExchangeForwardsToTheNextHopsOfTheBindingsThatMatch(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, bindingKey: a.*, nextHopAddress: balanced/1}
  - {exchangeName: x, bindingKey: a.b, nextHopAddress: balanced/1}
  - {exchangeName: x, bindingKey: "a.c.#", nextHopAddress: balanced/1}
  - {exchangeName: x, bindingKey: "a.c.#", nextHopAddress: closest/2}
  - {exchangeName: x, bindingKey: a.b.c, nextHopAddress: closest/2}
`, func(t *testing.T, n *network, a, b, c *Router) {
		one, two := boxAt(t, n, c, b, "balanced/1"), boxAt(t, n, c, b, "closest/2")
		s := connect(t, a).sender("ex", nil)
		wantAccepted(t, "a.b", s.send(about("a.b", "A")))
		wantAccepted(t, "a.c", s.send(about("a.c", "B")))
		wantAccepted(t, "a.c.d", s.send(about("a.c.d", "C")))
		wantReleased(t, "x.y.z", s.send(about("x.y.z", "nobody")))
		wantAccepted(t, "a.b.c", s.send(about("a.b.c", "D")))
		wantReleased(t, "without a subject", s.send(text("nobody")))
		one.want(t, "A B C")
		two.want(t, "B C D")
		wantExchange(t, b, "x", 6, 2, 4, 0)
		wantBindings(t, b, 2, 1, 2, 2, 1)
	})
}

func TestCopiesAreCountedForTheAddressOfTheirNextHop(t *testing.T) {
	t.Parallel()
	n, a, b, c := withExchanges(t, 3, `
exchanges: [{name: x, address: ex}]
bindings:
  - {exchangeName: x, bindingKey: "#", nextHopAddress: one}
  - {exchangeName: x, bindingKey: a, nextHopAddress: two}
`)
	boxAt(t, n, c, b, "one")
	boxAt(t, n, c, b, "two")
	s := connect(t, a).sender("ex", nil)
	for _, subject := range []string{"a", "b", "c"} {
		wantAccepted(t, subject, s.send(about(subject, "x")))
	}
	for address, want := range map[string]uint64{"ex": 0, "one": 3, "two": 1} {
		if row, _ := addressRow(b, address); row.DeliveriesTransit != want {
			t.Errorf("%d are counted as sent to other routers for %s, want %d", row.DeliveriesTransit, address, want)
		}
	}
}

func TestAnExchangeMatchesTopicFiltersOfMQTT(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex, matchMethod: mqtt, alternateAddress: other}
bindings:
  - {exchangeName: x, bindingKey: a/b, nextHopAddress: one}
  - {exchangeName: x, bindingKey: a/+, nextHopAddress: two}
  - {exchangeName: x, bindingKey: "c/#", nextHopAddress: one}
  - {exchangeName: x, bindingKey: c/b, nextHopAddress: two}
`, func(t *testing.T, n *network, a, b, c *Router) {
		one, two, other := boxAt(t, n, c, b, "one"), boxAt(t, n, c, b, "two"), boxAt(t, n, c, b, "other")
		s := connect(t, a).sender("ex", nil)
		for subject, body := range map[string]string{"a/b": "A", "x.y.z": "?"} {
			wantAccepted(t, subject, s.send(about(subject, body)))
		}
		wantAccepted(t, "a/c", s.send(about("a/c", "B")))
		wantAccepted(t, "c/b", s.send(about("c/b", "C")))
		wantAccepted(t, "c/b/d/e", s.send(about("c/b/d/e", "D")))
		wantAccepted(t, "no subject", s.send(text("none")))
		one.want(t, "A C D")
		two.want(t, "A B C")
		slices.Sort(other.got)
		other.want(t, "? none")
		wantExchange(t, b, "x", 6, 0, 6, 2)
		wantBindings(t, b, 1, 2, 2, 1)
	})
}

func TestABindingWithoutAKeyMatchesEverySubject(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
  - {name: y, address: ey, matchMethod: mqtt}
bindings:
  - {exchangeName: x, nextHopAddress: all}
  - {exchangeName: x, bindingKey: pattern, nextHopAddress: one}
  - {exchangeName: y, nextHopAddress: all}
`, func(t *testing.T, n *network, a, b, c *Router) {
		all, one := boxAt(t, n, c, b, "all"), boxAt(t, n, c, b, "one")
		connection := connect(t, a)
		x, y := connection.sender("ex", nil), connection.sender("ey", nil)
		wantAccepted(t, "nope", x.send(about("nope", "A")))
		wantAccepted(t, "pattern", x.send(about("pattern", "B")))
		wantAccepted(t, "mqtt", y.send(about("a/b", "C")))
		wantAccepted(t, "an empty subject", y.send(about("", "D")))
		all.want(t, "A B C D")
		one.want(t, "B")
	})
}

func TestEachNextHopIsServedByItsOwnDistribution(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, bindingKey: "a.#", nextHopAddress: multicast/1}
  - {exchangeName: x, bindingKey: "a.#", nextHopAddress: balanced/2}
  - {exchangeName: x, bindingKey: "a.#", nextHopAddress: closest/3}
  - {exchangeName: x, bindingKey: "a.#", nextHopAddress: not/subscribed}
`, func(t *testing.T, n *network, a, b, c *Router) {
		all := []*box{boxAt(t, n, c, b, "multicast/1"), boxAt(t, n, c, b, "multicast/1"), boxAt(t, n, a, b, "multicast/1")}
		some := []*box{boxAt(t, n, c, b, "balanced/2"), boxAt(t, n, a, b, "balanced/2")}
		near := []*box{boxAt(t, n, c, b, "closest/3"), boxAt(t, n, b, b, "closest/3")}
		s := connect(t, a).sender("ex", nil)
		const count = 20
		for i := range count {
			wantAccepted(t, "message", s.send(about("a.b", fmt.Sprint(i))))
		}
		var want []string
		for i := range count {
			want = append(want, fmt.Sprint(i))
		}
		for _, b := range all {
			b.want(t, strings.Join(want, " "))
		}
		for _, boxes := range [][]*box{some, near} {
			got := slices.Concat(boxes[0].got, boxes[1].got)
			slices.SortFunc(got, func(x, y string) int { return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)) })
			if !slices.Equal(got, want) {
				t.Errorf("the consumers of %s received %q together, want each message once", boxes[0].name, got)
			}
		}
		if a != b && len(near[0].got) > 0 {
			t.Errorf("%d messages went farther than to the closest consumer", len(near[0].got))
		}
	})
}

func TestMessagesGoToTheAlternateAddressWhenNoNextHopHasAConsumer(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex, alternateAddress: other}
bindings:
  - {exchangeName: x, bindingKey: a.b, nextHopAddress: one}
`, func(t *testing.T, n *network, a, b, c *Router) {
		s := connect(t, a).sender("ex", nil)
		wantReleased(t, "nobody is there", s.send(about("a.b", "A")))
		other := boxAt(t, n, c, b, "other")
		wantAccepted(t, "the alternate address has a consumer", s.send(about("a.b", "B")))
		one := boxAt(t, n, c, b, "one")
		wantAccepted(t, "the next hop has a consumer", s.send(about("a.b", "C")))
		other.want(t, "B")
		one.want(t, "C")
		wantExchange(t, b, "x", 3, 1, 2, 1)
	})
}

func TestTheOutcomeIsThatOfAllCopies(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, nextHopAddress: one}
  - {exchangeName: x, nextHopAddress: two}
`, func(t *testing.T, n *network, a, b, c *Router) {
		p := rawBegin(t, c)
		p.attachReceiver(0, "one", 100)
		p.attachReceiver(1, "two", 100)
		eventually(t, "both next hops have a consumer", func() error {
			for _, address := range []string{"one", "two"} {
				if row, _ := addressRow(b, address); row.SubscriberCount+row.RemoteCount == 0 {
					return errors.New(address + " has none")
				}
			}
			return nil
		})
		s := rawBegin(t, a)
		s.attachSender(0, "ex")
		subject := encode(t, &message.Message{Properties: &message.Properties{Subject: "s"}, Body: message.Data{[]byte("x")}})
		modified := wire.ModifiedState(true, false, nil)
		refused := wire.RejectedState(&wire.Error{Condition: "test:no"})
		for _, o := range []struct {
			one, two wire.State
			want     wire.StateKind
		}{
			{forwarding.Accepted, forwarding.Accepted, wire.StateAccepted}, {forwarding.Accepted, forwarding.Released, wire.StateAccepted},
			{modified, forwarding.Accepted, wire.StateAccepted}, {refused, forwarding.Accepted, wire.StateRejected},
			{forwarding.Released, modified, wire.StateModified}, {forwarding.Released, refused, wire.StateRejected},
			{forwarding.Released, forwarding.Released, wire.StateReleased},
		} {
			id := s.deliver(0, subject)
			p.settle(p.receive(0).DeliveryID, o.one)
			p.sync()
			two := p.receive(1)
			s.sync()
			for _, x := range s.queue {
				if f, ok := x.(frame); ok && covers(f, id) {
					t.Fatalf("an outcome is told before that of the last copy is known: %+v", f.Body)
				}
			}
			p.settle(two.DeliveryID, o.two)
			state := s.wantOutcome("both copies are settled", id, o.want)
			if o.want == wire.StateRejected {
				wantCondition(t, "the consumer's error", state.RejectedError(), "test:no")
			}
		}
	})
}

func TestAPresettledMessageStaysPresettledBehindAnExchange(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, bindingKey: a, nextHopAddress: one}
  - {exchangeName: x, bindingKey: a, nextHopAddress: two}
`, func(t *testing.T, n *network, a, b, c *Router) {
		p := rawBegin(t, c)
		p.attachReceiver(0, "one", 100)
		p.attachReceiver(1, "two", 100)
		eventually(t, "both next hops have a consumer", func() error {
			for _, address := range []string{"one", "two"} {
				if row, _ := addressRow(b, address); row.SubscriberCount+row.RemoteCount == 0 {
					return errors.New(address + " has none")
				}
			}
			return nil
		})
		s := connect(t, a).sender("ex", &amqp.SenderOptions{SettlementMode: ptr(amqp.SenderSettleModeSettled)})
		for range 1000 { // more than the credit
			s.settled(about("a", "x"))
			s.settled(about("nobody", "x"))
			for handle := range uint32(2) {
				if x := p.receive(handle); !x.Settled {
					t.Fatal("a copy is not pre-settled")
				}
			}
			p.grant(0, 0, 2000)
			p.grant(1, 0, 2000)
		}
		eventually(t, "the exchange has counted", func() error {
			for x := range b.view.Exchanges() {
				if x.Received != 2000 || x.Dropped != 1000 || x.Forwarded != 1000 {
					return fmt.Errorf("%+v", x)
				}
			}
			return nil
		})
	})
}

// A message is much larger than what a router holds of one.
func TestAnExchangeStreamsLargeMessages(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, bindingKey: "a.#", nextHopAddress: one}
  - {exchangeName: x, bindingKey: "#.b", nextHopAddress: two}
  - {exchangeName: x, bindingKey: "#", nextHopAddress: multicast}
`, func(t *testing.T, n *network, a, b, c *Router) {
		body := strings.Repeat("0123456789abcdef", 12<<20/16)
		boxes := []*box{boxAt(t, n, c, b, "one"), boxAt(t, n, c, b, "two"), boxAt(t, n, c, b, "multicast"),
			boxAt(t, n, c, b, "multicast")}
		s := connect(t, a).sender("ex", nil)
		before := s.begin(about("a.b", "before"))
		large := s.begin(about("a.b", body))
		after := s.begin(about("a.b", "after"))
		for _, r := range []amqp.SendReceipt{before, large, after} {
			wantAccepted(t, "a message", s.outcome(r))
		}
		for _, b := range boxes {
			if len(b.got) != 3 || b.got[0] != "before" || b.got[1] != body || b.got[2] != "after" {
				t.Errorf("%s received %d messages, not three in order", b.name, len(b.got))
			}
		}
	})
}

func TestALargeMessageThatIsAbortedIsAbortedForAllNextHops(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, nextHopAddress: one}
  - {exchangeName: x, nextHopAddress: two}
`, func(t *testing.T, n *network, a, b, c *Router) {
		p := rawBegin(t, c)
		p.attachReceiver(0, "one", 100)
		p.attachReceiver(1, "two", 100)
		eventually(t, "both next hops have a consumer", func() error {
			for _, address := range []string{"one", "two"} {
				if row, _ := addressRow(b, address); row.SubscriberCount+row.RemoteCount == 0 {
					return errors.New(address + " has none")
				}
			}
			return nil
		})
		s := rawBegin(t, a)
		s.attachSender(0, "ex")
		head := encode(t, &message.Message{Properties: &message.Properties{Subject: "s"}})
		x := s.first(0)
		x.More = true
		part := strings.Repeat("x", 30<<10)
		length := 1 << 20
		s.send(transfer(x, head+"\x00\x53\x75\xb0"+string([]byte{0, byte(length >> 16), byte(length >> 8), byte(length)})))
		for range 10 {
			s.send(transfer(wire.Transfer{Handle: 0, More: true}, part))
		}
		for handle := range uint32(2) {
			want(p, "a copy begins", func(x *wire.Transfer) bool { return x.Handle == p.theirs[handle] && x.More })
		}
		s.send(transfer(wire.Transfer{Handle: 0, Aborted: true}, ""))
		for handle := range uint32(2) {
			if got := p.receive(handle); !got.aborted {
				t.Errorf("receiver %d got %d octets as a whole message", handle, len(got.payload))
			}
		}
		id := s.deliver(0, encode(t, &message.Message{Properties: &message.Properties{Subject: "s"}}))
		for handle := range uint32(2) {
			p.settle(p.receive(handle).DeliveryID, forwarding.Accepted)
		}
		s.wantOutcome("the next message", id, wire.StateAccepted)
	})
}

// A copy that is queued for a consumer without credit goes to another consumer of the same next hop when that one goes;
// nobody of another next hop gets a second copy.
func TestACopyThatWasNotOfferedIsGivenToAnotherConsumerOfItsNextHop(t *testing.T) {
	onOneAndThree(t, `
exchanges:
  - {name: x, address: ex}
bindings:
  - {exchangeName: x, nextHopAddress: one}
  - {exchangeName: x, nextHopAddress: two}
`, func(t *testing.T, n *network, a, b, c *Router) {
		two := boxAt(t, n, c, b, "two")
		idle := connect(t, c).receiver("one", -1)
		eventually(t, "a consumer is known", func() error {
			if row, _ := addressRow(b, "one"); row.SubscriberCount+row.RemoteCount == 0 {
				return errors.New("it is not")
			}
			return nil
		})
		s := connect(t, a).sender("ex", nil)
		const count = 5
		var receipts []amqp.SendReceipt
		for i := range count {
			receipts = append(receipts, s.begin(about("s", fmt.Sprint(i))))
		}
		eventually(t, "the other next hop has its copies", func() error {
			two.mu.Lock()
			defer two.mu.Unlock()
			if len(two.got) < count {
				return fmt.Errorf("%d", len(two.got))
			}
			return nil
		})
		one := boxAt(t, n, c, b, "one")
		eventually(t, "both consumers are known", func() error {
			if row, _ := addressRow(c, "one"); row.SubscriberCount != 2 {
				return fmt.Errorf("%+v", row)
			}
			return nil
		})
		idle.detach()
		for _, r := range receipts {
			wantAccepted(t, "a message", s.outcome(r))
		}
		one.want(t, "0 1 2 3 4")
		two.want(t, "0 1 2 3 4")
	})
}

func TestALoopOfExchangesEnds(t *testing.T) {
	t.Parallel()
	t.Run("in one router", func(t *testing.T) {
		t.Parallel()
		n, a, b, c := withExchanges(t, 1, `
exchanges:
  - {name: x, address: ex}
  - {name: y, address: ey}
bindings:
  - {exchangeName: x, nextHopAddress: ex}
  - {exchangeName: x, nextHopAddress: ey}
  - {exchangeName: x, nextHopAddress: one}
  - {exchangeName: y, nextHopAddress: ex}
  - {exchangeName: y, nextHopAddress: two}
`)
		one, two := boxAt(t, n, c, b, "one"), boxAt(t, n, c, b, "two")
		s := connect(t, a).sender("ex", nil)
		wantAccepted(t, "a message", s.send(about("s", "A")))
		one.want(t, "A")
		two.want(t, "A")
		wantExchange(t, b, "x", 3, 2, 1, 0)
		wantExchange(t, b, "y", 1, 0, 1, 0)
	})
	t.Run("over three routers", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t)
		for i := range 3 {
			p := plan{id: letter(i), to: n.routers[max(i-1, 0):], sections: fmt.Sprintf(`
exchanges: [{name: x, address: ex%d}]
bindings:
  - {exchangeName: x, nextHopAddress: ex%d}
  - {exchangeName: x, nextHopAddress: box%d}
`, i, (i+1)%3, i)}
			n.add(p)
		}
		n.converge()
		var boxes []*box
		for i, r := range n.routers {
			boxes = append(boxes, boxAt(t, n, r, r, fmt.Sprintf("box%d", i)))
			eventually(t, "the next exchange is known", func() error {
				if row, _ := addressRow(r, fmt.Sprintf("ex%d", (i+1)%3)); row.RemoteCount == 0 {
					return errors.New("it is not")
				}
				return nil
			})
		}
		s := connect(t, n.routers[0]).sender("ex0", nil)
		wantAccepted(t, "a message", s.send(about("s", "A")))
		for _, b := range boxes {
			b.want(t, "A")
		}
		wantExchange(t, n.routers[0], "x", 2, 1, 1, 0)
		wantExchange(t, n.routers[1], "x", 1, 0, 1, 0)
		wantExchange(t, n.routers[2], "x", 1, 0, 1, 0)
	})
}

// What a consumer that is shown the routers' annotations reads is as if the message had entered the mesh at the exchange.
func TestACopyLooksAsIfItHadEnteredTheMeshAtTheExchange(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.add(plan{id: "A"})
	n.add(plan{id: "B", to: n.routers, sections: `
exchanges: [{name: x, address: ex}]
bindings: [{exchangeName: x, bindingKey: s, nextHopAddress: one, nextHopPhase: 0}]
`})
	n.add(plan{id: "C", to: n.routers[1:],
		listeners: "\n  - {name: open, host: 127.0.0.1, port: 0, stripAnnotations: no}"})
	n.converge()
	c := n.node("C")
	r := connectWith(t, "amqp://"+c.Addr("open"), nil).receiver("one", 10)
	plain := connect(t, c)
	n.consumers("B", "one", 0, 1)
	s := connect(t, n.node("A")).sender("ex", nil)
	m := about("s", "x")
	m.Annotations = amqp.Annotations{"mine": "kept", "x-opt-qd.exchanges": []any{"B x"}}
	receipt := s.begin(m)
	got := r.accept()
	wantAccepted(t, "a message", s.outcome(receipt))
	want := amqp.Annotations{"mine": "kept", "x-opt-qd.to": "one", "x-opt-qd.ingress": "0/B",
		"x-opt-qd.trace": []any{"0/B", "0/C"}, "x-opt-qd.exchanges": []any{"B x"}}
	if diff := gocmp.Diff(want, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	r.detach()
	n.consumers("B", "one", 0, 0)
	r = plain.receiver("one", 10)
	n.consumers("B", "one", 0, 1)
	receipt = s.begin(m)
	if diff := gocmp.Diff(amqp.Annotations{"mine": "kept"}, r.accept().Annotations); diff != "" {
		t.Errorf("annotations of a client (-want +got):\n%s", diff)
	}
	wantAccepted(t, "a message", s.outcome(receipt))
}

// change has something done in a router's control loop.
func change(r *Router, f func(k *control.Control)) {
	r.loop.guarded(func(k *control.Control) {
		f(k)
		k.PublishChanges()
	})
}

func TestAnExchangeWithoutBindingsIsNoConsumer(t *testing.T) {
	t.Parallel()
	n, a, b, c := withExchanges(t, 3, "exchanges: [{name: x, address: ex}]")
	one := boxAt(t, n, c, b, "one")
	if row, known := addressRow(a, "ex"); known {
		t.Errorf("the exchange is announced: %+v", row)
	}
	s := connect(t, a).sender("ex", nil)
	sent := make(chan amqp.SendReceipt, 1)
	go func() {
		receipt, err := s.link.SendWithReceipt(s.ctx, about("s", "A"), nil)
		if err != nil {
			t.Error(err)
		}
		sent <- receipt
	}()
	change(b, func(k *control.Control) {
		if _, err := k.AddBinding(config.Binding{ExchangeName: "x", BindingKey: "s", NextHopAddress: "one"}); err != nil {
			t.Error(err)
		}
	})
	wantAccepted(t, "after a binding was made", s.outcome(<-sent))
	one.want(t, "A")
	change(b, func(k *control.Control) { k.RemoveExchange(k.Exchange("x")) })
	eventually(t, "the exchange is gone", func() error {
		if row, _ := addressRow(a, "ex"); row.RemoteCount > 0 {
			return fmt.Errorf("it is announced: %+v", row)
		}
		if row, known := addressRow(b, "ex"); known {
			return fmt.Errorf("its address is in the table: %+v", row)
		}
		return nil
	})
}

// While bindings come and go, every message has exactly one outcome: accepted if it matched a binding, released if not,
// and a binding that stays gets all.
func TestBindingsComeAndGoUnderLoad(t *testing.T) {
	t.Parallel()
	n, a, b, c := withExchanges(t, 1, `
exchanges: [{name: x, address: ex}]
bindings: [{exchangeName: x, bindingKey: "#", nextHopAddress: all}]
`)
	all, some := boxAt(t, n, c, b, "all"), boxAt(t, n, c, b, "some")
	var stop atomic.Bool
	changed := make(chan int)
	go func() {
		count := 0
		for ; !stop.Load(); count++ {
			change(b, func(k *control.Control) {
				x := k.Exchange("x")
				if len(x.Bindings) < 20 {
					_, err := k.AddBinding(config.Binding{ExchangeName: "x", BindingKey: fmt.Sprintf("#.%d.#.%d", count%7, count%5),
						NextHopAddress: []string{"some", "none"}[count%2]})
					if err != nil {
						t.Error(err)
					}
					return
				}
				for _, old := range slices.Clone(x.Bindings[1:]) {
					k.RemoveBinding(x, old)
				}
			})
		}
		changed <- count
	}()
	s := connect(t, a).sender("ex", nil)
	const count = 2000
	var receipts []amqp.SendReceipt
	for i := range count {
		receipts = append(receipts, s.begin(about(fmt.Sprintf("%d.%d", i%7, i%5), fmt.Sprint(i))))
		if len(receipts) == 100 {
			for _, r := range receipts {
				wantAccepted(t, "a message", s.outcome(r))
			}
			receipts = receipts[:0]
		}
	}
	stop.Store(true)
	t.Logf("%d changes; %d of %d messages matched those", <-changed, len(some.got), count)
	if len(all.got) != count {
		t.Errorf("the binding that stays got %d of %d messages", len(all.got), count)
	}
	seen := make(map[string]bool)
	for _, m := range some.got {
		if seen[m] {
			t.Errorf("message %s was delivered twice to one next hop", m)
		}
		seen[m] = true
	}
	change(b, func(k *control.Control) { k.RemoveExchange(k.Exchange("x")) })
	eventually(t, "nothing is left of the next hops", func() error {
		if row, known := addressRow(b, "none"); known {
			return fmt.Errorf("%+v", row)
		}
		return nil
	})
}

func TestManagementShowsExchangesAndBindings(t *testing.T) {
	t.Parallel()
	_, a, b, _ := withExchanges(t, 3, `
exchanges:
  - {name: x, address: ex, alternateAddress: other, alternatePhase: 3}
  - {name: y, address: ey, matchMethod: mqtt, phase: 2}
bindings:
  - {name: first, exchangeName: x, bindingKey: a.*, nextHopAddress: one, nextHopPhase: 4}
  - {exchangeName: x, nextHopAddress: two}
`)
	s := connect(t, a).sender("ex", nil)
	wantReleased(t, "a message", s.send(about("a.b", "x")))
	exchanges := slices.Collect(b.view.Exchanges())
	for i := range exchanges {
		exchanges[i].ID = 0
	}
	if diff := gocmp.Diff([]management.Exchange{
		{Name: "x", Address: "ex", AlternateAddress: "other", AlternatePhase: 3, MatchMethod: "amqp", BindingCount: 2,
			Received: 1, Dropped: 1},
		{Name: "y", Address: "ey", Phase: 2, MatchMethod: "mqtt"},
	}, exchanges); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
	bindings := slices.Collect(b.view.Bindings())
	for i := range bindings {
		bindings[i].ID = 0
	}
	if diff := gocmp.Diff([]management.Binding{
		{Name: "first", ExchangeName: "x", BindingKey: "a.*", NextHopAddress: "one", NextHopPhase: 4, Matched: 1},
		{ExchangeName: "x", BindingKey: "#", NextHopAddress: "two", Matched: 1},
	}, bindings); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
}

// The sections before the body, with the subject last, come in frames of their own.
func TestTheSubjectIsFoundInAnyFrame(t *testing.T) {
	t.Parallel()
	n, a, b, c := withExchanges(t, 1, `
exchanges: [{name: x, address: ex}]
bindings: [{exchangeName: x, bindingKey: s.t, nextHopAddress: one}]
`)
	one := boxAt(t, n, c, b, "one")
	s := rawBegin(t, a)
	s.attachSender(0, "ex")
	m := []byte(encode(t, &message.Message{Properties: &message.Properties{MessageID: strings.Repeat("i", 300),
		Subject: "s.t"}, Body: message.Data{[]byte("x")}}))
	for cut := 1; cut < len(m); cut += 7 {
		x := s.first(0)
		x.More = true
		s.send(amqptest.Transfer(x, string(m[:cut])), transfer(wire.Transfer{Handle: 0}, string(m[cut:])))
		s.wantOutcome("a message in two frames", x.DeliveryID, wire.StateAccepted)
	}
	id := s.deliver(0, string(bytes.Replace(m, []byte("\xa1\x03s.t"), []byte("\xa3\x03s.t"), 1)))
	s.wantRejected("a subject that is a symbol", id, wire.ErrDecode)
	one.mu.Lock()
	defer one.mu.Unlock()
	if want := (len(m) + 5) / 7; len(one.got) < want {
		t.Errorf("%d messages came, want %d", len(one.got), want)
	}
}

func TestExchangesAndNextHopsHavePhases(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	addresses := "\n  - {prefix: in, ingressPhase: 3, egressPhase: 4}\n  - {prefix: out, ingressPhase: 0, egressPhase: 2}"
	n.add(plan{id: "A", addresses: addresses})
	n.add(plan{id: "B", addresses: addresses, to: n.routers, sections: `
exchanges: [{name: x, address: in/x, phase: 3, alternateAddress: out/other, alternatePhase: 2}]
bindings: [{exchangeName: x, bindingKey: a, nextHopAddress: out/one, nextHopPhase: 2}]
`})
	n.add(plan{id: "C", addresses: addresses, to: n.routers[1:]})
	n.converge()
	var boxes []*box
	for _, address := range []string{"out/one", "out/other"} {
		b := &box{name: address}
		connect(t, n.node("C")).receiver(address, 10).consume(func(m *amqp.Message) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.got = append(b.got, string(m.GetData()))
		})
		wantPhases(t, n.node("B"), address, map[string]int{"M2" + address: 1})
		boxes = append(boxes, b)
	}
	s := connect(t, n.node("A")).sender("in/x", nil)
	wantAccepted(t, "a message", s.send(about("a", "A")))
	wantAccepted(t, "a message for the alternate", s.send(about("b", "B")))
	boxes[0].want(t, "A")
	boxes[1].want(t, "B")
}

func TestANextHopWithoutAConsumerHasItsFallback(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	addresses := "\n  - {prefix: safe, enableFallback: true}"
	n.add(plan{id: "A", addresses: addresses, sections: `
exchanges: [{name: x, address: ex}]
bindings: [{exchangeName: x, nextHopAddress: safe/1}]
`})
	n.add(plan{id: "B", addresses: addresses, to: n.routers})
	n.converge()
	r := connect(t, n.node("B")).receiverWith("safe/1", &amqp.ReceiverOptions{Credit: 10,
		SourceCapabilities: []string{"qd.fallback"}})
	wantPhases(t, n.node("A"), "safe/1", map[string]int{"M0safe/1": 0, "MFsafe/1": 1})
	s := connect(t, n.node("A")).sender("ex", nil)
	receipt := s.begin(about("s", "A"))
	if got := string(r.accept().GetData()); got != "A" {
		t.Errorf("the fallback received %q", got)
	}
	wantAccepted(t, "a message", s.outcome(receipt))
}

// A message whose only next hop has just lost its consumer waits for the next one, and is counted once.
func TestAMessageForANextHopThatJustLostItsConsumerWaits(t *testing.T) {
	t.Parallel()
	n, a, b, c := withExchanges(t, 1, `
exchanges: [{name: x, address: ex}]
bindings: [{exchangeName: x, nextHopAddress: one}]
`)
	s := connect(t, a).sender("ex", nil)
	r := connect(t, c).receiver("one", 10)
	receipt := s.begin(about("s", "A"))
	r.accept()
	wantAccepted(t, "a message", s.outcome(receipt))
	r.detach()
	n.consumers("A", "one", 0, 0)
	receipt = s.begin(about("s", "B"))
	r = connect(t, c).receiver("one", 10)
	if got := string(r.accept().GetData()); got != "B" {
		t.Errorf("received %q", got)
	}
	wantAccepted(t, "a message that waited", s.outcome(receipt))
	wantExchange(t, b, "x", 2, 0, 2, 0)
	wantBindings(t, b, 2)
}
