package foreign

import (
	"fmt"
	"testing"
	"time"
)

// TestMulticast shows that every consumer of a multicast address, on whatever router of the chain, gets each message
// exactly once, also where several share a router, and that the sender sees each message accepted once.
func TestMulticast(t *testing.T) {
	t.Parallel()
	n := chain.get(t)
	consumers := []struct {
		library Library
		router  string
	}{
		{ProtonPython, "A"}, {GoAMQP, "A"}, {ProtonCpp, "B"}, {Rhea, "C"}, {ProtonCpp, "C"}, {GoAMQP, "C"},
	}
	for _, sender := range Libraries() {
		for _, ingress := range []string{"A", "B"} {
			for _, presettled := range []bool{false, true} {
				outcome := "accepted"
				if presettled {
					outcome = "presettled"
				}
				t.Run(fmt.Sprintf("%s-at-%s-%s", sender, ingress, outcome), func(t *testing.T) {
					t.Parallel()
					const count = 200
					to := address(t, "multicast")
					receive := Task{Command: "receive", Address: to, Count: count, Credit: 2 * count}
					if presettled && Foreign() {
						receive.Timeout = 10 * time.Second
					}
					var receivers []*Process
					for _, c := range consumers {
						receive.URL = n.URL(c.router)
						receivers = append(receivers, c.library.Start(t, receive))
					}
					for _, r := range receivers {
						r.Ready()
					}
					local := map[string]int{"A": 2, "B": 1}
					n.AwaitConsumers(t, ingress, to, local[ingress], 2)
					s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: count,
						Sizes: []int{0, kilobyte}, Presettled: presettled})
					wantSent(t, s.Result(), outcome, count)
					for i, r := range receivers {
						got := r.Outcome()
						if presettled && got.Count < count && interconnectDiffers(t, fmt.Sprintf(
							"%d of %d pre-settled messages were dropped", count-got.Count, count)) {
							continue
						}
						if got.Error != "" {
							t.Errorf("%s at %s: %s", consumers[i].library, consumers[i].router, got.Error)
						}
						wantReceived(t, got, count, sumOfSizes(count, 0, kilobyte))
					}
				})
			}
		}
	}
}
