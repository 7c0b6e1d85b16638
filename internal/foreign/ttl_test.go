package foreign

import (
	"fmt"
	"strings"
	"testing"
)

// withTTL returns messages with a time to live in milliseconds.
func withTTL(count, milliseconds int) []string {
	messages := make([]string, count)
	for i := range messages {
		messages[i] = strings.Join([]string{
			fmt.Sprintf("body.value string:%d", i), "header.durable boolean:false", "header.priority ubyte:4",
			fmt.Sprintf("header.ttl uint:%d", milliseconds), fmt.Sprintf("properties.message-id ulong:%d", i+1),
		}, "\n")
	}
	return messages
}

// TestTTL shows that a message whose time to live, as each library sets it, is over before a consumer has credit for it
// is released and never delivered, and that one with time left arrives with it.
func TestTTL(t *testing.T) {
	t.Parallel()
	if interconnectDiffers(t, "it does not enforce the time to live") {
		return
	}
	eachSender(t, func(t *testing.T, n *Network, sender Library) {
		const count = 5
		to := address(t, "closest")
		r := next(sender).Start(t, Task{Command: "receive", URL: n.URL(n.IDs()[len(n.IDs())-1]), Address: to,
			Linger: true, Credit: NoCredit, Show: true})
		r.Ready()
		send := func(ttl int) *Process {
			return sender.Start(t, Task{Command: "send", URL: n.URL("A"), Address: to,
				Values: writeMessages(t, withTTL(count, ttl))})
		}
		wantSent(t, send(1).Result(), "released", count)
		s := send(3_600_000)
		r.Grant(2 * count)
		wantSent(t, s.Result(), "accepted", count)
		compareMessages(t, r.End(count).Messages, withTTL(count, 3_600_000), next(sender))
	})
}
