package router

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// TestAClientThatMovesReceivesAtTheNewPlaceWithNothingLost has a consumer go from router to router, with its leave or
// without, while others send: what was not settled where it was arrives where it is. Messages that were queued for it go
// there by themselves; only what it was offered and had not settled comes back to the sender, in doubt.
func TestAClientThatMovesReceivesAtTheNewPlaceWithNothingLost(t *testing.T) {
	t.Parallel()
	for _, abrupt := range []bool{false, true} {
		t.Run(fmt.Sprintf("without its leave %v", abrupt), func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			for i := range 4 {
				p := plan{id: string(rune('A' + i)), router: "rerouteHoldMilliseconds: 60000"}
				if i > 0 {
					p.to = n.routers[i-1:]
				}
				n.add(p)
			}
			n.converge()
			var mu sync.Mutex
			got := make(map[string]bool)
			// stay has the consumer at a router until it has received so many messages.
			stay := func(r *Router, count int) {
				t.Helper()
				c := connect(t, r)
				link := c.receiver("balanced/x", 20).link
				ctx := within(t)
				for range count {
					m, err := link.Receive(ctx, nil)
					if err != nil {
						t.Fatalf("at %s: %v", r.ID(), err)
					}
					mu.Lock()
					got[string(m.GetData())] = true
					mu.Unlock()
					if err := link.AcceptMessage(ctx, m); err != nil {
						t.Fatalf("at %s: %v", r.ID(), err)
					}
				}
				if !abrupt {
					_ = link.Close(ctx)
				}
				_ = c.conn.Close()
			}
			var all []*journey
			for _, id := range []string{"A", "B"} {
				for range 3 {
					all = append(all, connect(t, n.node(id)).sender("balanced/x", nil).travel())
				}
			}
			for _, id := range []string{"D", "A", "C", "B", "D"} {
				stay(n.node(id), 40)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var last sync.WaitGroup
			link := connect(t, n.node("C")).receiver("balanced/x", 20).link
			last.Go(func() {
				for {
					m, err := link.Receive(ctx, nil)
					if err != nil {
						return
					}
					mu.Lock()
					got[string(m.GetData())] = true
					mu.Unlock()
					if link.AcceptMessage(ctx, m) != nil {
						return
					}
				}
			})
			for _, j := range all {
				close(j.stop)
				<-j.done
			}
			cancel()
			last.Wait()
			for _, j := range all {
				for m := range j.accepted {
					if !got[m] {
						t.Errorf("message %q was accepted and has not arrived", m)
					}
				}
			}
		})
	}
}
