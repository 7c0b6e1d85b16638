package planner

import (
	"cmp"
	"slices"
	"sort"
)

// hash returns a number that all routers compute alike: FNV-1a over the parts, each with its end marked, and a final
// mix (that of SplitMix64) that spreads ids which differ in one character.
func hash(kind byte, number int, parts ...string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, b := range [...]byte{kind, byte(number), byte(number >> 8)} {
		h = (h ^ uint64(b)) * prime
	}
	for _, part := range parts {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * prime
		}
		h = (h ^ 0xff) * prime // no octet of UTF-8
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// The kinds of hashes.
const (
	hashRing   = 'R' // the place on a ring, by its number
	hashSite   = 'S' // the order of a site's routers for links to another site
	hashPair   = 'P' // the order of possible links between two sites
	hashUplink = 'U' // the order of interior routers for an edge router
)

// place is a member's place on a ring.
type place struct {
	hash   uint64
	member int
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.member, b.member))
}

// ring returns the members that can be dialed in the order of a ring.
func (p *Plan) ring(number int) []place {
	var places []place
	for i, m := range p.members {
		if m.Reachable {
			places = append(places, place{hash(hashRing, number, m.ID), i})
		}
	}
	slices.SortFunc(places, comparePlaces)
	return places
}

// planDegree links each member on a ring with those next to it, and along further rings; see the package comment.
func (p *Plan) planDegree(degree, shortcuts int) {
	for number := range shortcuts + 1 {
		ring := p.ring(number)
		reach := 1
		if number == 0 {
			reach = (degree + 1) / 2
		}
		for at := range ring {
			for step := 1; step <= min(reach, len(ring)-1); step++ {
				p.add(ring[at].member, ring[(at+step)%len(ring)].member)
			}
		}
		if number == 0 {
			for i := range p.members {
				p.hang(i, degree, ring, nil)
			}
		}
	}
}

// hang links a member that cannot be dialed with the next n on the ring that suit; nil is for all.
func (p *Plan) hang(i, n int, ring []place, suits func(j int) bool) {
	if p.members[i].Reachable {
		return
	}
	own := place{hash(hashRing, 0, p.members[i].ID), i}
	at := sort.Search(len(ring), func(at int) bool { return comparePlaces(ring[at], own) >= 0 })
	for step := 0; step < len(ring) && n > 0; step++ {
		if j := ring[(at+step)%len(ring)].member; suits == nil || suits(j) {
			p.add(i, j)
			n--
		}
	}
}

// Uplinks returns the n interior routers that an edge router should be connected to, the first of them preferred: those
// of its own site before others, and of these the ones that a hash of both ids spreads edge routers over. A router that
// joins or leaves changes the uplinks of those edge routers only which get it or had it.
func Uplinks(edge Member, interior []Member, n int) []string {
	type candidate struct {
		id   string
		away bool
		hash uint64
	}
	var candidates []candidate
	for _, m := range interior {
		if m.Reachable && m.ID != edge.ID {
			candidates = append(candidates, candidate{m.ID, m.Site != edge.Site, hash(hashUplink, 0, edge.ID, m.ID)})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		if a.away != b.away {
			if b.away {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.id, b.id))
	})
	var ids []string
	for _, c := range candidates {
		if len(ids) < n && !slices.Contains(ids, c.id) {
			ids = append(ids, c.id)
		}
	}
	return ids
}
