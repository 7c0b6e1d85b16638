package mesh

import (
	"testing"
	"time"
)

// TestTheTopologyFollowsFromTheLinkStatesAlone has two Nodes hear of the same routers one after the other.
func TestTheTopologyFollowsFromTheLinkStatesAlone(t *testing.T) {
	t.Parallel()
	one, other := newStory(t, Config{LogLevel: LevelCritical}), newStory(t, Config{LogLevel: LevelCritical})
	if one.node.Topology() != 0 {
		t.Error("there is a topology before there are paths")
	}
	one.meet(1, "B", PeerCost{"C", 1})
	one.meet(2, "C", PeerCost{"B", 1})
	other.meet(7, "C", PeerCost{"B", 1})
	if one.node.Topology() == other.node.Topology() {
		t.Error("it is the same though one of them has not heard of a router")
	}
	other.meet(8, "B", PeerCost{"C", 1})
	one.advance(500 * time.Millisecond)
	other.advance(500 * time.Millisecond)
	same := one.node.Topology()
	if same == 0 || same != other.node.Topology() {
		t.Errorf("it is %x and %x after both have heard the same", same, other.node.Topology())
	}
	one.lsu(2, []string{"C"}, 2000, 2, PeerCost{"A", 1}, PeerCost{"B", 2})
	one.advance(500 * time.Millisecond)
	if one.node.Topology() == same {
		t.Error("it is the same after a cost has changed")
	}
	one.lsu(2, []string{"C"}, 2000, 3, PeerCost{"A", 1}, PeerCost{"B", 1})
	one.advance(500 * time.Millisecond)
	if one.node.Topology() != same {
		t.Error("it is another one after the cost has changed back")
	}
}
