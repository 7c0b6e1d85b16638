package foreign

import (
	"testing"
	"time"
)

// TestRingSurvivesRouterDeath shows that traffic between two corners of a ring goes on over the other side when the
// router that carries it is killed: every message ends up accepted, every accepted message was received, and the sender
// learns of each delivery that may be lost by its outcome, so that it can send it again.
func TestRingSurvivesRouterDeath(t *testing.T) {
	t.Parallel()
	for _, sender := range []Library{GoAMQP, ProtonPython} {
		t.Run(string(sender), func(t *testing.T) {
			t.Parallel()
			n := ownNetwork(t, Ring("A", "B", "C", "D"))
			const (
				count  = 20_000
				before = 4_000
			)
			to := address(t, "closest")
			r := GoAMQP.Start(t, Task{Command: "receive", URL: n.URL("C"), Address: to, Count: count, Progress: 1000,
				Linger: true})
			s := sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count, Progress: 1000,
				Retry: true})
			r.Progress(before)
			transit, err := n.Router("A").NextHop(t.Context(), "C")
			if err != nil {
				t.Fatal(err)
			}
			if transit != "B" && transit != "D" {
				t.Fatalf("the next hop from A to C is %q, want B or D", transit)
			}
			killed := time.Now()
			if err := n.Kill(transit); err != nil {
				t.Fatal(err)
			}
			s.Progress(2 * before)
			t.Logf("%s killed; %d messages in all accepted %v later", transit, 2*before, time.Since(killed))
			sent := s.Result()
			wantSent(t, sent, "accepted", count)
			got := r.End(0)
			if got.Count != count || got.Corrupt != 0 {
				t.Errorf("%d of %d accepted messages were received, %d corrupt", got.Count, count, got.Corrupt)
			}
			t.Logf("sent again %d, received twice %d", sent.Retries, got.Duplicates)
			if got.Duplicates > sent.Retries {
				t.Errorf("%d messages were received twice, but only %d were sent again", got.Duplicates, sent.Retries)
			}
		})
	}
}
