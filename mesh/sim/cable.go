package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/postroad/postroad/mesh"
)

// Cable connects two routers.
type Cable struct {
	Cost    int
	Latency time.Duration // one way
	Jitter  time.Duration // up to so much is added for each message

	world   *World
	routers [2]*Router
	state   cableState
	life    int // counts connections
	links   [2]mesh.LinkID
	joined  [2]bool      // the link at this end is up
	last    [2]time.Time // arrival of the last message from this end
}

type cableState uint8

const (
	cableWhole cableState = iota
	cableDead             // everything that goes in gets lost, and nobody has noticed
	cableCut
)

// overtaking is how much later a message may come that others overtake.
const overtaking = 30 * time.Millisecond

// noticeMax is how long it takes a router at most to notice that a connection has begun or ended.
const noticeMax = 20 * time.Millisecond

// Connect lays a cable.
func (w *World) Connect(a, b *Router, cost int, latency time.Duration) *Cable {
	c := &Cable{Cost: cost, Latency: latency, world: w, routers: [2]*Router{a, b}}
	w.Cables = append(w.Cables, c)
	c.connect()
	return c
}

// Whole reports whether the cable is neither cut nor dead and both routers are up.
func (c *Cable) Whole() bool { return c.state == cableWhole && c.routers[0].Up() && c.routers[1].Up() }

// SetLatency changes how long messages take. They do not overtake others for that.
func (c *Cable) SetLatency(latency time.Duration) {
	c.world.log("%s-%s takes %v", c.routers[0].ID, c.routers[1].ID, latency)
	c.Latency = latency
}

// cost returns what the router at this end says that the cable costs: where costs are measured, they are its own.
func (c *Cable) cost(side int) int {
	n := c.routers[side].Node()
	if n == nil || !c.world.Measured {
		return c.Cost
	}
	for _, l := range n.Links() {
		if l.Link == c.links[side] {
			return l.Cost
		}
	}
	return c.Cost
}

// Cut cuts the cable, which both ends notice after a moment.
func (c *Cable) Cut() {
	if c.state != cableCut {
		c.world.log("cut %s-%s", c.routers[0].ID, c.routers[1].ID)
		c.state = cableCut
		c.disconnect()
	}
}

// Kill makes the cable swallow everything. The ends notice nothing but that they do not hear each other.
func (c *Cable) Kill() {
	if c.state == cableWhole {
		c.world.log("kill %s-%s", c.routers[0].ID, c.routers[1].ID)
		c.state = cableDead
	}
}

// Reconnect ends the connection and makes a new one, as routers do with one that they take for dead.
func (c *Cable) Reconnect() {
	c.disconnect()
	w, life := c.world, c.life
	w.After(w.Between(0, reconnecting), func() {
		if c.life == life && c.state == cableWhole {
			c.connect()
		}
	})
}

// reconnecting is how long it takes at most until a connection that a router has ended is made again.
const reconnecting = 200 * time.Millisecond

// Restore makes the cable work again. If it was dead, a new connection takes the place of the old one.
func (c *Cable) Restore() {
	if c.state == cableWhole {
		return
	}
	c.world.log("restore %s-%s", c.routers[0].ID, c.routers[1].ID)
	if c.state == cableDead {
		c.disconnect()
	}
	c.state = cableWhole
	c.connect()
}

// connect makes a connection, whose ends come up one after the other.
func (c *Cable) connect() {
	w := c.world
	if !c.Whole() {
		return
	}
	c.life++
	life := c.life
	c.joined, c.last = [2]bool{}, [2]time.Time{}
	for side, r := range c.routers {
		w.After(time.Duration(w.Rand.Int64N(int64(noticeMax))), r.awake(func() {
			if c.life != life || r.engine == nil || c.state == cableCut {
				return
			}
			r.links++
			c.links[side], c.joined[side] = r.links, true
			r.ends[r.links] = end{c, side}
			r.engine.LinkUp(r.now(), r.links, c.Cost, "", c.routers[1-side].Kind == Postroad)
			if n := r.Node(); n != nil && w.Measured {
				n.MeasureCost(r.now(), r.links)
			}
			r.drain()
		}))
	}
}

// disconnect ends the connection. What is on its way gets lost.
func (c *Cable) disconnect() {
	w := c.world
	c.life++
	for side, r := range c.routers {
		if !c.joined[side] {
			continue
		}
		c.joined[side] = false
		link, life := c.links[side], r.life
		w.After(time.Duration(w.Rand.Int64N(int64(noticeMax))), r.awake(func() {
			if r.engine == nil || r.life != life {
				return
			}
			r.engine.LinkDown(r.now(), link)
			r.drain()
			delete(r.ends, link)
		}))
	}
}

// send puts a message into the cable.
func (c *Cable) send(side int, payload []byte) {
	w := c.world
	w.messages++
	if c.state != cableWhole || !c.joined[side] {
		return
	}
	if w.Loss > 0 && w.Rand.Float64() < w.Loss {
		w.lossy = w.now
		return
	}
	at := w.now.Add(c.Latency)
	if c.Jitter > 0 {
		at = at.Add(time.Duration(w.Rand.Int64N(int64(c.Jitter))))
	}
	switch {
	case w.Overtake > 0 && w.Rand.Float64() < w.Overtake: // it is overtaken by those that come after it
		at = at.Add(time.Duration(w.Rand.Int64N(int64(overtaking))))
		w.lossy = w.now
	case at.Before(c.last[side]):
		at = c.last[side]
		fallthrough
	default:
		c.last[side] = at
	}
	copies := 1
	if w.Rand.Float64() < w.Double {
		copies = 2
	}
	for range copies {
		w.schedule(at, occurrence{cable: c, life: c.life, from: side, payload: payload})
	}
}

// arrive takes a message out of the cable.
func (c *Cable) arrive(o occurrence) {
	to := 1 - o.from
	r := c.routers[to]
	if o.life != c.life || c.state != cableWhole || r.engine == nil {
		return
	}
	if r.stalled.After(c.world.now) { // it waits to be read
		c.world.schedule(r.stalled, o)
		return
	}
	if c.world.Deliver != nil {
		c.world.Deliver(c.routers[o.from], r, o.payload)
	}
	link := c.links[to]
	if !c.joined[to] {
		link = 0 // it comes before the link is up
	}
	r.engine.Input(r.now(), link, o.payload)
	r.drain()
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), cmp.Compare[string])
}
