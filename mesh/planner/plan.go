package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Member is a router of the mesh, as far as planning is concerned. Edge routers are no members; see [Uplinks].
type Member struct {
	ID        string
	Site      string // "" is a site, too
	Reachable bool   // others can dial it
}

// Shape is the kind of graph that is planned.
type Shape uint8

// The shapes; the package comment describes them.
const (
	ShapeNone Shape = iota
	ShapeFullMesh
	ShapeDegree
	ShapeSites
)

var shapeNames = [...]string{"none", "full-mesh", "degree", "sites"}

// String returns the name that configurations use.
func (s Shape) String() string {
	if int(s) < len(shapeNames) {
		return shapeNames[s]
	}
	return fmt.Sprintf("shape(%d)", uint8(s))
}

// ParseShape is the reverse of [Shape.String].
func ParseShape(name string) (Shape, error) {
	if i := slices.Index(shapeNames[:], name); i >= 0 {
		return Shape(i), nil
	}
	return 0, fmt.Errorf("%q is not a shape of the mesh, use %s", name, strings.Join(shapeNames[:], ", "))
}

// MaxDegree bounds Degree, Redundant and Shortcuts.
const MaxDegree = 32

// Policy says what graph the routers form. It must be the same at all of them.
type Policy struct {
	Shape     Shape
	Degree    int // k of ShapeDegree, 1 … MaxDegree
	Redundant int // r of ShapeSites, 1 … MaxDegree
	Shortcuts int // further rings of ShapeDegree, 0 … MaxDegree; each gives every router two more links
}

// check reports what is wrong with the policy.
func (p Policy) check() error {
	if int(p.Shape) >= len(shapeNames) {
		return fmt.Errorf("%v does not exist", p.Shape)
	}
	if p.Shape == ShapeDegree && (p.Degree < 1 || p.Degree > MaxDegree) {
		return fmt.Errorf("a degree of %d is not possible, use 1 … %d", p.Degree, MaxDegree)
	}
	if p.Shape == ShapeDegree && (p.Shortcuts < 0 || p.Shortcuts > MaxDegree) {
		return fmt.Errorf("%d shortcuts are not possible, use 0 … %d", p.Shortcuts, MaxDegree)
	}
	if p.Shape == ShapeSites && (p.Redundant < 1 || p.Redundant > MaxDegree) {
		return fmt.Errorf("%d redundant links between sites are not possible, use 1 … %d", p.Redundant, MaxDegree)
	}
	return nil
}

// Link is one planned link. A and B are router ids, A < B.
type Link struct {
	A, B   string
	Dialer string // A or B
}

// Plan is the planned graph. It is immutable and safe for concurrent use.
type Plan struct {
	members []Member  // ascending by id
	clique  []int     // by member: number of the group in which everybody is linked with everybody, or -1
	groups  [][]int   // the members of each group, ascending
	others  [][]int32 // by member: its other links, ascending
}

// New computes the plan. Of several members with one id, the first that can be dialed counts, or else the one with the
// lowest site. An error says what is wrong with the policy.
func New(members []Member, policy Policy) (*Plan, error) {
	if err := policy.check(); err != nil {
		return nil, err
	}
	p := &Plan{members: slices.Clone(members)}
	slices.SortFunc(p.members, func(a, b Member) int {
		if c := cmp.Or(cmp.Compare(a.ID, b.ID), compareReachable(a, b)); c != 0 {
			return c
		}
		return cmp.Compare(a.Site, b.Site)
	})
	p.members = slices.CompactFunc(p.members, func(a, b Member) bool { return a.ID == b.ID })
	p.others = make([][]int32, len(p.members))
	p.clique = make([]int, len(p.members))
	for i := range p.clique {
		p.clique[i] = -1
	}
	switch policy.Shape {
	case ShapeFullMesh:
		all := make([]int, len(p.members))
		for i := range all {
			all[i] = i
		}
		p.addGroup(all)
	case ShapeDegree:
		p.planDegree(policy.Degree, policy.Shortcuts)
	case ShapeSites:
		p.planSites(policy.Redundant)
	}
	for i := range p.others {
		slices.Sort(p.others[i])
		p.others[i] = slices.Compact(p.others[i])
	}
	return p, nil
}

// compareReachable puts those before the others who can be dialed.
func compareReachable(a, b Member) int {
	switch {
	case a.Reachable == b.Reachable:
		return 0
	case a.Reachable:
		return -1
	}
	return 1
}

// addGroup links all members of the group, which is ascending, with each other.
func (p *Plan) addGroup(group []int) {
	for _, i := range group {
		p.clique[i] = len(p.groups)
	}
	p.groups = append(p.groups, group)
}

// possible reports whether a link between two members can be made.
func (p *Plan) possible(i, j int) bool {
	return i != j && (p.members[i].Reachable || p.members[j].Reachable)
}

// add links two members outside of groups.
func (p *Plan) add(i, j int) {
	if p.possible(i, j) && (p.clique[i] < 0 || p.clique[i] != p.clique[j]) {
		p.others[i] = append(p.others[i], int32(j))
		p.others[j] = append(p.others[j], int32(i))
	}
}

// neighbors calls visit for the neighbors of a member in ascending order.
func (p *Plan) neighbors(i int, visit func(j int)) {
	others := p.others[i]
	if g := p.clique[i]; g >= 0 {
		for _, j := range p.groups[g] {
			for len(others) > 0 && int(others[0]) < j {
				visit(int(others[0]))
				others = others[1:]
			}
			if p.possible(i, j) {
				visit(j)
			}
		}
	}
	for _, j := range others {
		visit(int(j))
	}
}

// link describes the link between two members.
func (p *Plan) link(i, j int) Link {
	a, b := p.members[min(i, j)], p.members[max(i, j)]
	l := Link{A: a.ID, B: b.ID, Dialer: a.ID}
	if a.Reachable && !b.Reachable {
		l.Dialer = b.ID
	}
	return l
}

// find returns the number of a member.
func (p *Plan) find(id string) (int, bool) {
	return slices.BinarySearchFunc(p.members, id, func(m Member, id string) int { return cmp.Compare(m.ID, id) })
}

// Links returns all links, ascending by A and B. Under ShapeFullMesh they are as many as the square of the members.
func (p *Plan) Links() []Link {
	var links []Link
	for i := range p.members {
		p.neighbors(i, func(j int) {
			if i < j {
				links = append(links, p.link(i, j))
			}
		})
	}
	return links
}

// Neighbors returns the links of one router, ascending by the id of the other one; none if it is no member.
func (p *Plan) Neighbors(id string) []Link {
	i, ok := p.find(id)
	if !ok {
		return nil
	}
	var links []Link
	p.neighbors(i, func(j int) { links = append(links, p.link(i, j)) })
	return links
}
