package router

import (
	"fmt"
	"testing"

	"github.com/postroad/postroad/router/forwarding"
)

// TestAllLinksShareTheMemoryForDeliveries has a router that may take 4 MiB for messages, and many senders.
func TestAllLinksShareTheMemoryForDeliveries(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	r.control.Mu.Lock()
	r.plane.Overload.Budget = 4 << 20
	r.control.Mu.Unlock()
	const links, all = 200, 4 << 20 / forwarding.DeliveryCost
	p := rawBegin(t, r)
	p.attachReceiver(1000, "closest/x", 1)
	if credit := p.attachSender(0, "closest/x"); credit != 250 {
		t.Errorf("the first link gets credit %d, want all of its capacity", credit)
	}
	sum := uint32(0)
	for handle := range uint32(links) {
		sum += p.attachSender(1+handle, "closest/x")
	}
	if last := p.attachSender(links+1, "closest/x"); last != all/(links+2) {
		t.Errorf("the last link gets credit %d, want %d", last, all/(links+2))
	}
	if sum > 4*all { // those who come first get more, until they have used it
		t.Errorf("all links together get credit %d", sum)
	}
	p.nc.Close()
	eventually(t, "the links are gone", func() error {
		if n := r.plane.Overload.Senders.Load(); n != 0 {
			return fmt.Errorf("%d links share", n)
		}
		return nil
	})
	if credit := func() uint32 {
		p := rawBegin(t, r)
		p.attachReceiver(1000, "closest/x", 1)
		return p.attachSender(0, "closest/x")
	}(); credit != 250 {
		t.Errorf("afterwards, a link gets credit %d", credit)
	}
}
