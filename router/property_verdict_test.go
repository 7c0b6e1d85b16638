package router

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// verdicts checks the outcome of every message against what its consumers know, when nothing is on its way any more.
func (g *book) verdicts() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parcels {
		if err := g.verdict(p); err != nil {
			g.report("%v: %v", err, p)
		}
	}
}

// verdict tells what is wrong with the outcome of a message.
func (g *book) verdict(p *parcel) error {
	if p.state == parcelWriting {
		return fmt.Errorf("the test left it unfinished")
	}
	if p.settled || p.state == parcelAborted {
		return nil
	}
	if p.outcome.Kind == wire.StateNone {
		if p.forgotten {
			return nil
		}
		return fmt.Errorf("its sender has heard no outcome")
	}
	if err := g.sound(p); err != nil {
		return err
	}
	return g.complete(p)
}

// sound tells whether the outcome says more than is true.
func (g *book) sound(p *parcel) error {
	at := g.place(p.address)
	switch p.outcome.Kind {
	case wire.StateAccepted:
		for _, c := range p.copies {
			if c.said.Kind == wire.StateAccepted || c.at.settled && (c.whole || c.cut) {
				return nil
			}
		}
		if at.settledCut || at.readers > 0 && g.disturbed {
			return nil // a consumer of settled deliveries went without reading it
		}
		return fmt.Errorf("no consumer accepted it")
	case wire.StateRejected:
		return p.unaltered()
	case wire.StateReleased:
		for _, c := range p.copies {
			if c.said.Kind != wire.StateReleased {
				return fmt.Errorf("released, but octets of it were offered to %s", c.at.name)
			}
		}
	case wire.StateModified:
		err := p.unaltered()
		if err == nil || !bytes.Equal(p.outcome.Append(nil), forwarding.DeliveryFailed.Append(nil)) {
			return err
		}
		for _, c := range p.copies { // in doubt: offered, and its consumer was gone before its word was read
			if c.gone && (c.said.Kind == wire.StateNone || c.cut) {
				return nil
			}
		}
		if g.disturbed || at.cuts > 0 {
			return nil
		}
		return fmt.Errorf("modified, but every consumer that was offered it has said something else")
	}
	return nil
}

// unaltered tells whether the outcome is one that a consumer said, with all its fields.
func (p *parcel) unaltered() error {
	for _, c := range p.copies {
		if bytes.Equal(c.said.Append(nil), p.outcome.Append(nil)) {
			return nil
		}
	}
	return fmt.Errorf("no consumer said what its sender heard")
}

// complete tells whether the outcome says less than is true: what consumers said, and the router has read, counts.
func (g *book) complete(p *parcel) error {
	if g.disturbed || p.forgotten {
		return nil
	}
	for _, c := range p.copies {
		if c.cut || c.late || c.said.Kind == wire.StateNone {
			continue
		}
		if forwarding.Rank(c.said.Kind) > forwarding.Rank(p.outcome.Kind) {
			return fmt.Errorf("%s said %s", c.at.name, showState(c.said))
		}
	}
	return nil
}

// presettled counts the pre-settled messages that were sent whole, and those that no consumer was offered. Up to unsure
// others may be counted as dropped too: those that a consumer has only a part of, and those that their senders settled
// or gave up on the way, whatever their consumers said then.
func (g *book) presettled() (sent, lost, unsure int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.parcels {
		whole := slices.ContainsFunc(p.copies, func(c *parcelCopy) bool { return c.whole })
		certain := p.settled && p.state == parcelWhole
		if certain {
			sent++
		}
		switch {
		case certain && len(p.copies) == 0:
			lost++
		case certain && !whole, !certain && p.forgotten && p.outcome.Kind == wire.StateNone:
			unsure++
		}
	}
	return sent, lost, unsure
}

// anyCut tells whether a consumer went without reading what was on its way to it.
func (g *book) anyCut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, at := range g.places {
		if at.cuts > 0 {
			return true
		}
	}
	return false
}
