package router

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// noise is a body that shows every octet that is lost, repeated or moved.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

func TestMessagesOfAnySizeArriveWhole(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d routers", length), func(t *testing.T) {
			t.Parallel()
			n := chain(t, length)
			r := connect(t, n.routers[length-1]).receiver("closest/x", 10)
			s := connect(t, n.node("A")).sender("closest/x", nil)
			sizes := []int{0, 1, 100, 4 << 10, 65_400, 65_536, 131_000, 131_072, 131_500, 262_144, 1 << 20, 5 << 20}
			for i, size := range sizes {
				b := noise(uint64(i), size)
				for _, settled := range []bool{false, true} {
					var receipt amqp.SendReceipt
					if settled {
						s.settled(amqp.NewMessage(b))
					} else {
						receipt = s.begin(amqp.NewMessage(b))
					}
					m := r.next()
					if !bytes.Equal(m.GetData(), b) {
						t.Errorf("a message of %d octets arrived changed, with %d", size, len(m.GetData()))
					}
					if !settled {
						r.settle(m)
						wantAccepted(t, fmt.Sprint(size), s.outcome(receipt))
					}
				}
			}
		})
	}
}

// stream is a raw sender with a message under way and a raw receiver at the other end.
type stream struct {
	n        *network
	from, to *raw
	id       uint32
	x        wire.Transfer // of the frames after the first
}

// half is what startStream sends: more than a router waits for before it forwards a message.
const half = 300 << 10

// startStream sends the first half of a message through routers, and waits until the receiver has some of it.
func startStream(t *testing.T, n *network) *stream {
	t.Helper()
	last := n.routers[len(n.routers)-1]
	s := &stream{n: n, from: rawBegin(t, n.node("A")), to: rawBegin(t, last)}
	s.to.attachReceiver(0, "closest/x", 10)
	s.from.attachSender(0, "closest/x")
	s.begin(0)
	return s
}

// begin sends the first half on a handle.
func (s *stream) begin(handle uint32) {
	x := s.from.first(handle)
	s.id = x.DeliveryID
	x.More = true
	b := string(wire.AppendDescriptor(nil, 0x75)) + "\xb0\x00\x10\x00\x00" // a data section of 1 MiB
	s.x = wire.Transfer{Handle: handle, More: true}
	s.from.send(transfer(x, b))
	s.more(half)
	f := wantFrame(s.to, "a message begins to arrive before its end", func(x *wire.Transfer) bool { return x.More })
	if x := f.Body.(*wire.Transfer); !x.HasDeliveryID {
		s.to.t.Error("the first frame has no delivery-id")
	}
}

// more sends more of the body.
func (s *stream) more(octets int) {
	for octets > 0 {
		size := min(octets, 32<<10)
		s.from.send(transfer(s.x, strings.Repeat("x", size)))
		octets -= size
	}
}

// finish sends the last frame.
func (s *stream) finish() {
	s.x.More = false
	s.from.send(transfer(s.x, strings.Repeat("x", 10)))
}

// wantAborted waits for the end of the delivery that began, which must be an abort.
func (s *stream) wantAborted(why string) {
	s.to.t.Helper()
	if got := s.to.receive(0); !got.aborted {
		s.to.t.Errorf("%s: the receiver sees a complete message", why)
	}
}

// goesOn checks that another message passes after what happened.
func (s *stream) goesOn(sender *raw, handle uint32) {
	s.to.t.Helper()
	id := sender.deliver(handle, body("next"))
	got := s.to.receive(0)
	if string(got.payload) != body("next") {
		s.to.t.Errorf("the next message is %d octets", len(got.payload))
	}
	s.to.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
	sender.wantOutcome("the next message", id, wire.StateAccepted)
}

func TestAbortInTheMiddleReachesTheReceiver(t *testing.T) {
	t.Parallel()
	for _, length := range []int{1, 3} {
		s := startStream(t, chain(t, length))
		s.from.send(&wire.Transfer{Handle: 0, Aborted: true})
		s.wantAborted("the sender aborted")
		s.goesOn(s.from, 0)
	}
}

