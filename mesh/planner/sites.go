package planner

import (
	"cmp"
	"maps"
	"slices"
)

// planSites links everybody inside a site, and any two sites with r links; see the package comment.
func (p *Plan) planSites(r int) {
	sites := make(map[string][]int)
	open := make(map[string]bool) // sites that can be dialed into
	for i, m := range p.members {
		sites[m.Site] = append(sites[m.Site], i)
		open[m.Site] = open[m.Site] || m.Reachable
	}
	names := slices.Sorted(maps.Keys(sites))
	for _, name := range names {
		p.addGroup(sites[name])
	}
	ring := p.ring(0)
	for n, a := range names {
		if !open[a] {
			for _, i := range sites[a] {
				p.hang(i, r, ring, nil)
			}
			continue
		}
		for _, b := range names[n+1:] {
			if open[b] {
				p.join(p.gateways(sites[a], a, b, r), p.gateways(sites[b], a, b, r), r)
			}
		}
	}
}

// gateways returns the r members of a site that have the links between two sites: those first that can be dialed, and
// then by hash.
func (p *Plan) gateways(site []int, a, b string, r int) []int {
	places := make([]place, len(site))
	for n, i := range site {
		places[n] = place{hash(hashSite, 0, a, b, p.members[i].ID), i}
	}
	slices.SortFunc(places, func(x, y place) int {
		return cmp.Or(compareReachable(p.members[x.member], p.members[y.member]), comparePlaces(x, y))
	})
	out := make([]int, 0, r)
	for _, x := range places[:min(r, len(places))] {
		out = append(out, x.member)
	}
	return out
}

// join makes r links between two sets of at most r members, on different members as long as there are any; then the
// smaller set's members get several.
//
// Which member is linked with which follows from a hash of both, not from their places in the order, so that one member
// more or less leaves most of the others as they are. Pairs of which one cannot be dialed come first: they leave fewer
// choices, and taking them first leaves no link unmade that could be made.
func (p *Plan) join(as, bs []int, r int) {
	type pair struct {
		i, j  int
		mixed bool
		hash  uint64
	}
	var pairs []pair
	for _, i := range as {
		for _, j := range bs {
			if p.possible(i, j) {
				mixed := p.members[i].Reachable != p.members[j].Reachable
				pairs = append(pairs, pair{i, j, mixed, hash(hashPair, 0, p.members[i].ID, p.members[j].ID)})
			}
		}
	}
	slices.SortFunc(pairs, func(x, y pair) int {
		if x.mixed != y.mixed {
			if x.mixed {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(x.hash, y.hash), cmp.Compare(x.i, y.i), cmp.Compare(x.j, y.j))
	})
	used := make(map[int]bool)
	made := 0
	for _, again := range []bool{false, true} {
		for _, x := range pairs {
			if made == r {
				return
			}
			freeA, freeB := !used[x.i], !used[x.j]
			if freeA && freeB || again && (freeA && len(as) >= len(bs) || freeB && len(bs) >= len(as)) {
				p.add(x.i, x.j)
				used[x.i], used[x.j] = true, true
				made++
			}
		}
	}
}
