package foreign

import (
	"testing"
	"time"
)

// TestConsumerDiesInsideDelivery shows that the sender of a large message, whose consumer dies after its first frames,
// learns that the delivery is in doubt, at once and though it has not sent all of it; and that its address is as good
// as before. go-amqp is left out: it overlooks an outcome that comes before it has sent the last frame.
func TestConsumerDiesInsideDelivery(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		for _, sender := range []Library{ProtonPython, ProtonCpp, Rhea} {
			t.Run(string(sender), func(t *testing.T) {
				t.Parallel()
				to := address(t, "closest")
				consumer := ProtonPython.Start(t, Task{Command: "hold", URL: n.URL(egress), Address: to})
				send := Task{Command: "send", URL: n.URL(ingress), Address: to, Sizes: []int{8 * megabyte},
					Timeout: 20 * time.Second}
				s := sender.Start(t, send)
				consumer.Progress(1)
				consumer.Kill()
				sent := s.Outcome()
				want := "modified failed=true undeliverable=false"
				if sent.Error != "" || len(sent.States) != 1 || sent.States[0] != want {
					if !interconnectDiffers(t, "a delivery of which the consumer has seen a part is released, or stuck") {
						t.Errorf("sender saw %q, want %q; %s", sent.States, want, sent.Error)
					}
				}
				r := GoAMQP.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to})
				wantSent(t, sender.Start(t, send).Result(), "accepted", 1)
				wantReceived(t, r.Result(), 1, 8*megabyte)
			})
		}
	})
}

// TestSenderDiesInsideDelivery shows that a consumer which has seen the first frames of a message whose sender dies is
// told that the delivery was aborted, and never takes a part for the whole.
func TestSenderDiesInsideDelivery(t *testing.T) {
	t.Parallel()
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		for _, sender := range Libraries() {
			t.Run(string(sender), func(t *testing.T) {
				t.Parallel()
				to := address(t, "closest")
				consumer := ProtonPython.Start(t, Task{Command: "hold", URL: n.URL(egress), Address: to,
					Timeout: 30 * time.Second})
				s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to,
					Sizes: []int{64 * megabyte}})
				consumer.Progress(1)
				s.Kill()
				consumer.Continue()
				if got := consumer.Result(); got.Outcomes["aborted"] != 1 {
					t.Errorf("the consumer saw the delivery %v, want it aborted", got.Outcomes)
				}
			})
		}
	})
}
