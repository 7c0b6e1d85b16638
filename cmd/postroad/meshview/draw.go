package meshview

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"

	"github.com/postroad/postroad/cmd/postroad/output"
)

// summary describes a router in a few words.
func (r *Router) summary() string {
	if r.Problem != "" {
		return "(" + r.Problem + ")"
	}
	parts := []string{}
	for _, p := range []string{r.Mode, r.Version} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if r.Clients > 0 {
		parts = append(parts, output.Count(uint64(r.Clients), "client"))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// Text draws the tree of the shortest paths from the router that was asked, then the links that are on none of them.
func (v *View) Text(w io.Writer) {
	type line struct{ tree, cost string }
	var lines []line
	width := 0
	drawn := map[string]bool{}
	var draw func(id, before, branch, below string)
	draw = func(id, before, branch, below string) {
		r := v.Find(id)
		if r == nil || drawn[id] {
			return
		}
		drawn[id] = true
		l := line{tree: before + branch + r.ID + " " + r.summary()}
		if id != v.Router && r.Mode != "edge" {
			l.cost = fmt.Sprintf("cost %d", r.Cost)
			width = max(width, len([]rune(l.tree)))
		}
		lines = append(lines, l)
		var children []string
		for i := range v.Routers {
			if v.Routers[i].Parent == id {
				children = append(children, v.Routers[i].ID)
			}
		}
		for i, child := range children {
			if i < len(children)-1 {
				draw(child, before+below, "├── ", "│   ")
			} else {
				draw(child, before+below, "└── ", "    ")
			}
		}
	}
	draw(v.Router, "", "", "")
	for _, l := range lines {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-*s  %s", width, l.tree, l.cost), " "))
	}
	for i := range v.Routers {
		if r := &v.Routers[i]; !drawn[r.ID] {
			fmt.Fprintf(w, "%s %s, no path\n", r.ID, r.summary())
		}
	}
	for _, l := range v.Links {
		if !v.onPath(l) {
			fmt.Fprintf(w, "also %s ── %s, cost %d\n", l.A, l.B, l.Cost)
		}
	}
	for _, g := range v.Gone {
		fmt.Fprintf(w, "unreachable: %s\n", g)
	}
}

// DOT writes the mesh in the language of Graphviz; links on the shortest paths are bold.
func (v *View) DOT(w io.Writer) {
	fmt.Fprintln(w, "graph mesh {")
	for i := range v.Routers {
		r := &v.Routers[i]
		shape := "ellipse"
		if r.Mode == "edge" {
			shape = "box"
		}
		label := dotQuote(r.ID)
		fmt.Fprintf(w, "  %s [shape=%s tooltip=%s];\n", label, shape, dotQuote(r.summary()))
	}
	for _, l := range v.Links {
		style := ""
		if v.onPath(l) {
			style = " style=bold"
		}
		fmt.Fprintf(w, "  %s -- %s [label=\"%d\"%s];\n", dotQuote(l.A), dotQuote(l.B), l.Cost, style)
	}
	fmt.Fprintln(w, "}")
}

// dotQuote quotes an identifier for Graphviz.
func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// SVG draws the mesh: interior routers on a circle, edge routers outside of theirs. Links on the shortest paths are
// thick.
func (v *View) SVG(w io.Writer) {
	at := v.layout()
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, p := range at {
		low = point{min(low.x, p.x), min(low.y, p.y)}
		high = point{max(high.x, p.x), max(high.y, p.y)}
	}
	const margin = 80
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="%.0f %.0f %.0f %.0f" `+
		`font-family="sans-serif" font-size="13" text-anchor="middle">`+"\n",
		low.x-margin, low.y-margin, high.x-low.x+2*margin, high.y-low.y+2*margin)
	for _, l := range v.Links {
		a, b := at[l.A], at[l.B]
		width := 1
		if v.onPath(l) {
			width = 3
		}
		fmt.Fprintf(w, `<line x1="%.0f" y1="%.0f" x2="%.0f" y2="%.0f" stroke="#68789a" stroke-width="%d"/>`+"\n",
			a.x, a.y, b.x, b.y, width)
		if !l.Edge {
			fmt.Fprintf(w, `<text x="%.0f" y="%.0f" fill="#68789a">%d</text>`+"\n", (a.x+b.x)/2, (a.y+b.y)/2-6, l.Cost)
		}
	}
	for i := range v.Routers {
		r := &v.Routers[i]
		p := at[r.ID]
		radius, fill := 16, "#2f6fde"
		switch {
		case r.Problem != "":
			fill = "#b33a3a"
		case r.Mode == "edge":
			radius, fill = 10, "#3f9a6b"
		}
		fmt.Fprintf(w, `<g><title>%s %s</title><circle cx="%.0f" cy="%.0f" r="%d" fill="%s"/>`+
			`<text x="%.0f" y="%.0f">%s</text></g>`+"\n", html.EscapeString(r.ID), html.EscapeString(r.summary()),
			p.x, p.y, radius, fill, p.x, p.y+float64(radius)+16, html.EscapeString(r.ID))
	}
	fmt.Fprintln(w, "</svg>")
}

// point is a place in a drawing.
type point struct{ x, y float64 }

// layout gives every router a place.
func (v *View) layout() map[string]point {
	interior := []string{}
	edges := map[string][]string{}
	for i := range v.Routers {
		if r := &v.Routers[i]; r.Mode == "edge" && r.ID != v.Router {
			edges[r.Parent] = append(edges[r.Parent], r.ID)
		} else {
			interior = append(interior, r.ID)
		}
	}
	at := map[string]point{}
	radius := max(120, 22*float64(len(interior)))
	if len(interior) == 1 {
		radius = 0
	}
	for i, id := range interior {
		angle := 2*math.Pi*float64(i)/float64(len(interior)) - math.Pi/2
		at[id] = point{radius * math.Cos(angle), radius * math.Sin(angle)}
		for j, edge := range edges[id] {
			fan := angle + (float64(j)-float64(len(edges[id])-1)/2)*0.4
			at[edge] = point{at[id].x + 90*math.Cos(fan), at[id].y + 90*math.Sin(fan)}
		}
	}
	return at
}
