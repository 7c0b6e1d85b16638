package topologies

import (
	"math"
	"slices"
)

// point is a place in a picture, in pixels.
type point struct{ x, y float64 }

func (p point) plus(q point) point       { return point{p.x + q.x, p.y + q.y} }
func (p point) minus(q point) point      { return point{p.x - q.x, p.y - q.y} }
func (p point) distance(q point) float64 { return math.Hypot(p.x-q.x, p.y-q.y) }
func around(r, angle float64) point      { return point{r * math.Cos(angle), r * math.Sin(angle)} }

// group is the routers of one site, or a router that is on its own, and the circle they are on.
type group struct {
	site    string
	routers []int // by index in the topology
	center  point
	radius  float64 // 0 for a single router
}

// The room for a router, and around a group.
const (
	slotWidth = 150.0
	groupRoom = 75.0
)

// layout says where the routers of a topology are in a picture. It depends on nothing but the topology.
func (t *Topology) layout() (places []point, groups []*group) {
	groups = t.groups()
	for _, g := range groups {
		if n := len(g.routers); n > 1 {
			g.radius = max(slotWidth/2, float64(n)*slotWidth/(2*math.Pi))
		}
	}
	t.arrange(groups)
	places = make([]point, len(t.Routers))
	for _, g := range groups {
		t.place(g, groups, places)
	}
	return places, groups
}

// groups collects the routers of each site, in the order of the topology. Routers without a site are on their own, and
// so are all when no site has more than one.
func (t *Topology) groups() []*group {
	var groups []*group
	for i, r := range t.Routers {
		at := slices.IndexFunc(groups, func(g *group) bool { return r.Site != "" && g.site == r.Site })
		if at < 0 {
			groups = append(groups, &group{site: r.Site})
			at = len(groups) - 1
		}
		groups[at].routers = append(groups[at].routers, i)
	}
	return groups
}

// arrange puts the groups on a circle. One that is linked to every other one comes into its middle.
func (t *Topology) arrange(groups []*group) {
	if len(groups) == 1 {
		return
	}
	circle := slices.Clone(groups)
	if len(groups) > 4 {
		if i := slices.IndexFunc(groups, func(g *group) bool { return len(t.linked(g, groups)) == len(groups)-1 }); i >= 0 {
			circle = slices.Delete(circle, i, i+1) // it is at 0, 0
		}
	}
	widest, middle := 0.0, 0.0
	for _, g := range groups {
		if slices.Contains(circle, g) {
			widest = max(widest, g.radius+groupRoom)
		} else {
			middle = g.radius + 2*groupRoom
		}
	}
	n := float64(len(circle))
	if n > 2 && len(circle) < len(t.Routers)-1 {
		widest *= 1.3 // the corners of their grounds
	}
	radius := max(widest/math.Sin(math.Pi/n), widest+middle)
	start := -math.Pi / 2 // the first one on top
	if len(circle) == 2 {
		start = math.Pi // or on the left
	}
	for i, g := range circle {
		g.center = around(radius, start+2*math.Pi*float64(i)/n)
	}
}

// linked lists the other groups that links lead to from a group.
func (t *Topology) linked(g *group, groups []*group) []*group {
	var others []*group
	for _, l := range t.Links {
		a, b := groupOf(groups, t.index(l.A)), groupOf(groups, t.index(l.B))
		for _, pair := range [2][2]*group{{a, b}, {b, a}} {
			if pair[0] == g && pair[1] != g && !slices.Contains(others, pair[1]) {
				others = append(others, pair[1])
			}
		}
	}
	return others
}

// index returns where a router is in the list.
func (t *Topology) index(id string) int {
	return slices.IndexFunc(t.Routers, func(r Router) bool { return r.ID == id })
}

// groupOf returns the group of a router.
func groupOf(groups []*group, router int) *group {
	return groups[slices.IndexFunc(groups, func(g *group) bool { return slices.Contains(g.routers, router) })]
}

// place puts the routers of a group on its circle: those with links to other groups first, each as near to these as it
// can, then the others in their order.
func (t *Topology) place(g *group, groups []*group, places []point) {
	n := len(g.routers)
	if n == 1 {
		places[g.routers[0]] = g.center
		return
	}
	inward := -math.Pi / 2
	if g.center != (point{}) {
		inward = math.Atan2(-g.center.y, -g.center.x)
	}
	if t.facing(g, groups)%2 == 0 {
		inward += math.Pi / float64(n)
	}
	free := make([]point, n)
	for i := range free {
		free[i] = g.center.plus(around(g.radius, inward+2*math.Pi*float64(i)/float64(n)))
	}
	var rest []int
	for _, r := range g.routers {
		targets := t.outside(r, g, groups)
		if len(targets) == 0 {
			rest = append(rest, r)
			continue
		}
		best := 0
		for i := range free {
			if d := sumOfDistances(free[i], targets) - sumOfDistances(free[best], targets); d < -1 ||
				d < 1 && free[i].y < free[best].y-1 {
				best = i
			}
		}
		places[r] = free[best]
		free = slices.Delete(free, best, best+1)
	}
	for i, r := range rest {
		places[r] = free[i]
	}
}

// facing counts the routers of a group that have links to other groups.
func (t *Topology) facing(g *group, groups []*group) int {
	n := 0
	for _, r := range g.routers {
		if len(t.outside(r, g, groups)) > 0 {
			n++
		}
	}
	return n
}

// outside returns the centers of the other groups that a router has links to.
func (t *Topology) outside(router int, g *group, groups []*group) []point {
	var targets []point
	id := t.Routers[router].ID
	for _, l := range t.Links {
		other := l.A
		if l.A == id {
			other = l.B
		} else if l.B != id {
			continue
		}
		if og := groupOf(groups, t.index(other)); og != g {
			targets = append(targets, og.center)
		}
	}
	return targets
}

func sumOfDistances(p point, targets []point) float64 {
	sum := 0.0
	for _, t := range targets {
		sum += p.distance(t)
	}
	return sum
}
