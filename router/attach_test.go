package router

import (
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
)

func TestAttachesThatCannotBeServedAreAnsweredAndDetached(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	owner := connect(t, n.node("A")).receiverWith("", &amqp.ReceiverOptions{DynamicAddress: true})
	source := func(address string) *wire.Source { return &wire.Source{Address: address, HasAddress: true} }
	target := func(address string) *wire.Target { return &wire.Target{Address: address, HasAddress: true} }
	receiver := func(s *wire.Source) *wire.Attach {
		return &wire.Attach{Role: wire.RoleReceiver, Source: s, Target: &wire.Target{}}
	}
	sender := func(t *wire.Target) *wire.Attach {
		return &wire.Attach{Role: wire.RoleSender, HasInitialDelivery: true, Source: &wire.Source{}, Target: t}
	}
	p := rawBegin(t, n.node("A"))
	handle := uint32(0)
	for name, c := range map[string]struct {
		attach    *wire.Attach
		condition wire.Symbol
	}{
		"a transaction coordinator": {&wire.Attach{Role: wire.RoleSender, HasInitialDelivery: true, Source: &wire.Source{},
			Coordinator: &wire.Coordinator{}}, wire.ErrPreconditionFailed},
		"a receiver without a source":          {receiver(nil), wire.ErrInvalidField},
		"a receiver without an address":        {receiver(&wire.Source{}), wire.ErrInvalidField},
		"a receiver with an empty address":     {receiver(source("")), wire.ErrInvalidField},
		"a receiver on $management":            {receiver(source("$management")), wire.ErrUnauthorizedAccess},
		"a receiver on _local/$management":     {receiver(source("_local/$management")), wire.ErrUnauthorizedAccess},
		"a receiver on this router's agent":    {receiver(source("_topo/0/A/$management")), wire.ErrUnauthorizedAccess},
		"a receiver on another router's":       {receiver(source("_topo/0/B/$management")), wire.ErrUnauthorizedAccess},
		"a receiver on somebody's replies":     {receiver(source(owner.link.Address())), wire.ErrUnauthorizedAccess},
		"a receiver on the routers' own links": {receiver(source("_local/qdhello")), wire.ErrUnauthorizedAccess},
		"a receiver on all routers":            {receiver(source("_topo/all/all/qdrouter")), wire.ErrUnauthorizedAccess},
		"a receiver on edge addresses":         {receiver(source("_edge/e/x")), wire.ErrUnauthorizedAccess},
		"a receiver on a reserved address":     {receiver(source("_$qd.addr_lookup")), wire.ErrUnauthorizedAccess},
		"a receiver on an unavailable address": {receiver(source("unavailable/x")), wire.ErrNotFound},
		"a sender to an unavailable address":   {sender(target("unavailable/x")), wire.ErrNotFound},
	} {
		a := c.attach
		a.Name, a.Handle, a.SndSettleMode = name, handle, wire.SenderMixed
		handle++
		p.send(a)
		answer := want(p, name+" is answered", func(x *wire.Attach) bool { return x.Name == name })
		if a.Role == wire.RoleReceiver && answer.Source != nil || a.Role == wire.RoleSender && answer.Target != nil {
			t.Errorf("%s: the answer has a terminus, which says that the link is there [2.6.3]", name)
		}
		p.wantDetach(name, a.Handle, c.condition)
	}
	p.attachReceiver(0, "closest/x", 1) // the first handles of both sides are free again
}

func TestAttachAnswersWhatIsInEffect(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawBegin(t, n.node("A"))
	filter, _ := wire.AppendValue(nil, wire.Map{{Key: wire.Symbol("f"), Value: "x"}})
	p.send(&wire.Attach{Name: "in", Handle: 0, Role: wire.RoleReceiver, RcvSettleMode: wire.ReceiverSecond,
		Source: &wire.Source{Address: "closest/x", HasAddress: true, Filter: filter, DistributionMode: "copy"},
		Target: &wire.Target{Address: "mine", HasAddress: true}})
	a := p.attached(0)
	switch {
	case a.Source == nil || a.Source.Address != "closest/x":
		t.Errorf("the source is %+v", a.Source)
	case a.Source.Filter != nil || a.Source.DistributionMode != "":
		t.Errorf("the source promises a filter or a distribution mode: %+v", a.Source)
	case a.Target == nil || a.Target.Address != "mine":
		t.Errorf("the target is %+v", a.Target)
	case a.RcvSettleMode != wire.ReceiverFirst:
		t.Error("rcv-settle-mode second is claimed but not honoured")
	}
	p.send(&wire.Attach{Name: "out", Handle: 1, Role: wire.RoleSender, SndSettleMode: wire.SenderUnsettled,
		HasInitialDelivery: true, Source: &wire.Source{Address: "me", HasAddress: true},
		Target: &wire.Target{Address: "closest/x", HasAddress: true}})
	a = p.attached(1)
	if a.Source == nil || a.Source.Address != "me" || a.Target == nil || a.Target.Address != "closest/x" {
		t.Errorf("the termini are %+v and %+v", a.Source, a.Target)
	}
}

func TestSendersToAddressesThatOnlyRoutersUseAreHeardByNobody(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	s := connect(t, n.node("A")).sender("", nil)
	for _, address := range []string{"_local/qdhello", "_topo/0/B/qdrouter", "_topo/0/all/qdrouter", "qdrouter", "qdhello",
		"_topo/0/B/qdrouter.ma", "_topo/0/C/$management", "_topo/1/B/$management", "_edge/e/x", "_local/x", "_topo/0/A/x"} {
		wantReleased(t, address, s.send(to(address, text("x"))))
	}
	for _, r := range n.routers {
		r.control.Mu.Lock()
		dropped := r.control.Mesh.Counters().Dropped
		r.control.Mu.Unlock()
		for reason, count := range dropped {
			if count > 0 {
				t.Errorf("a client's message reached the mesh of %s: %v", r.ID(), mesh.DropReason(reason))
			}
		}
	}
}
