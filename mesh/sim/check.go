package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postroad/postroad/mesh"
)

// Check returns what is wrong with a world that has been quiet, and every breach of the contract that was seen before.
func (w *World) Check() error {
	var wrong []error
	for _, p := range w.problems {
		wrong = append(wrong, errors.New(p))
	}
	if err := w.checkAlternates(); err != nil {
		wrong = append(wrong, err)
	}
	costs := w.costs()
	for _, r := range w.Routers {
		if r.engine == nil {
			continue
		}
		for _, o := range w.Routers {
			if o != r {
				wrong = append(wrong, w.checkPair(r, o, costs[r][o])...)
			}
		}
		for _, p := range r.view {
			if p != nil && w.router(p.id) == nil {
				wrong = append(wrong, fmt.Errorf("router %s knows router %q, which does not exist", r.ID, p.id))
			}
		}
		wrong = append(wrong, w.checkMulticast(r, costs[r])...)
	}
	if len(wrong) > 20 {
		wrong = append(wrong[:20], fmt.Errorf("and %d more", len(wrong)-20))
	}
	return errors.Join(wrong...)
}

func (w *World) router(id string) *Router {
	i := slices.IndexFunc(w.Routers, func(r *Router) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return w.Routers[i]
}

// costs returns the lowest costs between all routers between which whole cables lead, by trying all cables until
// nothing changes.
func (w *World) costs() map[*Router]map[*Router]int {
	all := make(map[*Router]map[*Router]int)
	each := make(map[*Cable][2]int, len(w.Cables))
	for _, c := range w.Cables {
		each[c] = [2]int{c.cost(0), c.cost(1)}
	}
	for _, r := range w.Routers {
		costs := map[*Router]int{r: 0}
		for changed := r.Up(); changed; {
			changed = false
			for _, c := range w.Cables {
				if !c.Whole() {
					continue
				}
				for side, from := range c.routers {
					to := c.routers[1-side]
					before, known := costs[to]
					more := each[c][side]
					if from.overload && from != r {
						more += mesh.OverloadCost
					}
					if cost, ok := costs[from]; ok && (!known || cost+more < before) {
						costs[to], changed = cost+more, true
					}
				}
			}
		}
		all[r] = costs
	}
	return all
}

// find returns what r's events have said of the router with this id.
func (r *Router) find(id string) *peer {
	for _, p := range r.view {
		if p != nil && p.id == id {
			return p
		}
	}
	return nil
}

// findRouter is find for a router of this world.
func (r *Router) findRouter(o *Router) *peer {
	for _, p := range r.view {
		if p != nil && p.router == o {
			return p
		}
	}
	return nil
}

// checkPair checks what r knows of o, to which there is a path if and only if cost is not zero.
func (w *World) checkPair(r, o *Router, cost int) (wrong []error) {
	fail := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("router %s about %s: %s", r.ID, o.ID, fmt.Sprintf(format, args...)))
	}
	p := r.findRouter(o)
	if cost == 0 {
		if p != nil && (p.reached || len(p.addresses) > 0) {
			fail("reachable: has a path (%v) and %d addresses, but cannot reach it", p.reached, len(p.addresses))
		}
		return wrong
	}
	if p == nil || !p.reached {
		fail("reachable: has no path, want one of cost %d", cost)
		return wrong
	}
	if p.path.Cost != cost {
		fail("shortest: path has cost %d, want %d", p.path.Cost, cost)
	}
	if err := w.walk(r, o); err != nil {
		fail("no-loop: %v", err)
	}
	if got, want := sortedKeys(p.addresses), sortedKeys(o.Addresses); !slices.Equal(got, want) {
		fail("addresses: knows %v, want %v", got, want)
	}
	for key, hint := range o.Addresses {
		if e, ok := p.addresses[key]; ok && e.HasHint && e.Hint != hint && r.Kind == Postroad && o.Kind == Postroad {
			fail("addresses: %s has hint %v, want %v", key, e.Hint, hint)
		}
	}
	if n, on := r.Node(), o.Node(); n != nil && on != nil {
		s, ok := n.Router(o.ID)
		if own := on.Status(); !ok || !slices.Equal(s.LinkState, own.LinkState) || s.LinkStateSeq != own.LinkStateSeq ||
			s.Instance != own.Instance || s.MobileSeq != own.MobileSeq {
			fail("databases-equal: has link state %v (%d), instance %d, mobile sequence %d, but it says %v (%d), %d, %d", s.LinkState,
				s.LinkStateSeq, s.Instance, s.MobileSeq, own.LinkState, own.LinkStateSeq, own.Instance, own.MobileSeq)
		}
	}
	return wrong
}

// walk follows the paths of the routers on the way from r to o.
func (w *World) walk(r, o *Router) error {
	way := []string{r.ID}
	for at := r; at != o; {
		p := at.findRouter(o)
		if p == nil || !p.reached {
			return fmt.Errorf("the way %s ends", strings.Join(way, "-"))
		}
		e, ok := at.ends[p.path.NextHop]
		if !ok || !e.cable.Whole() {
			return fmt.Errorf("the way %s goes on by link %d, which does not work", strings.Join(way, "-"), p.path.NextHop)
		}
		at = e.cable.routers[1-e.side]
		if way = append(way, at.ID); len(way) > len(w.Routers) {
			return fmt.Errorf("the way %s is a loop", strings.Join(way, "-"))
		}
	}
	return nil
}

// checkMulticast sends a message from r to all routers that it can reach. Each router on the way sends one copy to the
// next hop of each destination for which r is a valid origin.
func (w *World) checkMulticast(r *Router, costs map[*Router]int) (wrong []error) {
	copies := make(map[*Router]int)
	queue := []*Router{r}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if copies[at]++; copies[at] > 1 {
			continue
		}
		origin := 0
		for number, p := range at.view {
			if p != nil && p.id == r.ID {
				origin = number
			}
		}
		next := make(map[*Router]bool)
		for _, p := range at.view {
			if p == nil || !p.reached || at != r && (origin == 0 || !p.origins.Has(origin)) {
				continue
			}
			e, ok := at.ends[p.path.NextHop]
			if !ok {
				continue // walk has complained
			}
			next[e.cable.routers[1-e.side]] = true
		}
		for _, o := range w.Routers {
			if next[o] {
				queue = append(queue, o)
			}
		}
	}
	for _, o := range w.Routers {
		want := 0
		if _, reachable := costs[o]; reachable && o.Up() {
			want = 1
		}
		if copies[o] != want {
			wrong = append(wrong, fmt.Errorf("multicast-once: a message of router %s to all: %s gets %d copies, want %d", r.ID, o.ID, copies[o],
				want))
		}
	}
	return wrong
}
