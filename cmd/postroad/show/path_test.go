package show

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/cmd/postroad/meshview"
)

// square is a ring a–b–c–d with a leaf e at d; the way from a to c is as short over b as over d.
func square(t *testing.T) *graph {
	t.Helper()
	var links []meshview.Link
	for _, l := range []string{"a b", "b c", "c d", "a d", "d e"} {
		a, b, _ := strings.Cut(l, " ")
		links = append(links, meshview.Link{A: a, B: b, Cost: 1})
	}
	g, err := newGraph([]string{"e", "d", "c", "b", "a"}, links)
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.sites {
		g.sites[i] = []string{"west", "west", "east", "east", "edge"}[i]
	}
	g.addConsumer("orders", 2)
	g.addConsumer("prices", 4)
	g.addConsumer("both", 1)
	g.addConsumer("both", 3)
	return g
}

func TestPathShowsEqualAlternateAndDisjointWays(t *testing.T) {
	t.Parallel()
	r, err := square(t).paths("a", "c")
	if err != nil {
		t.Fatal(err)
	}
	want := &pathReport{From: "a", To: "c", Shortest: pathOf{2, []string{"a", "b", "c"}}, EqualCost: []string{"b", "d"},
		Alternates: []alternateReport{{Lost: "b", Via: "d", Cost: 2, RouterLoss: true},
			{Lost: "d", Via: "b", Cost: 2, RouterLoss: true}},
		Disjoint: []pathOf{{2, []string{"a", "b", "c"}}, {2, []string{"a", "d", "c"}}}, Apart: "routers"}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPathNamesTheRoutersWithoutWhichThereIsNone(t *testing.T) {
	t.Parallel()
	r, err := square(t).paths("a", "e")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Critical, []string{"d"}) || len(r.Disjoint) != 1 {
		t.Errorf("critical %v, ways %v", r.Critical, r.Disjoint)
	}
	var b strings.Builder
	r.write(&b)
	want := "shortest    a → d → e, cost 2\n" +
		"alternate   none if the link to d is lost: messages wait until new paths are computed\n" +
		"disjoint    no second way: a single loss may separate a from e\n" +
		"critical    no way without d\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPathSaysWhichRoutersThereAre(t *testing.T) {
	t.Parallel()
	for _, ends := range [][2]string{{"a", "x"}, {"x", "a"}} {
		if _, err := square(t).paths(ends[0], ends[1]); err == nil ||
			err.Error() != `there is no interior router "x"; there are a, b, c, d, e` {
			t.Errorf("%v: %v", ends, err)
		}
	}
	if _, err := square(t).paths("a", "a"); err == nil {
		t.Error("a way from a router to itself")
	}
}

func TestWhatIfFindsWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	r, err := square(t).whatIf([]string{"d"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !r.harmful() {
		t.Error("nothing is out of reach")
	}
	var b strings.Builder
	r.write(&b)
	want := `routers    a, b, c
separated  e
site       east loses d
site       edge is out of reach
address    both is out of reach from e
address    orders is out of reach from e
address    prices is out of reach from a, b, c
critical   nothing backs up b, a-b, b-c
costs      0 of 6 ways cost more
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatIfOfALinkThatIsBackedUpIsHarmless(t *testing.T) {
	t.Parallel()
	r, err := square(t).whatIf(nil, []string{"b-a"})
	if err != nil {
		t.Fatal(err)
	}
	if r.harmful() || len(r.Parts) != 1 || r.Costs.Dearer != 2 || r.Dearer[0].Is != 3 {
		t.Errorf("%+v %+v", r, r.Costs)
	}
}

func TestWhatIfKnowsRoutersWithHyphens(t *testing.T) {
	t.Parallel()
	g, err := newGraph([]string{"a-b", "c", "a", "b-c"},
		[]meshview.Link{{A: "a-b", B: "c", Cost: 1}, {A: "a", B: "a-b", Cost: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := g.pair("c-a-b"); err != nil || g.ids[p[0]] != "c" || g.ids[p[1]] != "a-b" {
		t.Errorf("%v, %v", p, err)
	}
	for text, want := range map[string]string{
		"a-x": `"a-x" is no link; write the two routers as A-B, of a, a-b, b-c, c`,
		"a-c": "there is no link between a and c",
	} {
		if _, err := g.pair(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestThereIsNoPathToARouterToWhichThereIsNoWay(t *testing.T) {
	t.Parallel()
	v := &meshview.View{Router: "a"}
	v.AddNodes([]map[string]any{
		{"id": "a", "nextHop": "(self)", "linkState": []any{"b"}},
		{"id": "b", "cost": int32(1), "linkState": []any{"a"}},
		{"id": "c", "linkState": []any{"a", "b"}, "lastHeardSeconds": int32(72)},
	})
	g, err := interior(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.paths("a", "c"); err == nil || err.Error() != "there is no way to router c (last heard of 1m12s ago)" {
		t.Errorf("path: %v", err)
	}
	if r, err := g.whatIf(nil, nil); err != nil || r.harmful() {
		t.Errorf("what if nothing happens: %+v, %v", r, err)
	}
}
