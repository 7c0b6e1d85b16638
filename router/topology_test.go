package router

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh/spf"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// TestAMulticastMessageLeavesTheTreeOnlyWhereItsIngressRouterMayKnowAnother has a router whose way to another one was on
// the ingress router's tree until a moment ago. A copy on the former way of what has a way of its own could come before
// what was sent earlier.
func TestAMulticastMessageLeavesTheTreeOnlyWhereItsIngressRouterMayKnowAnother(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		what         string
		theirs, ours uint64
		copies       int
	}{
		{"both know the same topology", 7, 7, 0}, {"they know different ones", 7, 8, 1},
		{"that of the ingress router was changing", 0, 8, 1}, {"that of this router is changing", 7, 0, 1},
		{"nothing is known of either", 0, 0, 1},
	} {
		r := idleRouter(t)
		r.plane.Table.Topology.Store(step.ours)
		r.plane.Table.AddRouter(route.NewRouter("C", 3))
		from := idleConn(r)
		from.Terms.Role, from.Near.ID, from.Near.Node = forwarding.RoleInterRouter, "C", addressing.NodeName("C")
		to, behind := idleNeighbor(r, "B", 1)
		former := spf.NewSet(4)
		former.Add(3)
		h := *behind.Router.Hop.Load()
		h.Origins, h.Former, h.FormerUntil = spf.NewSet(4), former, time.Now().Add(time.Hour)
		behind.Router.Hop.Store(&h)

		d := numberedDelivery(t, from, 1, step.theirs)
		d.Link.Address = multicastAddress(behind)
		from.Route(d, true)
		copies := liveDeliveries(to)
		if len(copies) != step.copies {
			t.Errorf("%s: %d copies go the former way, not %d", step.what, len(copies), step.copies)
		}
		for _, b := range copies {
			if e := headOfBranch(t, b); e.Number != 1 || e.Topology != step.theirs {
				t.Errorf("%s: the copy says number %d, topology %d", step.what, e.Number, e.Topology)
			}
		}
	}
}

// multicastAddress is an address with a consumer behind a neighbor.
func multicastAddress(behind *route.Remote) *route.Address {
	a := &route.Address{Class: addressing.ClassMobile, Text: "x", Priority: -1}
	a.Routes.Store(&route.Routes{Distribution: addressing.DistributionMulticast, Remote: []*route.Remote{behind}})
	return a
}

// numberedDelivery is a message that came from the router C, where it entered the mesh.
func numberedDelivery(t *testing.T, from *forwarding.Endpoint, number, topology uint64) *forwarding.Delivery {
	t.Helper()
	annotations := wire.Map{
		{Key: wire.Symbol("x-opt-qd.number"), Value: number},
		{Key: wire.Symbol("x-opt-qd.ingress"), Value: addressing.NodeName("C")},
		{Key: wire.Symbol("x-opt-qd.trace"), Value: wire.List{addressing.NodeName("C")}},
	}
	if topology != 0 {
		annotations = append(annotations, wire.MapEntry{Key: wire.Symbol("x-opt-qd.topology"), Value: topology})
	}
	d := idleDelivery(from, &message.Message{Annotations: annotations})
	d.Link.Kind, d.Transit = forwarding.LinkData, true
	return d
}

// headOfBranch is what the head of a branch says to the next router.
func headOfBranch(t *testing.T, b *forwarding.Branch) (e message.Envelope) {
	t.Helper()
	if ok, err := e.Scan(b.Head, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return e
}

func TestAMulticastMessageSaysByWhichTopologyItsWaysWereChosen(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	r.plane.Table.Topology.Store(7)
	from := idleConn(r)
	to, behind := idleNeighbor(r, "B", 1)
	d := idleDelivery(from, &message.Message{Properties: &message.Properties{To: "x"}})
	d.Link.Address = multicastAddress(behind)
	from.Route(d, true)
	copies := liveDeliveries(to)
	if len(copies) != 1 {
		t.Fatalf("there are %d copies", len(copies))
	}
	if e := headOfBranch(t, copies[0]); e.Topology != 7 || e.Number == 0 {
		t.Errorf("it says topology %d, number %d", e.Topology, e.Number)
	}
	r.plane.Table.Topology.Store(6)
	if got := from.Choice.Chooser.Topology(); got != 0 {
		t.Errorf("it says %d where that has changed meanwhile", got)
	}
}

// TestRoutersOfAConvergedMeshMakeNoCopiesOfOneMessage has every next hop remember origins that it never had.
func TestRoutersOfAConvergedMeshMakeNoCopiesOfOneMessage(t *testing.T) {
	t.Parallel()
	n := fullMesh(t, 4)
	eventually(t, "all routers know the same topology", func() error {
		first := n.routers[0].plane.Table.Topology.Load()
		for _, r := range n.routers {
			if x := r.plane.Table.Topology.Load(); x == 0 || x != first {
				return fmt.Errorf("%s knows %x, and not %x", r.ID(), x, first)
			}
		}
		return nil
	})
	all := spf.NewSet(2 * len(n.routers))
	for i := range 2 * len(n.routers) {
		all.Add(i)
	}
	for _, r := range n.routers {
		change(r, func(k *control.Control) {
			for _, p := range k.Routers {
				h := *p.Hop.Load()
				h.Former, h.FormerUntil = all, time.Now().Add(time.Hour)
				p.Hop.Store(&h)
			}
		})
	}
	multicastAcross(t, n)
	for _, r := range n.routers {
		if got := r.view.Sum(false).Totals.FromRouters.Duplicates; got != 0 {
			t.Errorf("%d copies came to %s", got, r.ID())
		}
	}
}

// TestRoutersRememberTheNeighborThatMulticastsComeThrough looks at it after the mesh has changed again and again.
func TestRoutersRememberTheNeighborThatMulticastsComeThrough(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	for _, id := range []string{"D", "E"} {
		n.add(plan{id: id, to: []*Router{n.node("C")}})
		n.converge()
		for _, r := range n.routers {
			for _, other := range n.routers {
				if other == r {
					continue
				}
				eventually(t, "the neighbor is the one that leads there", func() error {
					p := r.peerNamed(other.ID())
					if p == nil || p.Upstream.Load() == nil {
						return fmt.Errorf("%s knows none for %s", r.ID(), other.ID())
					}
					want := n.way(r.ID(), other.ID())
					if want == "" { // a neighbor itself
						want = other.ID()
					}
					if got := *p.Upstream.Load(); got != want {
						return fmt.Errorf("at %s it is %q for %s, not %q", r.ID(), got, other.ID(), want)
					}
					return nil
				})
			}
		}
	}
}
