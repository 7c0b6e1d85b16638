package router

import (
	"errors"
	"time"
)

// leaveMesh detaches the control links of a connection with a neighbor: it is no adjacency any more then.
func (c *Endpoint) leaveMesh() {
	var w wakes
	c.mu.Lock()
	for _, l := range c.links {
		if l != nil && l.kind == linkControl && l.attached {
			w.post(c, note{kind: noteDetach, link: l})
		}
	}
	c.mu.Unlock()
	w.flush()
}

// busy says what is under way on a connection, or may be, that is to end.
func (c *Endpoint) busy(now, since time.Time) error {
	if c.near.Gone.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		switch {
		case l == nil || l.Dead.Load() || l.kind == linkControl:
		case l.outgoing && l.queued+l.unsettled > 0 || !l.outgoing && l.inHand > 0:
			return errors.New("deliveries are under way")
		}
	}
	if c.clock.lastDelivery.After(since) {
		since = c.clock.lastDelivery
	}
	if now.Sub(since) < drainQuiet {
		return errors.New("the other router may still send messages")
	}
	return nil
}
