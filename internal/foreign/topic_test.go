package foreign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// subjects are those of the messages which each publisher sends, in the notation of values.py, with the words of the
// next hops' addresses. A space stands for the separator of the keys' method; the one without a subject goes nowhere.
var subjects = []struct {
	subject string
	hops    []string
}{
	{"eu gold", []string{"europe", "metals", "everything"}},
	{"eu gold old", []string{"europe", "everything"}},
	{"eu", []string{"europe", "everything"}},
	{"us gold", []string{"metals", "everything"}},
	{"us silver", []string{"everything"}},
	{"gold", []string{"everything"}},
	{"", nil},
}

// TestTopics shows that exchanges forward what every library publishes by the subject that it sets, with amqp keys and
// with mqtt keys: one copy to each next hop of a key that matches, accepted once; and to the alternate address what has
// no subject. The consumers of the next hops are of all libraries and, in the chain, at all routers.
func TestTopics(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, publisher Library) {
		for _, k := range topics {
			t.Run(k.method, func(t *testing.T) {
				t.Parallel()
				separator := map[string]string{"amqp": ".", "mqtt": "/"}[k.method]
				var messages []string
				want := make(map[string][]string)
				for i, s := range subjects {
					lines := []string{
						fmt.Sprintf("body.value string:%d", i), "header.durable boolean:false", "header.priority ubyte:4",
						fmt.Sprintf("properties.message-id ulong:%d", i+1),
					}
					if s.subject != "" {
						subject := strings.ReplaceAll(s.subject, " ", separator)
						lines = append(lines, "properties.subject string:"+quoted(subject))
					}
					messages = append(messages, strings.Join(lines, "\n"))
					hops := s.hops
					if hops == nil {
						hops = []string{"unbound"}
					}
					for _, hop := range hops {
						want[hop] = append(want[hop], messages[i])
					}
				}
				exchange := k.exchange(publisher)
				receivers := make(map[string]*Process)
				l, ids := publisher, n.IDs()
				for i, hop := range []string{"europe", "metals", "everything", "unbound"} {
					l = next(l)
					at := ids[i%len(ids)]
					receivers[hop] = l.Start(t, Task{Command: "receive", URL: n.URL(at), Address: exchange + "/" + hop,
						Count: len(want[hop]), Show: true})
					receivers[hop].Ready()
					n.AwaitConsumers(t, "A", exchange+"/"+hop, boolToInt(at == "A"), boolToInt(at != "A"))
				}
				s := publisher.Start(t, Task{Command: "send", URL: n.URL("A"), Address: exchange,
					Values: writeMessages(t, messages)})
				wantSent(t, s.Result(), "accepted", len(messages))
				for hop, r := range receivers {
					if got := r.Result().Messages; !slices.Equal(got, want[hop]) {
						t.Errorf("%s got\n\n%s\n\nwant\n\n%s", hop, strings.Join(got, "\n\n"),
							strings.Join(want[hop], "\n\n"))
					}
				}
			})
		}
	})
}
