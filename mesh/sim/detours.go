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

// checkAlternates follows messages between all Postroad routers, in the order of ways that the data plane keeps to: as
// things are, and from each router after the connection has gone that it would use. The routers at the ends of it know at
// once and use what is prepared, all others know nothing. A loop that comes of the loss of a connection leads through one
// of its ends, so no others have to be looked for.
func (w *World) checkAlternates() error {
	ways := make(map[*Router][]way, len(w.Routers))
	var links []mesh.LinkID
	for _, to := range w.Routers {
		if to.Node() == nil {
			continue
		}
		clear(ways)
		for _, at := range w.Routers {
			p := at.findRouter(to)
			if at == to || at.Node() == nil || p == nil {
				continue
			}
			links = at.routes.Ways(links[:0], p.number)
			var found []way
			for _, l := range links {
				if e, ok := at.ends[l]; ok {
					found = append(found, way{e.cable, e.cable.routers[1-e.side]})
				}
			}
			ways[at] = found
		}
		for _, from := range w.Routers {
			if len(ways[from]) == 0 {
				continue
			}
			for _, gone := range []*Cable{nil, ways[from][0].cable} {
				if err := w.detour(ways, from, to, gone); err != nil {
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
}

// detour follows a message when a connection has gone.
func (w *World) detour(ways map[*Router][]way, from, to *Router, gone *Cable) error {
	for at, steps := from, 0; at != to; steps++ {
		i := slices.IndexFunc(ways[at], func(x way) bool { return x.cable != gone })
		if i < 0 || !ways[at][i].cable.Whole() {
			return nil // it is kept or given back; or it is lost, though the connection is not yet known to be
		}
		if steps > len(w.Routers) {
			return w.loop(ways, from, to, gone)
		}
		at = ways[at][i].to
	}
	return nil
}

// loop describes a way that never ends.
func (w *World) loop(ways map[*Router][]way, from, to *Router, gone *Cable) error {
	names := []string{from.ID}
	for at := from; len(names) <= len(w.Routers)+1; names = append(names, at.ID) {
		i := slices.IndexFunc(ways[at], func(x way) bool { return x.cable != gone })
		at = ways[at][i].to
	}
	without := "with all connections"
	if gone != nil {
		without = fmt.Sprintf("without %s-%s", gone.routers[0].ID, gone.routers[1].ID)
	}
	return fmt.Errorf("alternate-loop-free: %s to %s %s goes in a loop: %s", from.ID, to.ID, without, strings.Join(names, "-"))
}
