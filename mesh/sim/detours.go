package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postroad/postroad/mesh"
)

// smallWorld is the number of routers up to which alternates are checked at every change.
const smallWorld = 16

// unreachable is more than any path costs.
const unreachable = 1 << 50

// checkDetours holds the alternates of a router against its own database, by costs that Floyd's algorithm computes: the
// alternate of a next hop must not come back, and one that is said to avoid the next hop must do so.
func (r *Router) checkDetours(n *mesh.Node) {
	known := append([]mesh.RouterStatus{n.Status()}, n.Routers()...)
	index := make(map[string]int, len(known))
	for i, k := range known {
		index[k.ID] = i
	}
	cost := make([][]int, len(known))
	for i := range known {
		cost[i] = slices.Repeat([]int{unreachable}, len(known))
		cost[i][i] = 0
	}
	for i, k := range known {
		for _, p := range k.LinkState {
			if j, ok := index[p.ID]; ok && j != i {
				cost[i][j] = min(cost[i][j], p.Cost)
			}
		}
	}
	for k := range cost {
		for i := range cost {
			for j := range cost {
				cost[i][j] = min(cost[i][j], cost[i][k]+cost[k][j])
			}
		}
	}
	number := make(map[int]int, len(known)) // by number: index
	for i, k := range known {
		number[k.Number] = i
	}
	for i, k := range known[1:] {
		route, ok := r.routes.To(k.Number)
		if !ok {
			continue
		}
		dest := i + 1
		for _, h := range route.Next {
			a, next := number[h.Alternate.Router], number[h.Router]
			if h.Alternate.Router == 0 {
				continue
			}
			if cost[a][dest] >= cost[a][0]+cost[0][dest] {
				r.world.problem(r, "alternate-loop-free: to %s by %s, alternate %s comes back", k.ID, known[next].ID, known[a].ID)
			}
			if h.Alternate.Node && cost[a][dest] >= cost[a][next]+cost[next][dest] {
				r.world.problem(r, "alternate-loop-free: to %s by %s, alternate %s leads through it", k.ID, known[next].ID,
					known[a].ID)
			}
		}
	}
}

// agreed reports whether all Postroad routers that run have worked everything in that they know, and know the same of
// each other: then messages must not loop. It is true at many instants between two troubles, not only after a quiet time.
func (w *World) agreed() bool {
	type saying struct {
		instance, seq int64
	}
	for _, r := range w.Routers {
		if n := r.Node(); r.engine != nil && (n == nil || !n.Settled()) {
			return false
		}
	}
	said := make(map[string]saying, len(w.Routers))
	for _, r := range w.Routers {
		if n := r.Node(); n != nil {
			instance, seq, _ := n.LinkState(r.ID)
			said[r.ID] = saying{instance, seq}
		}
	}
	for _, r := range w.Routers {
		if r.engine == nil {
			continue
		}
		n := r.Node()
		for _, p := range r.view {
			if p == nil || !p.reached {
				continue
			}
			instance, seq, _ := n.LinkState(p.id)
			if s, runs := said[p.id]; !runs || s != (saying{instance, seq}) {
				return false
			}
		}
	}
	return true
}

// CheckInstant looks for loops now, if the routers agree about the network: as it is, and after any single connection has
// gone. It returns whether they agree.
func (w *World) CheckInstant() bool {
	if !w.agreed() {
		return false
	}
	if err := w.checkAlternates(); err != nil && len(w.problems) < 20 {
		w.problems = append(w.problems, fmt.Sprintf("%v: %v", w.Since(), err))
	}
	return true
}

// checkAlternates looks for loops on the ways that the data plane takes from all Postroad routers to each other: as things
// are, when any of the equal next hops may be chosen at every router; and from each router after one of the connections
// has gone that it would use, when it goes on with all that Routes.Ways has. The routers at the ends of the connection
// know at once, all others know nothing. The one at its other end loses a way and gets none, so that a loop that comes of
// the loss leads back to where it was noticed.
func (w *World) checkAlternates() error {
	m := &maze{world: w, ways: make(map[*Router][]way, len(w.Routers)), done: make(map[*Router]bool, len(w.Routers))}
	var links []mesh.LinkID
	for _, to := range w.Routers {
		if to.Node() == nil {
			continue
		}
		clear(m.ways)
		for _, at := range w.Routers {
			p := at.findRouter(to)
			if at == to || at.Node() == nil || p == nil {
				continue
			}
			route, _ := at.routes.To(p.number)
			if at.routes.Mixed() && len(route.Next) > 0 {
				route.Next = route.Next[:1]
			}
			links = at.routes.Ways(links[:0], p.number)
			var found []way
			for _, l := range links {
				e, ok := at.ends[l]
				if !ok {
					continue
				}
				equal := slices.ContainsFunc(route.Next, func(h mesh.NextHop) bool {
					return slices.Contains(at.routes.Links(h.Router), l)
				})
				found = append(found, way{e.cable, e.cable.routers[1-e.side], equal})
			}
			m.ways[at] = found
		}
		m.to, m.gone, m.noticed = to, nil, nil
		clear(m.done)
		for _, from := range w.Routers {
			if err := m.walk(from); err != nil {
				return err
			}
		}
		for _, from := range w.Routers {
			for _, lost := range m.ways[from] {
				if !lost.equal {
					continue
				}
				clear(m.done)
				m.gone, m.noticed = lost.cable, from
				if err := m.walk(from); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// way is a connection on which a router may send a message on.
type way struct {
	cable *Cable
	to    *Router
	equal bool // it leads to a next hop of the path, not only to an alternate
}

// maze is where messages to one router may go.
type maze struct {
	world   *World
	to      *Router
	ways    map[*Router][]way
	gone    *Cable  // a connection that has gone …
	noticed *Router // … which this router would use
	done    map[*Router]bool
	path    []*Router
}

// walk goes all ways from a router, and returns an error if one comes back. What cannot go on is kept or given back; or it
// is lost, while nobody knows yet that a connection is dead.
func (m *maze) walk(at *Router) error {
	if m.done[at] || at == m.to {
		return nil
	}
	if i := slices.Index(m.path, at); i >= 0 {
		names := make([]string, 0, len(m.path)+1)
		for _, r := range append(m.path, at) {
			names = append(names, r.ID)
		}
		without := "with all connections"
		if m.gone != nil {
			without = fmt.Sprintf("without %s-%s", m.gone.routers[0].ID, m.gone.routers[1].ID)
		}
		return fmt.Errorf("alternate-loop-free: the way to %s %s is a loop: %s", m.to.ID, without, strings.Join(names, "-"))
	}
	m.path = append(m.path, at)
	for _, x := range m.ways[at] {
		if x.cable == m.gone || !x.cable.Whole() || !x.equal && at != m.noticed {
			continue
		}
		if err := m.walk(x.to); err != nil {
			return err
		}
	}
	m.path = m.path[:len(m.path)-1]
	m.done[at] = true
	return nil
}
