package router

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// exchange sends messages and accepts them at the other end, one after the other.
func exchange(t *testing.T, s *sender, r *receiver, count int) {
	t.Helper()
	for i := range count {
		receipt := s.begin(text("%d", i))
		if got := string(r.accept().GetData()); got != fmt.Sprint(i) {
			t.Fatalf("message %d arrives as %q", i, got)
		}
		wantAccepted(t, "traffic of another address", s.outcome(receipt))
	}
}

// waitingFor tells whether messages wait for a consumer of an address here.
func (r *Router) waitingFor(text string) error {
	r.control.Mu.Lock()
	defer r.control.Mu.Unlock()
	if a := r.control.Addresses["M0"+text]; a != nil && len(a.Locals) > 0 && a.Locals[0].Outstanding.Load() > 1 {
		return nil
	}
	return errors.New("none do")
}

// TestSlowConsumerDoesNotHoldUpOthersBehindTheSameLinkBetweenRouters has a consumer that gives no credit, or takes no
// octet of what it gets, while its senders send all they can.
func TestSlowConsumerDoesNotHoldUpOthersBehindTheSameLinkBetweenRouters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		credit, window uint32
		size, each     int
	}{
		"no credit, small messages":    {0, 1 << 20, 100, 100},
		"no credit, large messages":    {0, 1 << 20, 200_000, 20},
		"no window, small messages":    {250, 0, 100, 100},
		"no window, large messages":    {250, 0, 200_000, 20},
		"nothing read, large messages": {250, 1 << 20, 200_000, 100},
	} {
		for _, settled := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, settled %v", name, settled), func(t *testing.T) {
				t.Parallel()
				n := chain(t, 3)
				slow := rawOpen(t, n.node("C"))
				slow.send(&wire.Begin{IncomingWindow: c.window, OutgoingWindow: 1, HandleMax: 10})
				want[*wire.Begin](slow, "begin is answered")
				slow.send(&wire.Attach{Name: "in", Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed,
					Source: &wire.Source{Address: "closest/slow", HasAddress: true}, Target: &wire.Target{}})
				slow.attached(0)
				slow.send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: c.window, OutgoingWindow: 1, HasHandle: true,
					HasDeliveryCount: true, LinkCredit: c.credit, HasLinkCredit: true})
				n.consumers("A", "closest/slow", 0, 1)

				var senders sync.WaitGroup
				t.Cleanup(senders.Wait) // after their connections are closed
				for range 3 {
					s := connect(t, n.node("A")).sender("closest/slow", nil)
					senders.Go(func() {
						for range c.each { // the sockets on the way hold some
							m := amqp.NewMessage(make([]byte, c.size))
							var err error
							if settled {
								err = s.link.Send(s.ctx, m, &amqp.SendOptions{Settled: true})
							} else {
								_, err = s.link.SendWithReceipt(s.ctx, m, nil)
							}
							if err != nil {
								return
							}
						}
					})
				}
				eventually(t, "messages wait for the slow consumer", func() error { return n.node("C").waitingFor("closest/slow") })
				r := connect(t, n.node("C")).receiver("closest/quick", 10)
				n.consumers("A", "closest/quick", 0, 1)
				exchange(t, connect(t, n.node("A")).sender("closest/quick", nil), r, 100)
			})
		}
	}
}

// TestConnectionThatConsumesWhatItSendsDoesNotLockUp sends more large messages than the router holds for a connection
// before it reads on: the same connection has to take them.
func TestConnectionThatConsumesWhatItSendsDoesNotLockUp(t *testing.T) {
	t.Parallel()
	for _, settled := range []bool{false, true} {
		for _, length := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d routers, settled %v", length, settled), func(t *testing.T) {
				t.Parallel()
				n := configured(t, length, policies) // nothing is to be dropped
				loop := connect(t, n.node("A"))
				r := loop.receiver("block/x", 4)
				s := loop.sender("block/x", nil)
				if length == 2 { // once through the other router and back
					other := connect(t, n.node("B"))
					back := other.sender("block/back", nil)
					out := other.receiver("block/x", 4)
					r.detach()
					r = loop.receiver("block/back", 4)
					relay := make(chan struct{})
					t.Cleanup(func() { <-relay })
					go func() {
						defer close(relay)
						for {
							m, err := out.link.Receive(out.ctx, nil)
							if err != nil {
								return
							}
							out.link.AcceptMessage(out.ctx, m)
							if back.link.Send(back.ctx, amqp.NewMessage(m.GetData()), &amqp.SendOptions{Settled: settled}) != nil {
								return
							}
						}
					}()
					n.consumers("A", "block/x", 0, 1)
				}
				const count = 20
				b := noise(7, 700_000)
				var sending sync.WaitGroup
				sending.Go(func() {
					for range count {
						if err := s.link.Send(s.ctx, amqp.NewMessage(b), &amqp.SendOptions{Settled: settled}); err != nil {
							t.Errorf("send: %v", err)
							return
						}
					}
				})
				for range count {
					if m := r.accept(); !bytes.Equal(m.GetData(), b) {
						t.Error("a message arrives changed")
					}
				}
				sending.Wait()
			})
		}
	}
}

