package attack

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// silentBuffer is the socket's read buffer of a client that does not read, so that little fits into it.
const silentBuffer = 4 << 10

// silent connects a client that reads nothing, not even the answer to its open.
func (s *Scene) silent(first ...[]byte) (*peer, error) {
	p, err := s.dial(silentBuffer)
	if err != nil {
		return nil, err
	}
	return p, p.send(append([][]byte{wire.HeaderAMQP[:], open("silent"), begin(0)}, first...)...)
}

// silentSenders connects a client that reads until its senders have credit, and nothing more.
func (s *Scene) silentSenders(links int, address string) (*peer, error) {
	var attaches []byte
	for i := range uint32(links) {
		attaches = append(attaches, sender(i, address)...)
	}
	p, err := s.silent(attaches)
	for granted := 0; err == nil && granted < links; {
		var f *wire.Flow
		if f, err = await[wire.Flow](p, patience); err == nil && f.HasHandle && f.LinkCredit > 0 {
			granted++
		}
	}
	return p, err
}

// unreadLimit is how long an attack lasts that ends as soon as the router takes no more.
const unreadLimit = 6 * time.Second

// unread is an attack of one client that sends what has to be answered, and reads nothing.
func unread(name string, first []byte, next func(i int) []byte) Attack {
	return Attack{Name: name, Time: unreadLimit, Strike: func(ctx context.Context, s *Scene) {
		p, err := s.silent(first)
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		i := 0
		s.pour(ctx, p, func() []byte {
			i++
			return next(i - 1)
		})
	}}
}

// same says the same again and again.
func same(b ...[]byte) func(int) []byte {
	all := repeat(join(b...))
	return func(int) []byte { return all }
}

// many returns a function that puts a number of things behind each other, each made for its own number.
func many(count int, unit func(i int) []byte) func(int) []byte {
	return func(block int) (all []byte) {
		for i := range count {
			all = append(all, unit(block*count+i)...)
		}
		return all
	}
}

// UnreadBegins begins and ends sessions.
func UnreadBegins() Attack { return unread("unread begins", nil, same(begin(1), end(1))) }

// UnreadSessionErrors begins sessions and makes each end with an error.
func UnreadSessionErrors() Attack {
	return unread("unread session errors", nil, same(begin(1), detach(1, 7), end(1)))
}

// UnreadRejections sends messages to an anonymous terminus that no decoder takes.
func UnreadRejections() Attack {
	unit := many(500, func(i int) []byte {
		x := wire.Transfer{DeliveryID: uint32(i), HasDeliveryID: true, HasMessageFormat: true,
			DeliveryTag: binary.BigEndian.AppendUint32(nil, uint32(i))}
		return frame(0, &x, byte(i%7+1), 2, 3)
	})
	return Attack{Name: "unread rejections", Time: unreadLimit, Strike: func(ctx context.Context, s *Scene) {
		p, err := s.silentSenders(1, "")
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		i := 0
		s.pour(ctx, p, func() []byte {
			i++
			return unit(i - 1)
		})
	}}
}

// UnreadRefusals attaches links to an address that is too long.
func UnreadRefusals() Attack {
	link := receiver(strings.Repeat("n", 1000), 0, strings.Repeat("a", 1025))
	return unread("unread refused attaches", nil, same(link, detach(0, 0)))
}

// UnreadAttaches attaches links that are accepted, and detaches them.
func UnreadAttaches() Attack {
	link := receiver(strings.Repeat("n", 1000), 0, strings.Repeat("a", 1000))
	return unread("unread attaches", nil, same(link, detach(0, 0)))
}

// UnreadDynamic attaches receivers with an address of the router's choice, and detaches them.
func UnreadDynamic() Attack {
	return unread("unread dynamic attaches", nil, many(1000, func(i int) []byte {
		return join(receiver(fmt.Sprint(i), 0, ""), detach(0, 0))
	}))
}

// UnreadSessionEchoes asks for the state of a session.
func UnreadSessionEchoes() Attack {
	return unread("unread echoes of a session", nil, same(frame(0, &wire.Flow{HasNextIncomingID: true,
		IncomingWindow: most, OutgoingWindow: most, Echo: true})))
}

