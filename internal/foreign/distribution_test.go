package foreign

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/lab"
)

// site is a consumer of a library at a router.
type site struct {
	library Library
	router  string
}

// sites returns three consumers, of all libraries but the sender's, at the first, the middle and the last router of a
// network.
func sites(n *Network, sender Library) []site {
	ids := n.IDs()
	consumers := make([]site, 3)
	l := sender
	for i := range consumers {
		l = next(l)
		consumers[i] = site{l, ids[i*(len(ids)-1)/2]}
	}
	return consumers
}

// startAt starts a receiver of an address at each site, and waits until the first router knows them all.
func startAt(t *testing.T, n *Network, consumers []site, receive Task) []*Process {
	t.Helper()
	receive.Command = "receive"
	var receivers []*Process
	local, remote := 0, 0
	for _, c := range consumers {
		if c.router == n.IDs()[0] {
			local++
		} else {
			remote++ // no two at the same
		}
		receive.URL = n.URL(c.router)
		receivers = append(receivers, c.library.Start(t, receive))
	}
	for _, r := range receivers {
		r.Ready()
	}
	n.AwaitConsumers(t, n.IDs()[0], receive.Address, local, remote)
	return receivers
}

// eachSender runs a subtest on each shared network for each library that sends.
func eachSender(t *testing.T, test func(t *testing.T, n *Network, sender Library)) {
	routes(t, func(t *testing.T, n *Network, _, _ string) {
		for _, sender := range Libraries() {
			t.Run(string(sender), func(t *testing.T) {
				t.Parallel()
				test(t, n, sender)
			})
		}
	})
}

// wantEachOnce checks that the results hold the numbers from 0 to count-1, each once in all of them together, and
// nothing corrupt.
func wantEachOnce(t *testing.T, results []Result, count int) {
	t.Helper()
	var numbers []int
	for _, r := range results {
		numbers = append(numbers, r.Numbers...)
		if r.Corrupt+r.Duplicates+r.Misordered != 0 {
			t.Errorf("%d corrupt, %d duplicate and %d misordered messages", r.Corrupt, r.Duplicates, r.Misordered)
		}
	}
	slices.Sort(numbers)
	if !slices.Equal(numbers, countTo(count)) {
		t.Errorf("received %v, want each from 0 to %d once", numbers, count-1)
	}
}

// countTo returns the numbers from 0 to count-1.
func countTo(count int) []int {
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// TestClosestIsTheNearestConsumerOnly has a consumer at each router, and a sender at the first. Consumers at the same
// router take turns.
func TestClosestIsTheNearestConsumerOnly(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, sender Library) {
		const count = 60
		to := address(t, "closest")
		consumers := sites(n, sender)
		receivers := startAt(t, n, consumers, Task{Address: to, Linger: true})
		s := sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count})
		wantSent(t, s.Result(), "accepted", count)
		var results []Result
		near := 0
		for _, c := range consumers {
			if c.router == "A" {
				near++
			}
		}
		for i, r := range receivers {
			results = append(results, r.End(0))
			want := 0
			if consumers[i].router == "A" {
				want = count / near
			}
			if got := results[i].Count; got != want {
				t.Errorf("%s at %s got %d messages, want %d", consumers[i].library, consumers[i].router, got, want)
			}
		}
		wantEachOnce(t, results, count)
	})
}

// TestBalancedSpreads has a consumer at each router, none of which settles anything before all messages are on their
// way: each gets some, and each message goes to one of them.
func TestBalancedSpreads(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, sender Library) {
		const count = 60
		to := address(t, "balanced")
		consumers := sites(n, sender)
		receivers := startAt(t, n, consumers, Task{Address: to, Linger: true, Credit: NoCredit})
		s := sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count})
		queued := make(map[string]int)
		err := lab.Poll(t.Context(), pollPeriod, func() error {
			sum := 0
			for _, id := range n.IDs() {
				var err error
				if queued[id], err = n.Undelivered(t.Context(), id, to); err != nil {
					return err
				}
				sum += queued[id]
			}
			if sum != count {
				return fmt.Errorf("%d of %d messages wait for consumers", sum, count)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range receivers {
			r.Grant(count)
		}
		wantSent(t, s.Result(), "accepted", count)
		var results []Result
		for i, r := range receivers {
			results = append(results, r.End(0))
			if got := results[i].Count; got == 0 {
				t.Errorf("%s at %s got nothing; of %d messages there waited %v", consumers[i].library,
					consumers[i].router, count, queued)
			}
		}
		wantEachOnce(t, results, count)
	})
}

// TestMulticastAtOneRouter is TestMulticast for consumers at the sender's router.
func TestMulticastAtOneRouter(t *testing.T) {
	t.Parallel()
	n := one.get(t)
	for _, sender := range Libraries() {
		t.Run(string(sender), func(t *testing.T) {
			t.Parallel()
			const count = 60
			to := address(t, "multicast")
			receivers := startAt(t, n, sites(n, sender), Task{Address: to, Linger: true})
			s := sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count})
			wantSent(t, s.Result(), "accepted", count)
			for _, r := range receivers {
				wantEachOnce(t, []Result{r.End(count)}, count)
			}
		})
	}
}

// TestUnavailableAddresses shows that links to such an address are refused, and messages of anonymous senders rejected.
func TestUnavailableAddresses(t *testing.T) {
	t.Parallel()
	const condition = "amqp:not-found"
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		for _, l := range Libraries() {
			t.Run(string(l), func(t *testing.T) {
				t.Parallel()
				to := address(t, "unavailable")
				refused := []*Process{
					l.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to}),
					l.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to}),
				}
				anonymous := l.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: 2, Anonymous: true})
				for _, p := range refused {
					if got := p.Outcome(); !strings.Contains(got.Error, condition) || got.Count != 0 {
						t.Errorf("%s: error %q after %d messages, want %s at once", p.name, got.Error, got.Count, condition)
					}
				}
				sent := anonymous.Result()
				if interconnectDiffers(t, "it releases messages for such an address") {
					return
				}
				wantSent(t, sent, "rejected", 2)
				for _, state := range sent.States {
					if !strings.HasPrefix(state, "rejected "+condition) {
						t.Errorf("an anonymous sender saw %q, want it rejected with %s", state, condition)
					}
				}
			})
		}
	})
}
