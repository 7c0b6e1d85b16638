package foreign

import "testing"

// fallbackCapability is the capability of the source by which a consumer is the fallback of an address.
const fallbackCapability = "qd.fallback"

// TestFallback shows that messages go to the fallback of an address while it has no other consumer, and to the consumer
// while there is one; and that what waits in the queue of a fallback that leaves goes to the consumer which has come in
// the meantime. Senders see every message accepted.
func TestFallback(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, sender Library) {
		const count = 20
		to := address(t, "fallback")
		ids := n.IDs()
		middle, last := ids[len(ids)/2], ids[len(ids)-1]
		// await waits until the sender's router knows whether there is a fallback, and whether a consumer.
		await := func(fallback, consumer int) {
			t.Helper()
			here := 0 // of 1 at the sender's router
			if len(ids) == 1 {
				here = 1
			}
			n.AwaitEntry(t, "A", "MF"+to, fallback*here, fallback*(1-here))
			n.AwaitEntry(t, "A", "M0"+to, consumer*here, consumer*(1-here))
		}
		send := func() *Process {
			return sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to, Count: count})
		}
		receive := Task{Command: "receive", URL: n.URL(last), Address: to, Linger: true}
		fall := receive
		fall.Capability = fallbackCapability

		fallback := next(sender).Start(t, fall)
		fallback.Ready()
		await(1, 0)
		wantSent(t, send().Result(), "accepted", count)
		receive.URL = n.URL(middle)
		consumer := next(next(sender)).Start(t, receive)
		consumer.Ready()
		await(1, 1)
		wantSent(t, send().Result(), "accepted", count)
		wantEachOnce(t, []Result{consumer.End(count)}, count)
		// The fallback has what came before the consumer did, and nothing since.
		wantEachOnce(t, []Result{fallback.End(count)}, count)

		await(0, 0)
		fall.URL, fall.Credit = n.URL(middle), NoCredit
		stuck := next(sender).Start(t, fall)
		stuck.Ready()
		await(1, 0)
		waiting := send()
		n.AwaitUndelivered(t, middle, to, count)
		receive.URL = n.URL(last) // further on: routers send nothing back to where it came from
		consumer = next(next(sender)).Start(t, receive)
		consumer.Ready()
		await(1, 1)
		n.AwaitConsumers(t, middle, to, boolToInt(middle == last), boolToInt(middle != last))
		stuck.End(0)
		wantSent(t, waiting.Result(), "accepted", count)
		wantEachOnce(t, []Result{consumer.End(count)}, count)
	})
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
