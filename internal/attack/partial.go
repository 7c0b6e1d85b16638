package attack

import (
	"context"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// partialConnections is how many connections begin a frame and do not end it.
const partialConnections = 1500

// partialTime is how long nothing more is said after a part of a frame.
const partialTime = time.Second

// Partial is an attack with connections that are open, and then send the given octets of a frame, and no more.
func Partial(octets string, limit string) Attack {
	a := Attack{Name: fmt.Sprintf("%d octets of a frame", len(octets)), Limit: limit}
	var peers []*peer
	a.Prepare = func(s *Scene) (err error) {
		peers, err = s.crowd(wire.HeaderAMQP[:], open("partial"))
		return err
	}
	a.Strike = func(ctx context.Context, s *Scene) {
		s.each(peers, []byte(octets))
		pause(ctx, partialTime)
	}
	return a
}

// PartialDrip is an attack with connections that announce a large frame, and send an octet of it now and then.
func PartialDrip(limit string) Attack {
	a := Partial(largeFrame, limit)
	a.Name = "an octet now and then"
	begin := a.Strike
	a.Strike = func(ctx context.Context, s *Scene) {
		begin(ctx, s)
		for _, octet := range []byte{2, 0, 0, 0, 0, 0x53, 0x14, 0xd0} {
			s.each(s.peers, []byte{octet})
			pause(ctx, 100*time.Millisecond)
		}
	}
	return a
}

// PartialHandshake is an attack with connections that send a protocol header and the given octets, before any open.
func PartialHandshake(name string, header wire.ProtocolHeader, octets string, limit string) Attack {
	return Attack{Name: name, Limit: limit, Strike: func(ctx context.Context, s *Scene) {
		if _, err := s.crowd(header[:], []byte(octets)); err != nil {
			s.note("connecting ended with %v", err)
		}
		pause(ctx, partialTime)
	}}
}

// The first octets of frames: one of 64 KiB, one of SASL that is as large as it may be.
const (
	largeFrame = "\x00\x01\x00\x00"
	saslFrame  = "\x00\x00\x02\x00\x02\x01\x00\x00\x00\x53\x41"
)

// crowd opens very many connections that say something first.
func (s *Scene) crowd(first ...[]byte) (peers []*peer, err error) {
	for range partialConnections {
		p, err := s.dial(0)
		if err == nil {
			err = p.send(first...)
		}
		if err != nil {
			return peers, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// each sends something on each connection; those that the router has closed do not count.
func (s *Scene) each(peers []*peer, b []byte) {
	gone := 0
	for _, p := range peers {
		if p.send(b) != nil {
			gone++
		}
	}
	if gone > 0 {
		s.note("%d connections are gone", gone)
	}
}
