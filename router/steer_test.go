package router

import (
	"fmt"
	"sync"
	"testing"

	"github.com/Azure/go-amqp"
)

// diamond returns four routers, A and D of which are connected by way of B, and by way of C at the same cost.
func diamond(t *testing.T, configuration string) (n *network, a, b, c, d *Router) {
	t.Helper()
	n = newNetwork(t)
	add := func(id string, to ...*Router) *Router { return n.add(plan{id: id, to: to, addresses: configuration}) }
	a = add("A")
	b, c = add("B", a), add("C", a)
	d = add("D", b, c)
	n.converge()
	return n, a, b, c, d
}

// TestEqualWaysAreUsedSideBySideAndKeepEachSendersOrder has many senders send to a consumer behind two equal ways, alone
// and in competition with one on one of these ways.
func TestEqualWaysAreUsedSideBySideAndKeepEachSendersOrder(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"balanced/x", "closest/x"} {
		for _, rival := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s with a rival %v", address, rival), func(t *testing.T) {
				t.Parallel()
				n, a, b, c, d := diamond(t, "")
				const senders, count = 16, 50
				o := order{t: t, last: make(map[string]int), left: senders * count, done: make(chan struct{})}
				o.consume(d, address)
				remote := 1
				if rival {
					o.consume(b, address)
					remote = 2
				}
				n.consumers("A", address, 0, remote)
				for i := range senders {
					s := connect(t, a).sender(address, nil)
					go func() {
						for number := range count {
							if _, err := s.link.SendWithReceipt(s.ctx, text("%d %d", i, number), nil); err != nil {
								t.Errorf("send: %v", err)
							}
						}
					}()
				}
				<-o.done
				if rival {
					return // what is nearer is preferred
				}
				for _, r := range []*Router{b, c} {
					if row, _ := addressRow(r, address); row.DeliveriesTransit == 0 {
						t.Errorf("nothing came through %s", r.ID())
					}
				}
			})
		}
	}
}

// order watches that the messages of each sender, "<sender> <number>", come to each consumer in their order.
type order struct {
	t    *testing.T
	mu   sync.Mutex
	last map[string]int
	left int
	done chan struct{}
}

func (o *order) consume(r *Router, address string) {
	connect(o.t, r).receiver(address, 20).consume(func(m *amqp.Message) {
		var sender string
		var number int
		fmt.Sscan(string(m.GetData()), &sender, &number)
		o.mu.Lock()
		defer o.mu.Unlock()
		key := r.ID() + " " + sender
		if before, ok := o.last[key]; ok && before >= number {
			o.t.Errorf("at %s number %d of sender %s comes after number %d", r.ID(), number, sender, before)
		}
		o.last[key] = number
		if o.left--; o.left == 0 {
			close(o.done)
		}
	})
}