// UnreadLinkEchoes asks for the states of a hundred links in turn.
func UnreadLinkEchoes() Attack {
	var links, flows []byte
	for i := range uint32(100) {
		links = append(links, receiver(fmt.Sprint("echo", i), i, fmt.Sprint("echo.", i))...)
		flows = append(flows, frame(0, &wire.Flow{HasNextIncomingID: true, IncomingWindow: most, OutgoingWindow: most,
			HasHandle: true, Handle: i, HasDeliveryCount: true, HasLinkCredit: true, LinkCredit: 1, Echo: true})...)
	}
	return unread("unread echoes of links", links, same(flows))
}

// UnreadDrains grants credit and takes it back, so that the router has to say each time that it has used it up.
func UnreadDrains() Attack {
	return unread("unread drains", receiver("drain", 0, "drain"), many(1000, func(i int) []byte {
		return frame(0, &wire.Flow{HasNextIncomingID: true, IncomingWindow: most, OutgoingWindow: most, HasHandle: true,
			HasDeliveryCount: true, DeliveryCount: uint32(10 * i), HasLinkCredit: true, LinkCredit: 10, Drain: true})
	}))
}

// SlowReader begins and ends sessions, and reads an octet a second of the answers.
func SlowReader() Attack {
	begins := same(begin(1), end(1))
	return Attack{Name: "an octet a second is read", Time: unreadLimit, Strike: func(ctx context.Context, s *Scene) {
		p, err := s.silent()
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		p.trickle()
		s.pour(ctx, p, func() []byte { return begins(0) })
	}}
}

// ManySilent is a hundred clients that begin and end sessions, and read nothing.
func ManySilent() Attack {
	const clients = 100
	begins := same(begin(1), end(1))
	name := "a hundred clients that do not read"
	return Attack{Name: name, Time: unreadLimit, Strike: func(ctx context.Context, s *Scene) {
		done := make(chan struct{})
		for range clients {
			go func() {
				defer func() { done <- struct{}{} }()
				if p, err := s.silent(); err == nil {
					for ctx.Err() == nil && s.sent() < sentLimit && p.send(begins(0)) == nil {
						continue
					}
				}
			}()
		}
		for range clients {
			<-done
		}
	}}
}

// UnreadOutcomes settles the messages of a sender that reads nothing, each with another outcome than the one before.
func UnreadOutcomes() Attack {
	outcomes := []wire.State{accepted, released, wire.RejectedState(nil), wire.ModifiedState(true, false, nil)}
	return settled("unread outcomes", data(1), func(i int) wire.State { return outcomes[i%len(outcomes)] })
}

// UnreadReasons rejects the messages of a sender that reads nothing, each with a long reason of its own.
func UnreadReasons() Attack {
	reason := strings.Repeat("r", 48<<10)
	return settled("unread long reasons", data(1), func(i int) wire.State {
		return wire.RejectedState(&wire.Error{Condition: "attack:no", Description: fmt.Sprint(i, reason)})
	})
}

// settled is an attack with a receiver that settles, and a sender that sends as many messages as were settled, so that
// it never exceeds its credit though it does not read.
func settled(name string, payload []byte, outcome func(i int) wire.State) Attack {
	const links, ahead = 10, 30 // messages under way on each link, far fewer than its credit
	return Attack{Name: name, Time: unreadLimit, Strike: func(ctx context.Context, s *Scene) {
		r, err := s.dial(0)
		if err == nil {
			err = r.start("settles")
		}
		if err == nil {
			err = r.send(receiver("in", 0, "settle"), credit(0, 0, most))
		}
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		if _, err = await[wire.Attach](r, patience); err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		p, err := s.silentSenders(links, "settle")
		for i := 0; err == nil && i < links*ahead; i++ {
			b, _ := p.transfer(uint32(i%links), payload, false)
			err = p.send(b)
		}
		for i := 0; err == nil && ctx.Err() == nil && s.sent() < sentLimit; i++ {
			var x *wire.Transfer
			if x, err = await[wire.Transfer](r, writeLimit); err != nil {
				break
			}
			if err = r.send(disposition(wire.RoleReceiver, x.DeliveryID, x.DeliveryID, true, outcome(i))); err == nil {
				b, _ := p.transfer(x.DeliveryID%links, payload, false)
				err = p.send(b)
			}
		}
		s.note("%d messages were sent (%v)", p.ids, err)
	}}
}
