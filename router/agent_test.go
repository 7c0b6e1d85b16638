package router

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// TestManagementRequestsThatNeverEndDoNotPileUp begins many of which a megabyte could still come.
func TestManagementRequestsThatNeverEndDoNotPileUp(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	const conns, each = 10, 5
	var peers []*raw
	for range conns {
		p := rawBegin(t, r)
		peers = append(peers, p)
		for handle := range uint32(each) {
			if credit := p.attachSender(handle, forwarding.ManagementAddress); credit > forwarding.RequestCredit {
				t.Errorf("a sender of requests gets credit for %d", credit)
			}
			x := p.first(handle)
			x.More = true
			p.send(transfer(x, body("half")))
			for range 3 {
				p.send(transfer(wire.Transfer{Handle: handle, More: true}, strings.Repeat("x", 50_000)))
			}
		}
	}
	eventually(t, "all of them have come, and few are held", func() error {
		r.agent.conn.Mu.Lock()
		defer r.agent.conn.Mu.Unlock()
		waiting := r.agent.inbox.Outstanding.Load()
		if got := len(r.agent.pending); got != maxArriving || waiting != maxArriving {
			return fmt.Errorf("%d are pending, %d handed over", got, waiting)
		}
		for _, b := range r.agent.pending {
			if b.State == forwarding.BranchOver {
				return errors.New("one that is over is pending")
			}
		}
		return nil
	})
	if rows := connect(t, r).manager().query(forwarding.ManagementAddress, "connection"); len(rows) < conns {
		t.Errorf("%d connections are shown", len(rows))
	}
	rejected := 0
	for _, p := range peers {
		for handle := range uint32(each) { // the last frame brings the outcome
			p.send(transfer(wire.Transfer{Handle: handle}, ""))
		}
		for settled := 0; settled < each; {
			x := want[*wire.Disposition](p, "each has an outcome")
			n := int(x.Last - x.First + 1)
			if settled += n; x.State.Kind == wire.StateRejected {
				rejected += n
			}
		}
	}
	if rejected < conns*each-maxArriving {
		t.Errorf("%d requests are rejected", rejected)
	}
}

func TestManagementRequestsBeyondABoundAreRejected(t *testing.T) {
	t.Parallel()
	r := alone(t).node("A")
	s := connect(t, r).sender(forwarding.ManagementAddress, nil)
	r.agent.inbox.Outstanding.Add(forwarding.MaxRequests) // as if so many were waiting
	state, ok := s.send(text("x")).(*amqp.StateRejected)
	if !ok || state.Error == nil || state.Error.Condition != amqp.ErrCondResourceLimitExceeded {
		t.Errorf("the request is %v", state)
	}
	r.agent.inbox.Outstanding.Add(-forwarding.MaxRequests)
	if rows := connect(t, r).manager().query(forwarding.ManagementAddress, "connection"); len(rows) == 0 {
		t.Error("the agent shows no connections")
	}
}
