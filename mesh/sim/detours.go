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
	said := make(map[string]saying)
	for _, r := range w.Routers {
		n := r.Node()
		if r.engine == nil {
			continue
		}
		if n == nil || !n.Settled() {
			return false
		}
		s := n.Status()
		said[r.ID] = saying{s.Instance, s.LinkStateSeq}
	}
	for _, r := range w.Routers {
		if r.engine == nil {
			continue
		}
		for _, k := range r.Node().Routers() {
			s, runs := said[k.ID]
			if runs && k.Reachable && s != (saying{k.Instance, k.LinkStateSeq}) || !runs && k.Reachable {
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
	for _, err := range w.checkAlternates() {
		if len(w.problems) < 20 {
			w.problems = append(w.problems, fmt.Sprintf("%v: %v", w.Since(), err))
		}
	}
	return true
}

// checkAlternates follows messages between all Postroad routers, by all next hops of equal cost, for each connection
// that may go: the routers at its ends know at once and use what is prepared, all others know nothing.
func (w *World) checkAlternates() (wrong []error) {
	failures := append([]*Cable{nil}, w.Cables...)
	if len(w.Routers) > smallWorld {
		failures = failures[:1+min(smallWorld, len(w.Cables))]
	}
	for _, gone := range failures {
		for _, from := range w.Routers {
			for _, to := range w.Routers {
				if from == to || from.Node() == nil || to.Node() == nil {
					continue
				}
				for turn := range uint(2) {
					if err := w.detour(from, to, gone, turn); err != nil {
						return append(wrong, err)
					}
				}
			}
		}
	}
	return nil
}

func (w *World) detour(from, to *Router, gone *Cable, turn uint) error {
	way := []string{from.ID}
	for at := from; at != to; {
		number, ok := 0, false
		if n := at.Node(); n != nil {
			number, ok = n.Number(to.ID)
		}
		if !ok {
			return nil
		}
		up := func(l mesh.LinkID) bool {
			e, ok := at.ends[l]
			return ok && e.cable != gone
		}
		l, ok := at.routes.Pick(number, turn, up)
		if !ok {
			return nil // it is kept or given back
		}
		e, ok := at.ends[l]
		if !ok || !e.cable.Whole() {
			return nil // it is lost, though not yet known to be
		}
		at = e.cable.routers[1-e.side]
		if way = append(way, at.ID); len(way) > len(w.Routers)+1 {
			without := "with all connections"
			if gone != nil {
				without = fmt.Sprintf("without %s-%s", gone.routers[0].ID, gone.routers[1].ID)
			}
			return fmt.Errorf("alternate-loop-free: %s to %s %s goes in a loop: %s", from.ID, to.ID, without, strings.Join(way, "-"))
		}
	}
	return nil
}
