package planner

import "slices"

// graph is a set of links as neighbors by name, independent of how the plan keeps them.
type graph map[string][]string

func graphOf(members []Member, links []Link) graph {
	g := make(graph)
	for _, m := range members {
		g[m.ID] = nil
	}
	for _, l := range links {
		g[l.A] = append(g[l.A], l.B)
		g[l.B] = append(g[l.B], l.A)
	}
	return g
}

// connectivity returns how many routers must fail to cut the graph, at most limit: by Menger's theorem the lowest
// number of disjoint ways between two routers that are not neighbors, and n−1 if all are.
func (g graph) connectivity(limit int) int {
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	lowest := min(limit, len(names)-1)
	for i, a := range names {
		for _, b := range names[i+1:] {
			if !slices.Contains(g[a], b) {
				lowest = min(lowest, g.disjointWays(a, b, lowest))
			}
		}
	}
	return lowest
}

// half is a router's entrance or exit: ways may pass through a router once.
type half struct {
	name string
	exit bool
}

// disjointWays is a max flow with capacity one through every router but the ends, by augmenting ways, up to limit.
func (g graph) disjointWays(from, to string, limit int) int {
	type arc struct{ from, to half }
	flow := make(map[arc]bool)
	next := func(h half) []half {
		var out []half
		try := func(to half, forward bool) {
			if forward && !flow[arc{h, to}] || !forward && flow[arc{to, h}] {
				out = append(out, to)
			}
		}
		if h.exit {
			for _, n := range g[h.name] {
				try(half{n, false}, true)
			}
			try(half{h.name, false}, false)
		} else {
			try(half{h.name, true}, true)
			for _, n := range g[h.name] {
				try(half{n, true}, false)
			}
		}
		return out
	}
	ways := 0
	for ways < limit {
		start, end := half{from, true}, half{to, false}
		before := map[half]half{start: start}
		queue := []half{start}
		for len(queue) > 0 {
			h := queue[0]
			queue = queue[1:]
			for _, n := range next(h) {
				if _, seen := before[n]; !seen {
					before[n] = h
					queue = append(queue, n)
				}
			}
		}
		if _, found := before[end]; !found {
			break
		}
		for h := end; h != start; h = before[h] {
			if back := (arc{h, before[h]}); flow[back] {
				delete(flow, back)
			} else {
				flow[arc{before[h], h}] = true
			}
		}
		ways++
	}
	return ways
}
