package foreign

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/internal/lab"
)

// A flood of pre-settled messages: more than the 16 MiB which may wait for one consumer, and small enough that routers
// do not count them against the octets that they hold, and read on.
const (
	floodCount = 5000
	floodSize  = 3500
)

// dropped returns how many pre-settled messages for an address all routers have dropped, according to /metrics.
func dropped(t *testing.T, n *Network, address string) (int, error) {
	sum := 0
	for _, id := range n.IDs() {
		d, err := n.Metric(t.Context(), id, "postroad_presettled_dropped_total", fmt.Sprintf("address=%q", address))
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// flood sends one, over a listener that gives so much credit, and returns when the sender has written all of it.
func flood(t *testing.T, n *Network, sender Library, address string) {
	t.Helper()
	s := sender.Start(t, Task{Command: "send", URL: n.ListenerURL("A", floods), Address: address, Count: floodCount,
		Sizes: []int{floodSize}, Presettled: true})
	wantSent(t, s.Result(), "presettled", floodCount)
}

// TestPresettledMessagesAreDroppedAndCounted floods a consumer that has no credit yet. It gets the oldest messages, or
// the newest, in order, as the policy of the address says; and those which it does not get are counted: what was sent
// is what was received and what was dropped.
func TestPresettledMessagesAreDroppedAndCounted(t *testing.T) {
	t.Parallel()
	if interconnectDiffers(t, "it knows no policies for pre-settled messages") {
		return
	}
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		for i, sender := range Libraries() {
			policy := []string{"drop-newest", "drop-oldest"}[(i+len(n.IDs())/2)%2]
			t.Run(policy+"-"+string(sender), func(t *testing.T) {
				t.Parallel()
				to := address(t, policy)
				r := next(sender).Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Linger: true,
					Credit: NoCredit})
				r.Ready()
				awaitRoute(t, n, ingress, egress, to)
				flood(t, n, sender, to)
				lost := 0
				err := lab.Poll(t.Context(), pollPeriod, func() error {
					waiting, err := n.Undelivered(t.Context(), egress, to)
					if err == nil {
						lost, err = dropped(t, n, to)
					}
					if err == nil && waiting+lost != floodCount {
						err = fmt.Errorf("%d messages wait and %d were dropped, want %d in all", waiting, lost, floodCount)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if lost == 0 || lost == floodCount {
					t.Errorf("%d of %d messages were dropped, want some", lost, floodCount)
				}
				r.Grant(floodCount)
				got := r.End(floodCount - lost)
				wantReceived(t, got, floodCount-lost, (floodCount-lost)*floodSize)
				first, last := false, false
				for _, number := range got.Numbers {
					first, last = first || number == 0, last || number == floodCount-1
				}
				if kept := map[string]bool{"drop-newest": first, "drop-oldest": last}[policy]; !kept {
					t.Errorf("the first message arrived: %v, the last one: %v", first, last)
				}
				if len(n.IDs()) == 1 && first == last { // a chain may drop where it leaves the first router, too
					t.Error("both the first message and the last one arrived")
				}
				arrived, err := n.Metric(t.Context(), egress, "postroad_deliveries_total", fmt.Sprintf("address=%q", to),
					`direction="egress"`, `outcome="presettled"`)
				if err != nil || arrived != floodCount-lost {
					t.Errorf("%d messages were sent to the consumer, want %d; %v", arrived, floodCount-lost, err)
				}
			})
		}
	})
}

// TestBlockedPresettledMessages floods a slow consumer three routers away, by way of an address whose policy is to hold
// senders back: it gets everything, and nothing is dropped. The consumer takes two messages at a time, since Proton
// Python never renews a window of one.
func TestBlockedPresettledMessages(t *testing.T) {
	t.Parallel()
	if interconnectDiffers(t, "it knows no policies for pre-settled messages") {
		return
	}
	n := chain.get(t)
	for _, sender := range Libraries() {
		t.Run(string(sender), func(t *testing.T) {
			t.Parallel()
			to := address(t, "block")
			r := next(sender).Start(t, Task{Command: "receive", URL: n.URL("C"), Address: to, Count: floodCount, Credit: 2})
			r.Ready()
			s := sender.Start(t, Task{Command: "send", URL: n.ListenerURL("A", floods), Address: to, Count: floodCount,
				Sizes: []int{floodSize}, Presettled: true})
			wantReceived(t, r.Result(), floodCount, floodCount*floodSize)
			wantSent(t, s.Result(), "presettled", floodCount)
			if lost, err := dropped(t, n, to); err != nil || lost != 0 {
				t.Errorf("%d messages were dropped, want none; %v", lost, err)
			}
		})
	}
}
