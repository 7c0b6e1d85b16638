package foreign

import (
	"testing"
	"time"
)

// Networks whose routers hold messages for the next consumer longer than a test takes, and hardly at all.
var (
	patientOne   = &sharedNetwork{name: "patient router", topology: held(time.Minute, "A")}
	patientChain = &sharedNetwork{name: "patient chain", topology: held(time.Minute, "A", "B", "C")}
	hastyOne     = &sharedNetwork{name: "hasty router", topology: held(100*time.Millisecond, "A")}
)

func held(hold time.Duration, ids ...string) Topology {
	t := Chain(ids...)
	t.Hold = hold
	return t
}

// leave has a sender whose messages wait for a consumer without credit, which leaves when nobody else is there.
func leave(t *testing.T, s *sharedNetwork, sender Library, count int) (*Network, *Process) {
	t.Helper()
	n := s.get(t)
	last := n.IDs()[len(n.IDs())-1]
	to := address(t, "balanced")
	r := next(sender).Start(t, Task{Command: "receive", URL: n.URL(last), Address: to, Linger: true, Credit: NoCredit})
	r.Ready()
	p := sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count})
	n.AwaitUndelivered(t, last, to, count)
	r.End(0)
	n.AwaitConsumers(t, "A", to, 0, 0)
	return n, p
}

// TestHeldMessagesGoToTheNextConsumer has a consumer leave with messages in its queue, and another one come within the
// hold time, at the same router: the sender sees them accepted.
func TestHeldMessagesGoToTheNextConsumer(t *testing.T) {
	t.Parallel()
	if interconnectDiffers(t, "it releases what waits for a consumer that leaves") {
		return
	}
	for _, s := range []*sharedNetwork{patientOne, patientChain} {
		for _, sender := range Libraries() {
			t.Run(s.name+" "+string(sender), func(t *testing.T) {
				t.Parallel()
				const count = 20
				n, p := leave(t, s, sender, count)
				r := next(next(sender)).Start(t, Task{Command: "receive", URL: n.URL(n.IDs()[len(n.IDs())-1]),
					Address: address(t, "balanced"), Count: count})
				wantSent(t, p.Result(), "accepted", count)
				wantReceived(t, r.Result(), count, sumOfSizes(count, 64))
			})
		}
	}
}

// TestMessagesAreHeldForAWhileOnly has nobody come in time: the sender sees its messages released.
func TestMessagesAreHeldForAWhileOnly(t *testing.T) {
	t.Parallel()
	for _, s := range []*sharedNetwork{hastyOne, chain} { // the chain holds for a second, the default
		for _, sender := range Libraries() {
			t.Run(s.name+" "+string(sender), func(t *testing.T) {
				t.Parallel()
				const count = 20
				_, p := leave(t, s, sender, count)
				wantSent(t, p.Result(), "released", count)
			})
		}
	}
}