// TestCreditThatStandsBehindAClientsOwnMessagesIsFound has a client that sends several MiB to itself before it gives
// the router the credit to send them back: the router has to read on.
func TestCreditThatStandsBehindAClientsOwnMessagesIsFound(t *testing.T) {
	t.Parallel()
	n := configured(t, 1, policies) // nothing is to be dropped
	p := rawBegin(t, n.node("A"))
	p.attachReceiver(0, "block/x", 1)
	p.attachSender(1, "block/x")
	const count, size = 30, 55_000
	sent := make(chan struct{})
	t.Cleanup(func() { <-sent })
	go func() {
		defer close(sent)
		for range count {
			x := p.first(1)
			x.Settled, x.HasSettled, x.More = true, true, true
			p.send(transfer(x, body("%s", strings.Repeat("x", size))))
			p.send(transfer(wire.Transfer{Handle: 1}, strings.Repeat("x", size)))
		}
		p.grant(0, 0, count)
	}()
	for range count {
		if got := len(p.receive(0).payload); got < 2*size {
			t.Fatalf("%d octets arrive", got)
		}
	}
}

// TestSlowConsumerOfAMulticastPacesItsSender has one consumer that takes nothing for now: the others get what the
// sender may have in flight, and nothing is lost for any.
func TestSlowConsumerOfAMulticastPacesItsSender(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	slow := rawBegin(t, n.node("B"))
	slow.attachReceiver(0, "multicast/x", 0)
	quick := connect(t, n.node("B")).receiver("multicast/x", 1000)
	n.consumers("A", "multicast/x", 0, 1)
	n.consumers("B", "multicast/x", 2, 0)
	const count = 600
	s := connect(t, n.node("A")).sender("multicast/x", nil)
	outcomes := make(chan error, 1)
	go func() {
		var receipts []amqp.SendReceipt
		for i := range count {
			receipt, err := s.link.SendWithReceipt(s.ctx, text("%d", i), nil)
			if err != nil {
				outcomes <- err
				return
			}
			receipts = append(receipts, receipt)
		}
		for i := range receipts {
			if state, err := receipts[i].Wait(s.ctx); err != nil || shown(state) != "accepted" {
				outcomes <- fmt.Errorf("message %d: %s, %v", i, shown(state), err)
				return
			}
		}
		outcomes <- nil
	}()
	for range config.DefaultLinkCapacity {
		quick.accept()
	}
	if m := quick.link.Prefetched(); m != nil {
		t.Error("more than the sender's credit has passed")
	}
	slow.grant(0, 0, count)
	quick.consume(nil)
	for i := range uint32(count) {
		got := slow.receive(0)
		if want := body("%d", i); string(got.payload) != want {
			t.Fatalf("message %d arrives as %q", i, got.payload)
		}
		slow.settle(got.DeliveryID, wire.State{Kind: wire.StateAccepted})
	}
	if err := <-outcomes; err != nil {
		t.Error(err)
	}
}

func TestManySendersAndReceiversShareAddressesWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	n := fullMesh(t, 3)
	const senders, each = 6, 100
	var all []*gather
	for i := range 6 {
		all = append(all, connect(t, n.routers[i%3]).receiver("balanced/x", 20).gather())
	}
	for _, r := range n.routers {
		n.consumers(r.ID(), "balanced/x", 2, 2)
	}
	var sending sync.WaitGroup
	for k := range senders {
		s := connect(t, n.routers[k%3]).sender("balanced/x", nil)
		sending.Go(func() {
			var receipts []amqp.SendReceipt
			for i := range each {
				receipt, err := s.link.SendWithReceipt(s.ctx, text("%d-%d", k, i), nil)
				if err != nil {
					t.Errorf("send: %v", err)
					return
				}
				receipts = append(receipts, receipt)
			}
			for i := range receipts {
				state, _ := receipts[i].Wait(s.ctx)
				if _, ok := state.(*amqp.StateAccepted); !ok {
					t.Errorf("the outcome of %d-%d is %s", k, i, shown(state))
				}
			}
		})
	}
	sending.Wait()
	sum := make(map[string]int)
	for _, g := range all {
		g.more()
		for what, count := range g.got {
			sum[what] += count
		}
	}
	for k := range senders {
		for i := range each {
			if count := sum[fmt.Sprintf("%d-%d", k, i)]; count != 1 {
				t.Errorf("message %d-%d arrived %d times", k, i, count)
			}
		}
	}
}
