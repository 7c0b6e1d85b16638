package foreign

import "testing"

// waypointCapability is that of a broker: its receiver takes phase 0, its sender sends to phase 1.
const waypointCapability = "qd.waypoint"

// TestWaypoint shows that all messages of a queue go through the broker and arrive in order. Producer, broker and
// consumer are of different libraries and, in the chain, at different routers; producer and consumer know one address
// only, and none of the messages takes the short way.
func TestWaypoint(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, producer Library) {
		const count = 100
		to := address(t, "queue")
		ids := n.IDs()
		broker, consumer := next(producer), next(next(producer))
		r := consumer.Start(t, Task{Command: "receive", URL: n.URL(ids[len(ids)-1]), Address: to, Count: count})
		r.Ready()
		s := producer.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count,
			Sizes: []int{0, kilobyte}})
		b := broker.Start(t, Task{Command: "relay", URL: n.URL(ids[len(ids)/2]), Address: to, Count: count,
			Capability: waypointCapability})
		wantSent(t, s.Result(), "accepted", count)
		if got := b.Result(); got.Count != count {
			t.Errorf("the broker passed on %d messages, want %d", got.Count, count)
		}
		wantReceived(t, r.Result(), count, sumOfSizes(count, 0, kilobyte))
	})
}

// TestWaypointStores shows that a producer sees its messages accepted by the broker while nobody consumes, that the
// broker may leave with them and send them later, and that a consumer gets them then.
func TestWaypointStores(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, producer Library) {
		const count = 20
		to := address(t, "queue")
		ids := n.IDs()
		middle, last := n.URL(ids[len(ids)/2]), n.URL(ids[len(ids)-1])
		broker, consumer := next(producer), next(next(producer))
		b := broker.Start(t, Task{Command: "receive", URL: middle, Address: to, Count: count, Show: true,
			Capability: waypointCapability})
		s := producer.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count})
		wantSent(t, s.Result(), "accepted", count)
		store := writeMessages(t, b.Result().Messages)
		b = broker.Start(t, Task{Command: "send", URL: middle, Address: to, Values: store, Capability: waypointCapability})
		r := consumer.Start(t, Task{Command: "receive", URL: last, Address: to, Count: count})
		wantSent(t, b.Result(), "accepted", count)
		wantReceived(t, r.Result(), count, sumOfSizes(count, 64))
	})
}
