package router

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/router/forwarding"
)

// toward is the connection of a router to a neighbor.
func (n *network) toward(from, to string) *forwarding.Endpoint {
	n.t.Helper()
	k := n.node(from).control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	for _, c := range k.Neighbors {
		if c.Near.ID == to {
			return c
		}
	}
	n.t.Fatalf("%s has no connection to %s", from, to)
	return nil
}

// alternates waits until a router knows so many connections that take over from the next hop to another one.
func (n *network) alternates(from, to string, others int) {
	n.t.Helper()
	eventually(n.t, "the alternates are known", func() error {
		h := n.node(from).peerNamed(to).Hop.Load()
		if len(h.Others) != others {
			return fmt.Errorf("there are %d", len(h.Others))
		}
		return nil
	})
}

// The control loop does not take its turn meanwhile, so that no path can be computed.
func TestMessagesTakeTheAlternateBeforePathsAreComputed(t *testing.T) {
	t.Parallel()
	n := fullMesh(t, 3)
	r := connect(t, n.node("C")).receiver("closest/x", 100)
	n.consumers("A", "closest/x", 0, 1)
	n.alternates("A", "C", 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	receipt := s.begin(text("before"))
	r.got("before")
	wantAccepted(t, "before", s.outcome(receipt))
	lost := n.toward("A", "C")

	k := n.node("A").control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	driverOf(lost).Socket.Close()
	<-driverOf(lost).Ended
	receipt = s.begin(text("afterwards"))
	r.got("afterwards")
	wantAccepted(t, "afterwards", s.outcome(receipt))
}
