package router

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/Azure/go-amqp"
)

// numberOf is the number of such a message.
func numberOf(m *amqp.Message) uint64 { return binary.BigEndian.Uint64(m.GetData()) }

// numbered is a body that begins with its number.
func numbered(i uint64, size int) *amqp.Message {
	b := make([]byte, max(size, 8))
	binary.BigEndian.PutUint64(b, i)
	return amqp.NewMessage(b)
}

// TestOrderIsKeptBetweenOneSenderAndOneReceiver mixes small messages, which share the links between routers, with large
// ones, which take links of their own there: a receiver sees them in the order in which they were sent.
func TestOrderIsKeptBetweenOneSenderAndOneReceiver(t *testing.T) {
	t.Parallel()
	sizes := map[string][]int{
		"small":           {10, 100, 1000},
		"small and large": {10, 10, 10, 10, 200, 5_000, 140_000, 300_000},
		"large":           {200_000, 400_000},
	}
	for name, sizes := range sizes {
		for _, settled := range []bool{false, true} {
			for _, credit := range []int32{2, 100} {
				t.Run(fmt.Sprintf("%s, settled %v, credit %d", name, settled, credit), func(t *testing.T) {
					t.Parallel()
					inOrder(t, chain(t, 3), sizes, settled, credit)
				})
			}
		}
	}
}

func inOrder(t *testing.T, n *network, sizes []int, settled bool, credit int32) {
	count := uint64(300)
	if sizes[0] > 100_000 {
		count = 40
	}
	r := connect(t, n.routers[len(n.routers)-1]).receiver("closest/x", credit)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	sent := make(chan error, 1)
	go func() {
		rng := rand.New(rand.NewPCG(uint64(credit), uint64(len(sizes))))
		var receipts []amqp.SendReceipt
		var err error
		for i := range count {
			m := numbered(i, sizes[rng.IntN(len(sizes))])
			if settled {
				err = s.link.Send(s.ctx, m, &amqp.SendOptions{Settled: true})
			} else {
				var receipt amqp.SendReceipt
				receipt, err = s.link.SendWithReceipt(s.ctx, m, nil)
				receipts = append(receipts, receipt)
			}
			if err != nil {
				break
			}
		}
		for i := range receipts {
			state, waited := receipts[i].Wait(s.ctx)
			if _, ok := state.(*amqp.StateAccepted); !ok && err == nil {
				err = fmt.Errorf("message %d: %s (%v)", i, shown(state), waited)
			}
		}
		sent <- err
	}()
	for i := range count {
		m := r.accept()
		if got := numberOf(m); got != i {
			t.Errorf("message %d arrives as number %d", got, i)
			break
		}
		if !bytes.Equal(m.GetData()[8:], make([]byte, len(m.GetData())-8)) {
			t.Errorf("message %d arrives changed", i)
		}
	}
	if t.Failed() {
		r.consume(nil)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// TestOrderIsKeptWhenALinkBetweenRoutersHasABacklog has many senders at once, so that small messages wait in queues
// between routers when a large one comes, which takes another link.
func TestOrderIsKeptWhenALinkBetweenRoutersHasABacklog(t *testing.T) {
	t.Parallel()
	for _, settled := range []bool{false, true} {
		n := chain(t, 3)
		var all sync.WaitGroup
		for k := range 6 {
			address := fmt.Sprintf("closest/%d", k)
			r := connect(t, n.node("C")).receiver(address, 200)
			s := connect(t, n.node("A")).sender(address, nil)
			all.Go(func() {
				for i := range uint64(24) {
					size := 120_000
					if i%8 == 7 {
						size = 180_000
					}
					if settled {
						s.link.Send(s.ctx, numbered(i, size), &amqp.SendOptions{Settled: true})
					} else {
						s.link.SendWithReceipt(s.ctx, numbered(i, size), nil)
					}
				}
			})
			all.Go(func() {
				for i := range uint64(24) {
					m, err := r.link.Receive(r.ctx, nil)
					if err != nil {
						t.Errorf("settled %v: message %d of %s: %v", settled, i, address, err)
						return
					}
					if got := numberOf(m); got != i {
						t.Errorf("settled %v: message %d of %s arrives as number %d", settled, i, address, got)
					}
					r.link.AcceptMessage(r.ctx, m)
				}
			})
		}
		all.Wait()
	}
}
