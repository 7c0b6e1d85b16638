package attack

import (
	"context"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// Ranges is an attack with ranges of dispositions over very many live deliveries. The name is a kind in rangeKinds.
func Ranges(kind string, mesh bool) Attack {
	const senders, links = 4, 100
	var consumer *peer
	var producers []*peer
	live := 0
	a := Attack{Name: "ranges: " + kind, Mesh: mesh, UnderFire: true, Lean: true}
	if mesh {
		a.Time = strikeLimit * 4 / 3 // a neighbor is patient for a while
	}
	a.Prepare = func(s *Scene) (err error) {
		consumer, producers, live, err = s.unsettled(senders, links)
		s.note("%d deliveries are unsettled", live)
		return err
	}
	a.Strike = func(ctx context.Context, s *Scene) {
		if mesh {
			go s.sendFromNeighbor(ctx)
		}
		attackers := []*peer{consumer}
		last := uint32(live - 1)
		if kind == ofSenders {
			attackers, last = producers, uint32(live/senders-1)
		}
		for _, p := range attackers {
			var all []byte
			for i := range 8000 {
				all = append(all, rangeKinds[kind](i, last)...)
			}
			if err := p.send(all); err != nil {
				s.note("the router takes no more (%v)", err)
			}
		}
		if mesh {
			rest(ctx)
		}
		pause(ctx, time.Second)
	}
	return a
}

// The kinds of ranges.
const (
	ofSameState  = "the same state, again and again"
	ofStates     = "another state each time"
	ofOutcomes   = "an outcome, unsettled, again and again"
	ofOther      = "another outcome each time, unsettled"
	ofHalves     = "halves in turn"
	ofNothing    = "deliveries that are not there"
	ofEverything = "all numbers"
	ofSenders    = "of senders"
)

// rangeKinds makes the dispositions of each kind, given the number of the disposition and the last live delivery.
var rangeKinds = map[string]func(i int, last uint32) []byte{
	ofSameState: func(_ int, last uint32) []byte {
		return disposition(wire.RoleReceiver, 0, last, false, received(0))
	},
	ofStates: func(i int, last uint32) []byte {
		return disposition(wire.RoleReceiver, 0, last, false, received(uint64(i)))
	},
	ofOutcomes: func(_ int, last uint32) []byte {
		return disposition(wire.RoleReceiver, 0, last, false, accepted)
	},
	ofOther: func(i int, last uint32) []byte {
		return disposition(wire.RoleReceiver, 0, last, false, []wire.State{accepted, released}[i%2])
	},
	ofHalves: func(i int, last uint32) []byte {
		if i%2 == 0 {
			return disposition(wire.RoleReceiver, 0, last/2, false, received(uint64(i)))
		}
		return disposition(wire.RoleReceiver, last/2, last, false, received(uint64(i)))
	},
	ofNothing: func(_ int, last uint32) []byte {
		return disposition(wire.RoleReceiver, last+1, last+1<<30, false, received(0))
	},
	ofEverything: func(i int, _ uint32) []byte {
		return disposition(wire.RoleReceiver, uint32(i), most-1, false, received(uint64(i)))
	},
	ofSenders: func(i int, last uint32) []byte {
		return disposition(wire.RoleSender, 0, last, false, received(uint64(i)))
	},
}

// sendFromNeighbor sends to the consumer from the neighbor. Whoever reads from the neighbor meets the consumer's
// connection, then.
func (s *Scene) sendFromNeighbor(ctx context.Context) {
	p, err := dial(s.neighbor.Clients, 0)
	if err != nil {
		s.note("nothing is sent from the neighbor: %v", err)
		return
	}
	defer p.close()
	p.start("beside")
	p.send(sender(0, "unsettled"))
	sent, err := p.pump(ctx, load{links: 1, payload: always(data(1))})
	s.note("%d messages were sent from the neighbor (%v)", sent, err)
}
