package forwarding

import "time"

// This file holds back what comes from other routers when memory is short. A link between routers is never held back
// for one of the many senders whose messages it carries. So the router where most of what waits came into the mesh is
// asked to give the senders of that address no credit. One that does not understand that, qdrouterd, gets back what
// nobody was offered.

const (
	// WithholdLease is for how long credit is withheld at another router, unless it is asked again.
	WithholdLease = 2500 * time.Millisecond
	// WithholdPause is the time between two looks at who is to be asked.
	WithholdPause = time.Second
	// originsMost is how many origins are told apart in one look at an endpoint.
	originsMost = 16
	// originLeast is how many octets of an origin have to wait before something is done about it.
	originLeast = 64 << 10
)

// waitingOrigin is what waits on one outgoing link for messages of one ingress router.
type waitingOrigin struct {
	link    *Link
	ingress int // number of the router
	octets  int
	last    *Delivery
}

// HoldOrigins looks through the queues of the endpoint, as far as the budget of a turn goes, for messages that came
// from other routers. It has the origins of most of them told (EventWithhold). What is of a router for which foreign
// says so is given back, as long as give is set. It does nothing while somebody works with the endpoint.
func (c *Endpoint) HoldOrigins(foreign func(ingress int) bool, give bool, woken *Wakes) {
	if !c.Mu.TryLock() {
		return
	}
	defer c.unlock(woken)
	if c.Engine == nil || c.Near.Gone.Load() || c.Crashed.Load() {
		return
	}
	origins, most := c.waitingOrigins()
	for i := range origins {
		o := &origins[i]
		switch {
		case o.octets < max(originLeast, most/4):
		case foreign(o.ingress):
			if give {
				c.giveBackFrom(o)
			}
		default:
			o.last.Refs.Add(1)
			if !c.Wakes.Post(o.last.Origin, Note{Kind: noteHold, d: o.last}) {
				o.last.Drop(false)
			}
		}
	}
	if len(c.Turns.ready) > 0 {
		c.Wakes.Ends = append(c.Wakes.Ends, c)
	}
}

// waitingOrigins returns the origins of what waits here, and the octets of the largest. The mutex is held.
func (c *Endpoint) waitingOrigins() (origins []waitingOrigin, most int) {
	units := 0
	for i := range c.Links {
		if units >= turnUnits {
			break
		}
		units++
		l := c.Links[(c.work.looked+i)%len(c.Links)]
		if l == nil || !l.Outgoing || l.Kind == LinkControl {
			continue
		}
		for b := l.Head; b != nil && units < turnUnits; b = b.Next {
			units++
			if b.State == branchQueued {
				origins = addOrigin(origins, b)
			}
		}
	}
	c.work.looked += units
	c.Inbox.Mu.Lock() // what its peer does not make room for stays there
	for i := 0; i < len(c.Inbox.Notes) && i < turnUnits; i++ {
		if n := &c.Inbox.Notes[i]; n.Kind == NoteDeliver {
			origins = addOrigin(origins, n.Branch)
		}
	}
	c.Inbox.Mu.Unlock()
	for i := range origins {
		most = max(most, origins[i].octets)
	}
	return origins, most
}

// addOrigin counts a branch to its origin.
func addOrigin(origins []waitingOrigin, b *Branch) []waitingOrigin {
	d := b.Delivery
	if !d.Transit {
		return origins
	}
	for i := range origins {
		if o := &origins[i]; o.link == b.Link && o.ingress == d.ingress {
			o.octets, o.last = o.octets+b.Size, d
			return origins
		}
	}
	if len(origins) == originsMost {
		return origins
	}
	return append(origins, waitingOrigin{link: b.Link, ingress: d.ingress, octets: b.Size, last: d})
}

// giveBackFrom gives the messages of an origin back that wait in the queue of a link. Settled ones are dropped. The
// mutex is held.
func (c *Endpoint) giveBackFrom(o *waitingOrigin) {
	units := 0
	for b := o.link.Head; b != nil && units < turnUnits; units++ {
		next := b.Next
		if d := b.Delivery; b.State == branchQueued && d.Transit && d.ingress == o.ingress {
			c.takeOut(b)
			if !b.Settled || d.Wanted {
				c.Over(b, Released)
			} else {
				c.dropSettled(b)
			}
		}
		b = next
	}
}

// holdOrigin has the control loop ask the router where a delivery came into the mesh to hold back the senders of its
// address. The mutex is held.
func (c *Endpoint) holdOrigin(d *Delivery) {
	if d.address != nil && d.ingress > 0 {
		c.Plane.Events.Put(Event{Kind: EventWithhold, End: c, Address: d.address, Ingress: d.ingress})
	}
}
