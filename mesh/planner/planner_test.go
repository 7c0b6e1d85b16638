package planner

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawMembers draws n members; some cannot be dialed if mixed.
func drawMembers(t *rapid.T, least, most, sites int, mixed bool) []Member {
	ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}[0-9]{0,2}`), least, most, rapid.ID).Draw(t, "ids")
	members := make([]Member, len(ids))
	for i, id := range ids {
		members[i] = Member{ID: id, Reachable: true}
		if sites > 1 {
			members[i].Site = fmt.Sprint("site", rapid.IntRange(1, sites).Draw(t, "site"))
		}
		if mixed {
			members[i].Reachable = rapid.IntRange(0, 3).Draw(t, "reachable") > 0
		}
	}
	return members
}

func mustPlan(t interface{ Fatal(...any) }, members []Member, policy Policy) *Plan {
	p, err := New(members, policy)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reachable counts the members that can be dialed.
func reachable(members []Member) (n int) {
	for _, m := range members {
		if m.Reachable {
			n++
		}
	}
	return n
}

// drawPolicy draws any policy.
func drawPolicy(t *rapid.T) Policy {
	return Policy{
		Shape:     Shape(rapid.IntRange(0, len(shapeNames)-1).Draw(t, "shape")),
		Degree:    rapid.IntRange(1, 6).Draw(t, "degree"),
		Redundant: rapid.IntRange(1, 4).Draw(t, "redundant"),
		Shortcuts: rapid.IntRange(0, 2).Draw(t, "shortcuts"),
	}
}

// TestARingOfDegreeKIsKConnected: however many routers there are and however few of them can be dialed.
func TestARingOfDegreeKIsKConnected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := drawMembers(t, 2, 16, 1, true)
		k := rapid.IntRange(1, 6).Draw(t, "k")
		shortcuts := rapid.IntRange(0, 1).Draw(t, "shortcuts")
		p := mustPlan(t, members, Policy{Shape: ShapeDegree, Degree: k, Shortcuts: shortcuts})
		want := min(k, reachable(members))
		if want == len(members) {
			want--
		}
		if got := graphOf(members, p.Links()).connectivity(k); got < want {
			t.Fatalf("%d routers can cut the plan for %+v, want %d", got, members, want)
		}
		if reachable(members) == len(members) && shortcuts == 0 {
			for _, m := range members {
				if got, most := len(p.Neighbors(m.ID)), k+k%2; got > most {
					t.Fatalf("%s has %d links, want at most %d", m.ID, got, most)
				}
			}
		}
	})
}

// TestSitesWithRRoutersAreRConnected: with r routers at each site that can be dialed.
func TestSitesWithRRoutersAreRConnected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.IntRange(1, 4).Draw(t, "r")
		var members []Member
		for site := range rapid.IntRange(1, 3).Draw(t, "sites") {
			for i := range r + rapid.IntRange(0, 3).Draw(t, "more") {
				members = append(members, Member{ID: fmt.Sprintf("R%d.%d", site, i), Site: fmt.Sprint(site), Reachable: true})
			}
			for i := range rapid.IntRange(0, 2).Draw(t, "hidden") {
				members = append(members, Member{ID: fmt.Sprintf("H%d.%d", site, i), Site: fmt.Sprint(site)})
			}
		}
		members = append(members, Member{ID: "lone", Site: "behind NAT"})
		p := mustPlan(t, members, Policy{Shape: ShapeSites, Redundant: r})
		if got := graphOf(members, p.Links()).connectivity(r); got < r {
			t.Fatalf("%d routers can cut the plan for %+v, want %d", got, members, r)
		}
	})
}

// TestLinksBetweenSitesEndOnDifferentRouters, as many as asked for, and inside a site everybody is linked.
func TestLinksBetweenSitesEndOnDifferentRouters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := drawMembers(t, 2, 24, 3, true)
		r := rapid.IntRange(1, 4).Draw(t, "r")
		links := mustPlan(t, members, Policy{Shape: ShapeSites, Redundant: r}).Links()
		site, size, dialed := make(map[string]string), make(map[string]int), make(map[string]int)
		hidden := make(map[string]bool)
		for _, m := range members {
			site[m.ID] = m.Site
			size[m.Site]++
			hidden[m.ID] = !m.Reachable
			if m.Reachable {
				dialed[m.Site]++
			}
		}
		between := make(map[[2]string][]Link)
		inside := make(map[string]int)
		for _, l := range links {
			if a, b := site[l.A], site[l.B]; a == b {
				inside[a]++
			} else {
				between[[2]string{min(a, b), max(a, b)}] = append(between[[2]string{min(a, b), max(a, b)}], l)
			}
		}
		for a, n := range size {
			h := n - dialed[a]
			if want := n*(n-1)/2 - h*(h-1)/2; inside[a] != want {
				t.Fatalf("%d links inside %s of %+v, want %d", inside[a], a, members, want)
			}
			for b, m := range size {
				if a >= b || dialed[a] == 0 || dialed[b] == 0 {
					continue
				}
				ls := between[[2]string{a, b}]
				if len(ls) > r {
					t.Fatalf("%d links between %s and %s of %+v, want at most %d", len(ls), a, b, members, r)
				}
				atA, atB := make(map[string]bool), make(map[string]bool)
				for _, l := range ls {
					if site[l.A] != a {
						l.A, l.B = l.B, l.A
					}
					atA[l.A], atB[l.B] = true, true
				}
				// A matching can use each site's routers, and no two hidden ones are linked.
				want := min(r, n, m, dialed[a]+dialed[b])
				if len(atA) < want || len(atB) < want {
					t.Fatalf("links between %s and %s of %+v end on %d and %d routers, want %d each: %v", a, b, members,
						len(atA), len(atB), want, ls)
				}
			}
		}
	})
}

// TestAllRoutersComputeTheSamePlan, in whatever order they know the members; and each link is seen alike by both of its
// routers, one of which dials, and can.
func TestAllRoutersComputeTheSamePlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := drawMembers(t, 0, 20, 3, true)
		policy := drawPolicy(t)
		p := mustPlan(t, members, policy)
		links := p.Links()
		shuffled := rapid.Permutation(members).Draw(t, "order")
		shuffled = append(shuffled, shuffled...)
		if again := mustPlan(t, shuffled, policy).Links(); !slices.Equal(links, again) {
			t.Fatalf("links are %v, and in another order %v", links, again)
		}
		hidden := make(map[string]bool)
		for _, m := range members {
			hidden[m.ID] = !m.Reachable
		}
		dials := make(map[Link]int)
		for _, m := range members {
			for _, c := range p.Connectors(m.ID, Local{}) {
				l := Link{A: min(m.ID, c.Peer), B: max(m.ID, c.Peer), Dialer: c.Peer}
				if c.Dial {
					l.Dialer = m.ID
				}
				dials[l]++
			}
			var own []Link
			for _, l := range links {
				if l.A == m.ID || l.B == m.ID {
					own = append(own, l)
				}
			}
			got := p.Neighbors(m.ID)
			if len(got) != len(own) {
				t.Fatalf("%s has %v, want %v", m.ID, got, own)
			}
			for _, l := range got {
				if !slices.Contains(own, l) {
					t.Fatalf("%s has %v, want %v", m.ID, got, own)
				}
			}
		}
		if len(dials) != len(links) {
			t.Fatalf("connectors make %v, want %v", dials, links)
		}
		for _, l := range links {
			dialed := l.A
			if l.Dialer == l.A {
				dialed = l.B
			}
			if dials[l] != 2 || hidden[dialed] || l.A >= l.B {
				t.Fatalf("%+v is seen by %d routers, and %s cannot be dialed: %v", l, dials[l], dialed, hidden[dialed])
			}
		}
	})
}

// changed counts the links that are in one plan only.
func changed(before, after []Link) (n int) {
	was := make(map[Link]bool)
	for _, l := range before {
		was[l] = true
	}
	for _, l := range after {
		if was[l] {
			delete(was, l)
		} else {
			n++
		}
	}
	return n + len(was)
}

// TestAJoinChangesFewLinksOfARing: the new router's links, and those whose place it takes; and so does a leave.
func TestAJoinChangesFewLinksOfARing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := drawMembers(t, 1, 40, 1, true)
		k, shortcuts := rapid.IntRange(1, 6).Draw(t, "k"), rapid.IntRange(0, 2).Draw(t, "shortcuts")
		policy := Policy{Shape: ShapeDegree, Degree: k, Shortcuts: shortcuts}
		after := mustPlan(t, members, policy).Links()
		gone := rapid.IntRange(0, len(members)-1).Draw(t, "gone")
		before := mustPlan(t, slices.Delete(slices.Clone(members), gone, gone+1), policy).Links()
		most := k
		if members[gone].Reachable {
			most = 3*((k+1)/2) + 3*shortcuts + 2*(len(members)-reachable(members))
		}
		if got := changed(before, after); got > most {
			t.Fatalf("%d links change as %s joins %+v, want at most %d", got, members[gone].ID, members, most)
		}
	})
}

// TestAJoinChangesFewLinksBetweenSites: the links inside the site are the new router's own; between sites there is at
// most an exchange of all links of two sites, and on average of less than one.
func TestAJoinChangesFewLinksBetweenSites(t *testing.T) {
	t.Parallel()
	const sites, size, r = 4, 8, 2
	random := rand.New(rand.NewPCG(1, 2))
	policy := Policy{Shape: ShapeSites, Redundant: r}
	total, joins := 0, 0
	for range 200 {
		var members []Member
		for i := range sites * size {
			members = append(members, Member{fmt.Sprintf("R%08x", random.Uint32()), fmt.Sprint("S", i%sites), true})
		}
		after := mustPlan(t, members, policy).Links()
		before := mustPlan(t, members[1:], policy).Links()
		between := changed(before, after) - (size - 1)
		if between < 0 || between > 2*r*(sites-1) {
			t.Fatalf("%d links between sites change as %s joins %+v, want 0 … %d", between, members[0].ID, members,
				2*r*(sites-1))
		}
		total += between
		joins++
	}
	if mean := float64(total) / float64(joins*(sites-1)); mean > 1 {
		t.Errorf("%.2f links change for each pair of sites, want at most one", mean)
	}
}

// TestAFullMeshLinksAllThatCanBeLinked, and no shape at all links nobody.
func TestAFullMeshLinksAllThatCanBeLinked(t *testing.T) {
	t.Parallel()
	members := []Member{{ID: "C"}, {ID: "A", Reachable: true}, {ID: "B", Reachable: true}, {ID: "D"}}
	want := []Link{{"A", "B", "A"}, {"A", "C", "C"}, {"A", "D", "D"}, {"B", "C", "C"}, {"B", "D", "D"}}
	if got := mustPlan(t, members, Policy{Shape: ShapeFullMesh}).Links(); !slices.Equal(got, want) {
		t.Errorf("links are %v, want %v", got, want)
	}
	if got := mustPlan(t, members, Policy{}).Links(); got != nil {
		t.Errorf("links are %v, want none", got)
	}
}

// TestAConfiguredConnectorWins: there is no planned one beside it.
func TestAConfiguredConnectorWins(t *testing.T) {
	t.Parallel()
	members := []Member{{ID: "A", Reachable: true}, {ID: "B", Reachable: true}, {ID: "C", Reachable: true}}
	p := mustPlan(t, members, Policy{Shape: ShapeFullMesh})
	got := p.Connectors("B", Local{Configured: []string{"A", "unknown"}})
	if want := []Connector{{"C", true, 1}}; !slices.Equal(got, want) {
		t.Errorf("connectors are %v, want %v", got, want)
	}
	if got := p.Connectors("X", Local{}); got != nil {
		t.Errorf("a stranger has connectors %v", got)
	}
}

func TestCostsFollowTheirBasis(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what  string
		costs Costs
		same  bool
		want  int
	}{
		{"fixed", Costs{}, false, 1},
		{"fixed, as configured", Costs{Within: 7}, false, 7},
		{"inside a site", Costs{Basis: CostSite}, true, 1},
		{"between sites", Costs{Basis: CostSite}, false, 10},
		{"measured, until it is", Costs{Basis: CostRTT}, false, 10},
		{"without an end", Costs{Basis: CostSite, Between: math.MaxInt}, false, maxCost},
	} {
		if got := tt.costs.Of(tt.same); got != tt.want {
			t.Errorf("%s: the cost is %d, want %d", tt.what, got, tt.want)
		}
	}
}

// TestUplinksPreferTheSiteAndStay: an edge router is sent to its own site first, edge routers are spread, and a change
// elsewhere moves none of them.
func TestUplinksPreferTheSiteAndStay(t *testing.T) {
	t.Parallel()
	var interior []Member
	for i := range 12 {
		interior = append(interior, Member{fmt.Sprint("R", i), fmt.Sprint("S", i%3), true})
	}
	interior = append(interior, Member{ID: "hidden", Site: "S0"})
	used := make(map[string]int)
	for i := range 300 {
		edge := Member{ID: fmt.Sprint("edge", i), Site: "S1"}
		up := Uplinks(edge, interior, 2)
		if len(up) != 2 || up[0] == up[1] {
			t.Fatalf("uplinks are %v", up)
		}
		for _, id := range up {
			used[id]++
		}
		if less := Uplinks(edge, interior[1:], 2); !slices.Equal(up, less) { // R0 is at another site
			t.Fatalf("uplinks became %v from %v", less, up)
		}
		if all := Uplinks(edge, interior, 100); len(all) != 12 || slices.Contains(all, "hidden") {
			t.Fatalf("all uplinks are %v", all)
		}
	}
	want := []string{"R1", "R10", "R4", "R7"}
	if got := slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("uplinks are %v, want those of the site %v", used, want)
	}
}

// TestAWrongPolicyIsRefused, and names are read as they are written.
func TestAWrongPolicyIsRefused(t *testing.T) {
	t.Parallel()
	for _, policy := range []Policy{
		{Shape: 9}, {Shape: ShapeDegree}, {Shape: ShapeDegree, Degree: MaxDegree + 1},
		{Shape: ShapeDegree, Degree: 2, Shortcuts: -1}, {Shape: ShapeSites}, {Shape: ShapeSites, Redundant: -1},
	} {
		if _, err := New(nil, policy); err == nil {
			t.Errorf("%+v is accepted", policy)
		}
	}
	for s := range Shape(len(shapeNames)) {
		if got, err := ParseShape(s.String()); got != s || err != nil {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	for b := range CostBasis(len(basisNames)) {
		if got, err := ParseCostBasis(b.String()); got != b || err != nil {
			t.Errorf("%v: %v, %v", b, got, err)
		}
	}
	if _, err := ParseShape("star"); err == nil {
		t.Error("a star is accepted")
	}
	if _, err := ParseCostBasis("mood"); err == nil {
		t.Error("a mood is accepted")
	}
}

// BenchmarkPlan computes one router's connectors among ten thousand.
func BenchmarkPlan(b *testing.B) {
	var members []Member
	for i := range 10_000 {
		members = append(members, Member{fmt.Sprint("R", i), fmt.Sprint("S", i%50), true})
	}
	for _, policy := range []Policy{
		{Shape: ShapeFullMesh}, {Shape: ShapeDegree, Degree: 4, Shortcuts: 1}, {Shape: ShapeSites, Redundant: 2},
	} {
		b.Run(policy.Shape.String(), func(b *testing.B) {
			for b.Loop() {
				p, err := New(members, policy)
				if err != nil || policy.Shape != ShapeNone && len(p.Connectors("R77", Local{})) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}
