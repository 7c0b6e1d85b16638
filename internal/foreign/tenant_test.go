package foreign

import (
	"fmt"
	"testing"
)

// tenant is a virtual host's way into a network: by the listener, or by the hostname that its clients give.
type tenant struct {
	name, listener, hostname string
}

// tenants are two by their hostnames and two by their listeners, where clients may say what they like; and the clients
// that are in no tenant.
var tenants = []tenant{
	{"a.example", tenantsByName, "a.example"},
	{"b.example", tenantsByName, "b.example"},
	{"shop", shop, "b.example"},
	{"bank", bank, ""},
	{"", clients, "a.example"},
}

// key returns the entry of a tenant's address in the table of addresses.
func (v tenant) key(address string) string {
	if v.name != "" {
		address = v.name + "/" + address
	}
	return "M0" + address
}

// TestTenants shows that tenants use the same address and never meet, and see it as they wrote it. Each tenant's
// producers send another number of messages of another size.
func TestTenants(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, sender Library) {
		to := address(t, "plain")
		ids := n.IDs()
		last := ids[len(ids)-1]
		receivers := make([]*Process, len(tenants))
		receiver := sender
		for i, v := range tenants {
			receiver = next(receiver)
			receivers[i] = receiver.Start(t, Task{Command: "receive", URL: n.ListenerURL(last, v.listener), Address: to,
				Hostname: v.hostname, Linger: true})
		}
		for i, v := range tenants {
			if got := receivers[i].Ready(); got != to {
				t.Errorf("a consumer of %q attached to %q sees %q", v.name, to, got)
			}
			n.AwaitEntry(t, "A", v.key(to), boolToInt(last == "A"), boolToInt(last != "A"))
		}
		senders := make([]*Process, len(tenants))
		for i, v := range tenants {
			senders[i] = sender.Start(t, Task{Command: "send", URL: n.ListenerURL("A", v.listener), Address: to,
				Hostname: v.hostname, Count: 10 + i, Sizes: []int{100 * i}, Anonymous: i%2 == 1})
		}
		for i := range tenants {
			wantSent(t, senders[i].Result(), "accepted", 10+i)
		}
		for i := range tenants {
			got := receivers[i].End(10 + i)
			wantEachOnce(t, []Result{got}, 10+i)
			wantReceived(t, got, 10+i, sumOfSizes(10+i, 100*i))
		}
	})
}

// TestTenantsSeeTheirOwnAddresses shows that the address which an anonymous sender writes in its messages arrives as it
// was written, and that the dynamic reply address works inside a tenant and names none.
func TestTenantsSeeTheirOwnAddresses(t *testing.T) {
	t.Parallel()
	eachSender(t, func(t *testing.T, n *Network, l Library) {
		ids := n.IDs()
		last := ids[len(ids)-1]
		to := address(t, "plain")
		v := tenants[0]
		if l == ProtonCpp || l == GoAMQP {
			v = tenants[2]
		}
		task := func(command, router string) Task {
			return Task{Command: command, URL: n.ListenerURL(router, v.listener), Address: to, Hostname: v.hostname}
		}
		show := task("receive", last)
		show.Show = true
		r := next(l).Start(t, show)
		r.Ready()
		n.AwaitEntry(t, "A", v.key(to), boolToInt(last == "A"), boolToInt(last != "A"))
		send := task("send", "A")
		send.Anonymous = true
		wantSent(t, l.Start(t, send).Result(), "accepted", 1)
		wantLine(t, r.Result().Messages, "properties.to string:"+quoted(to))

		responder := next(l).Start(t, task("respond", last))
		// A request that came before it would be held for a second, and then released.
		responder.Ready()
		n.AwaitEntry(t, "A", v.key(to), boolToInt(last == "A"), boolToInt(last != "A"))
		requester := l.Start(t, task("request", "A"))
		if prefix := fmt.Sprintf("amqp:/_topo/0/%s/temp.", "A"); len(requester.Ready()) <= len(prefix) ||
			requester.Ready()[:len(prefix)] != prefix {
			t.Errorf("the reply address is %q, want %s…", requester.Ready(), prefix)
		}
		if got := requester.Result(); got.Count != 1 || got.Corrupt != 0 {
			t.Errorf("%d requests answered, %d wrongly, want 1 and 0", got.Count, got.Corrupt)
		}
		responder.Result()
	})
}
