package meshview

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ring is what Interconnect's router a says of a ring a–b–c–d, in which the link between a and d costs 5: the path to d
// leads over b and c although d is a neighbor.
func ring() *View {
	v := &View{Router: "a"}
	v.AddNodes([]map[string]any{
		{"id": "a", "nextHop": "(self)", "linkState": []any{"b", "d"}},
		{"id": "b", "cost": int32(1), "linkState": []any{"a", "c"}},
		{"id": "c", "cost": int32(2), "nextHop": "b", "linkState": []any{"b", "d"}},
		{"id": "d", "cost": int32(3), "nextHop": "b", "linkState": []any{"a", "c"}},
	})
	v.link("d", "a").Cost = 5
	for i := range v.Routers {
		v.Routers[i].Mode = "interior"
	}
	v.Routers = append(v.Routers, Router{ID: "e", Mode: "edge", Parent: "c", Clients: 2},
		Router{ID: "f", Cost: 9, NextHop: "b", Problem: "no answer"})
	v.Links = append(v.Links, Link{A: "c", B: "e", Cost: 1, Edge: true})
	v.sort()
	v.findParents()
	return v
}

// TestMeshText: the tree shows the path a message takes; the links it does not take follow.
func TestMeshText(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	ring().Text(&b)
	want := `a (interior)
└── b (interior)          cost 1
    ├── c (interior)      cost 2
    │   ├── d (interior)  cost 3
    │   └── e (edge, 2 clients)
    └── f (no answer)     cost 9
also a ── d, cost 5
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// TestMeshDOT: names are quoted, and links on the shortest paths are bold.
func TestMeshDOT(t *testing.T) {
	t.Parallel()
	v := ring()
	v.Routers[0].ID = `a"\`
	var b strings.Builder
	v.DOT(&b)
	for _, want := range []string{
		"graph mesh {\n", `  "a\"\\" [shape=ellipse tooltip="(interior)"];`, `  "e" [shape=box tooltip="(edge, 2 clients)"];`,
		`  "b" -- "c" [label="1" style=bold];`, `  "a" -- "d" [label="5"];`, "\n}\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

// TestMeshSVG: the drawing is well-formed XML whatever the routers are called, and has a circle for each of them.
func TestMeshSVG(t *testing.T) {
	t.Parallel()
	for _, v := range []*View{ring(), {Router: "<&>", Routers: []Router{{ID: "<&>"}}}} {
		var b strings.Builder
		v.SVG(&b)
		d := xml.NewDecoder(strings.NewReader(b.String()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, b.String())
			}
		}
		if got := strings.Count(b.String(), "<circle "); got != len(v.Routers) {
			t.Errorf("%d circles for %d routers", got, len(v.Routers))
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Errorf("a router has no place:\n%s", b.String())
		}
	}
}

// TestARouterToWhichThereIsNoWayIsNotInThePicture: what it has said last does not hold any more. Below, it is named.
func TestARouterToWhichThereIsNoWayIsNotInThePicture(t *testing.T) {
	t.Parallel()
	v := &View{Router: "a"}
	v.AddNodes([]map[string]any{
		{"id": "a", "nextHop": "(self)", "linkState": []any{"b"}},
		{"id": "b", "cost": int32(1), "linkState": []any{"a"}},
		{"id": "c", "linkState": []any{"a", "b"}, "lastHeardSeconds": int32(72)},
		{"id": "d", "linkState": []any{"c"}},
		{"id": "e", "linkState": []any{}, "lastHeardSeconds": int32(1)}, // has taken its leave
	})
	v.sort()
	v.findParents()
	var b strings.Builder
	v.Text(&b)
	want := "a ()\n└── b ()  cost 1\nunreachable: c (last heard of 1m12s ago)\nunreachable: d\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if len(v.Links) != 1 {
		t.Errorf("the links are %v", v.Links)
	}
	for id, want := range map[string]string{
		"c": "there is no way to router c (last heard of 1m12s ago)", "d": "there is no way to router d",
		"x": `there is no router "x"; there are a, b`,
	} {
		if err := v.Unknown(id); err.Error() != want {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestALinkIsThereWhenBothRoutersSaySo: of a router that has died, those that have not noticed yet may say so alone.
func TestALinkIsThereWhenBothRoutersSaySo(t *testing.T) {
	t.Parallel()
	v := &View{Router: "a"}
	v.AddNodes([]map[string]any{
		{"id": "a", "nextHop": "(self)", "linkState": []any{"b"}},
		{"id": "b", "cost": int32(1), "linkState": []any{"a", "c"}},
		{"id": "c", "cost": int32(2), "nextHop": "b", "linkState": []any{"a", "b"}},
	})
	want := []Link{{A: "a", B: "b", Cost: 1}, {A: "b", B: "c", Cost: 1}}
	if diff := cmp.Diff(want, v.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}
