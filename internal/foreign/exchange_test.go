package foreign

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/lab"
)

const (
	kilobyte = 1 << 10
	megabyte = 1 << 20
)

// TestUnsettledMessages shows that every library's messages reach every library's receiver: each once, intact, in
// order, and each accepted.
func TestUnsettledMessages(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		pairs(t, func(t *testing.T, sender, receiver Library) {
			const count = 1000
			to := address(t, "closest")
			r := receiver.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Count: count})
			s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: count,
				Sizes: []int{0, kilobyte}})
			wantSent(t, s.Result(), "accepted", count)
			got := r.Result()
			wantReceived(t, got, count, sumOfSizes(count, 0, kilobyte))
			if got.Presettled != 0 {
				t.Errorf("%d unsettled messages arrived settled", got.Presettled)
			}
		})
	})
}

// TestPresettledMessages shows that messages sent settled arrive settled, each once, intact and in order.
func TestPresettledMessages(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		pairs(t, func(t *testing.T, sender, receiver Library) {
			const count = 1000
			to := address(t, "closest")
			receive := Task{Command: "receive", URL: n.URL(egress), Address: to, Count: count, Credit: 2 * count}
			if Foreign() {
				receive.Timeout = 5 * time.Second
			}
			r := receiver.Start(t, receive)
			r.Ready()
			s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: count,
				Sizes: []int{0, kilobyte}, Presettled: true})
			wantSent(t, s.Result(), "presettled", count)
			got := r.Outcome()
			if got.Count < count && interconnectDiffers(t, fmt.Sprintf(
				"%d of %d pre-settled messages were dropped though the receiver had credit", count-got.Count, count)) {
				return
			}
			if got.Error != "" {
				t.Error(got.Error)
			}
			wantReceived(t, got, count, sumOfSizes(count, 0, kilobyte))
			if got.Presettled != count && receiver != GoAMQP {
				t.Errorf("%d of %d settled messages arrived settled", got.Presettled, count)
			}
		})
	})
}

// TestMegabyteMessages shows the same for messages that take many frames.
func TestMegabyteMessages(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		pairs(t, func(t *testing.T, sender, receiver Library) {
			const count = 15
			to := address(t, "closest")
			r := receiver.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Count: count})
			s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: count,
				Sizes: []int{megabyte}})
			wantSent(t, s.Result(), "accepted", count)
			got := r.Result()
			if got.Misordered > 0 && interconnectDiffers(t, fmt.Sprintf(
				"%d of %d large messages were overtaken between routers", got.Misordered, count)) {
				got.Misordered = 0
			}
			wantReceived(t, got, count, count*megabyte)
		})
	})
}

// TestLargeMessages shows that every library sends and receives a message of 100 MiB, unsettled and settled, through a
// chain of three routers that do not hold it whole.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	n := ownNetwork(t, Chain("A", "B", "C"))
	size := 100 * megabyte
	if len(lab.RaceFlags) > 0 {
		size = 10 * megabyte // the race detector makes a router ten times slower
	}
	before := make(map[string]int)
	for _, id := range n.IDs() {
		before[id] = peakMemory(t, n.Router(id))
	}
	for _, sender := range Libraries() {
		for _, presettled := range []bool{false, true} {
			receiver, outcome := next(sender), "accepted"
			if presettled {
				outcome = "presettled"
			}
			t.Run(fmt.Sprintf("%s-to-%s-%s", sender, receiver, outcome), func(t *testing.T) {
				to := address(t, "closest")
				r := receiver.Start(t, Task{Command: "receive", URL: n.URL("C"), Address: to, Timeout: 2 * time.Minute})
				s := sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Sizes: []int{size},
					Presettled: presettled, Timeout: 2 * time.Minute})
				wantSent(t, s.Result(), outcome, 1)
				wantReceived(t, r.Result(), 1, size)
			})
		}
	}
	for _, id := range n.IDs() {
		growth := peakMemory(t, n.Router(id)) - before[id]
		t.Logf("router %s: resident memory grew by %.1f MiB at its peak", id, float64(growth)/megabyte)
		if growth > 64*megabyte && len(lab.RaceFlags) == 0 && !interconnectDiffers(t, "it holds more of a large message") {
			t.Errorf("router %s: resident memory grew by %d MiB while messages of %d MiB passed, want at most 64",
				id, growth/megabyte, size/megabyte)
		}
	}
}

// peakMemory returns the highest resident memory that a router has had, in bytes.
func peakMemory(t *testing.T, r *lab.Router) int {
	t.Helper()
	peak, err := r.Usage().Peak()
	if err != nil {
		t.Fatal(err)
	}
	return int(peak)
}

// TestAnonymousSender shows that messages sent over a link without a target address go where their "to" says.
func TestAnonymousSender(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		for _, sender := range Libraries() {
			t.Run(string(sender), func(t *testing.T) {
				t.Parallel()
				const count = 50
				to := address(t, "closest")
				r := GoAMQP.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Count: count})
				r.Ready()
				awaitRoute(t, n, ingress, egress, to)
				s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: count,
					Anonymous: true})
				wantSent(t, s.Result(), "accepted", count)
				wantReceived(t, r.Result(), count, sumOfSizes(count, 64))
			})
		}
	})
}

// awaitRoute waits until the ingress router knows the consumer which is attached at the egress router.
func awaitRoute(t *testing.T, n *Network, ingress, egress, address string) {
	t.Helper()
	local, remote := 0, 1
	if ingress == egress {
		local, remote = 1, 0
	}
	n.AwaitConsumers(t, ingress, address, local, remote)
}

// TestAnonymousSenderWithoutConsumer shows that a message for an address that nobody consumes is released.
func TestAnonymousSenderWithoutConsumer(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, _ string) {
		for _, sender := range Libraries() {
			t.Run(string(sender), func(t *testing.T) {
				t.Parallel()
				to := address(t, "closest")
				s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: 3, Anonymous: true})
				wantSent(t, s.Result(), "released", 3)
			})
		}
	})
}

// TestSenderWaitsForConsumer shows that a sender which comes first is attached without credit, and gets it when a
// consumer comes, wherever in the network.
func TestSenderWaitsForConsumer(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		for _, sender := range Libraries() {
			t.Run(string(sender), func(t *testing.T) {
				t.Parallel()
				const count = 10
				to := address(t, "balanced")
				s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: count})
				awaitSender(t, n, ingress, to)
				r := next(sender).Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Count: count})
				wantSent(t, s.Result(), "accepted", count)
				wantReceived(t, r.Result(), count, sumOfSizes(count, 64))
			})
		}
	})
}

// awaitSender waits until a router has a link from a sender to the address.
func awaitSender(t *testing.T, n *Network, id, address string) {
	t.Helper()
	err := lab.Poll(t.Context(), pollPeriod, func() error {
		links, err := n.Router(id).Query(t.Context(), "router.link", "linkDir", "owningAddr")
		if err != nil {
			return err
		}
		for _, link := range links {
			owner, _ := link["owningAddr"].(string)
			if link["linkDir"] == "in" && strings.HasSuffix(owner, address) {
				return nil
			}
		}
		return fmt.Errorf("no sender on %s among %d links", address, len(links))
	})
	if err != nil {
		t.Fatal(err)
	}
}
