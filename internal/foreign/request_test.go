package foreign

import "testing"

// TestRequests shows that a requester with a dynamic reply address gets its answers, each once and intact, from a
// responder that sends them over a link without a target address.
func TestRequests(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		pairs(t, func(t *testing.T, requester, responder Library) {
			const count = 50
			to := address(t, "balanced")
			b := responder.Start(t, Task{Command: "respond", URL: n.URL(egress), Address: to, Count: count})
			a := requester.Start(t, Task{Command: "request", URL: n.URL(ingress), Address: to, Count: count,
				Sizes: []int{0, 100, 20 * kilobyte}})
			asked, answered := a.Result(), b.Result()
			if asked.Count != count || asked.Corrupt != 0 || answered.Count != count {
				t.Errorf("%d requests were answered, %d of them wrongly, by %d answers, want %d, 0 and %d",
					asked.Count, asked.Corrupt, answered.Count, count, count)
			}
		})
	})
}
