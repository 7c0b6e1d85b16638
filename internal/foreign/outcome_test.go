package foreign

import (
	"slices"
	"testing"
)

// TestOutcomes shows that what the receiver decides about a message arrives at the sender as it was given: accepted,
// released, rejected with its error, modified with its fields, also with all of them and values of several types. rhea
// writes the keys of an error's info as strings instead of symbols; they pass as they are.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	given := []string{
		"accept", "release", "reject", "modify-failed", "modify-undeliverable", "reject-info", "modify-all",
	}
	routes(t, func(t *testing.T, n *Network, ingress, egress string) {
		pairs(t, func(t *testing.T, sender, receiver Library) {
			want := []string{
				"accepted",
				"released",
				"rejected foreign:refused message 2 refused",
				"modified failed=true undeliverable=false",
				"modified failed=false undeliverable=true x-opt-foreign=string:message%204",
				"rejected foreign:refused see info foreign-seq=uint:5",
				"modified failed=true undeliverable=true x-opt-list=list(string:a boolean:true) x-opt-seq=uint:6",
				"accepted",
			}
			to := address(t, "closest")
			r := receiver.Start(t, Task{Command: "receive", URL: n.URL(egress), Address: to, Count: len(want),
				Outcomes: given})
			s := sender.Start(t, Task{Command: "send", URL: n.URL(ingress), Address: to, Count: len(want)})
			sent := s.Result()
			r.Result()
			if interconnectDiffers(t, "it adds delivery-failed to a modified outcome") {
				want[4] = "modified failed=true undeliverable=true x-opt-foreign=string:message%204"
			}
			if !slices.Equal(sent.States, want) {
				t.Errorf("sender saw  %q\nwant        %q", sent.States, want)
			}
		})
	})
}