func TestMessagesOfASenderThatDiesInTheMiddleAreAborted(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*stream){
		"its connection is lost":   func(s *stream) { s.from.nc.Close() },
		"its connection is closed": func(s *stream) { s.from.send(&wire.Close{}) },
		"its session ends":         func(s *stream) { s.from.send(&wire.End{}) },
		"its link is detached":     func(s *stream) { s.from.send(&wire.Detach{Closed: true}) },
		"it breaks a rule":         func(s *stream) { s.from.send(&wire.Flow{Handle: 77, HasHandle: true}) },
	} {
		for _, length := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d routers", name, length), func(t *testing.T) {
				t.Parallel()
				s := startStream(t, chain(t, length))
				die(s)
				s.wantAborted(name)
				again := rawBegin(t, s.n.node("A"))
				again.attachSender(0, "closest/x")
				s.goesOn(again, 0)
			})
		}
	}
}

func TestSmallMessagesThatNeverCompleteAreNotSeen(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	s := &stream{n: n, from: rawBegin(t, n.node("A")), to: rawBegin(t, n.node("B"))}
	s.to.attachReceiver(0, "closest/x", 10)
	s.from.attachSender(0, "closest/x")
	x := s.from.first(0)
	x.More = true
	s.from.send(transfer(x, body("half")))
	s.from.nc.Close()
	again := rawBegin(t, n.node("A"))
	again.attachSender(0, "closest/x")
	s.goesOn(again, 0)
	x = again.first(0)
	x.More = true
	again.send(transfer(x, body("half")))
	again.send(&wire.Transfer{Handle: 0, Aborted: true})
	s.goesOn(again, 0)
}

func TestReceiverThatDiesInTheMiddleLeavesTheMessageInDoubt(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*stream){
		"its connection is lost": func(s *stream) { s.to.nc.Close() },
		"its session ends":       func(s *stream) { s.to.send(&wire.End{}) },
		"its link is detached":   func(s *stream) { s.to.send(&wire.Detach{Closed: true}) },
	} {
		for _, length := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d routers", name, length), func(t *testing.T) {
				t.Parallel()
				s := startStream(t, chain(t, length))
				die(s)
				s.more(200 << 10) // nobody wants it, but the sender may finish
				s.finish()
				state := s.from.wantOutcome("in doubt", s.id, wire.StateModified)
				if failed, undeliverable, _, err := state.Modified(); err != nil || !failed || undeliverable {
					t.Errorf("the state is modified with %v, %v, %v", failed, undeliverable, err)
				}
				s.n.consumers("A", "closest/x", 0, 0)
				s.to = rawBegin(t, s.n.routers[len(s.n.routers)-1])
				s.to.attachReceiver(0, "closest/x", 10)
				s.n.consumers("A", "closest/x", map[bool]int{true: 1}[length == 1], map[bool]int{true: 1}[length > 1])
				s.goesOn(s.from, 0)
			})
		}
	}
}

func TestOneOfManyReceiversThatDiesInTheMiddleDoesNotDisturbTheOthers(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	from := rawBegin(t, n.node("A"))
	var all []*raw
	for _, r := range n.routers {
		p := rawBegin(t, r)
		p.attachReceiver(0, "multicast/x", 10)
		all = append(all, p)
	}
	n.consumers("A", "multicast/x", 1, 2)
	from.attachSender(0, "multicast/x")
	s := &stream{n: n, from: from, to: all[2]}
	s.begin(0)
	all[1].nc.Close()
	s.more(1<<20 - half - 10)
	s.finish()
	for _, p := range []*raw{all[0], all[2]} {
		got := p.receive(0)
		if got.aborted {
			t.Error("a receiver that lives sees an abort")
		}
		p.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
	}
	from.wantOutcome("accepted by two, in doubt at one", s.id, wire.StateAccepted)
}

func TestReceiverMaySettleBeforeItHasEverything(t *testing.T) {
	t.Parallel()
	for _, kind := range []wire.StateKind{wire.StateReleased, wire.StateRejected} {
		s := startStream(t, chain(t, 3))
		s.to.settle(0, wire.State{Kind: kind})
		s.wantAborted("the rest is not wanted")
		s.more(100 << 10)
		s.from.sync()
		for _, x := range s.from.queue {
			if f, ok := x.(frame); ok && covers(f, s.id) {
				t.Errorf("go-amqp loses an outcome that comes before the last frame: %+v", f.Body)
			}
		}
		s.finish()
		s.from.wantOutcome("what the receiver said", s.id, kind)
		s.goesOn(s.from, 0)
	}
}
