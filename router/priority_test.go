package router

import (
	"fmt"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/router/route"
)

// byPriority counts what a router has sent on its links to other routers, by the priority of the link.
func (r *Router) byPriority() (counts [route.Priorities]uint64) {
	for row := range r.view.Links() {
		if row.Type == "inter-router" && row.Outgoing {
			counts[row.Priority] += row.DeliveryCount
		}
	}
	return counts
}

func TestEachPriorityHasALinkOfItsOwnBetweenRouters(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	c := connect(t, n.node("C"))
	c.receiver("closest/x", 100).consume(nil)
	c.receiver("urgent/x", 100).consume(nil)
	n.consumers("A", "closest/x", 0, 1)
	n.consumers("A", "urgent/x", 0, 1)
	a := connect(t, n.node("A"))
	s, urgent := a.sender("closest/x", nil), a.sender("urgent/x", nil)
	var wanted [route.Priorities]uint64
	for p := range uint8(12) { // 10 and 11 count as 9
		for range 1 + p {
			m := text("priority %d", p)
			m.Header = &amqp.MessageHeader{Priority: p}
			wantAccepted(t, fmt.Sprint(p), s.send(m))
			wanted[min(p, 9)]++
		}
	}
	wantAccepted(t, "no header", s.send(text("no header"))) // [3.2.1] 4
	wanted[4]++
	for range 5 { // configured, whatever the message says
		m := text("urgent")
		m.Header = &amqp.MessageHeader{Priority: 1}
		wantAccepted(t, "urgent", urgent.send(m))
		wanted[9]++
	}
	for _, id := range []string{"A", "B"} {
		if got := n.node(id).byPriority(); got != wanted {
			t.Errorf("%s sent %v, want %v", id, got, wanted)
		}
	}
}
