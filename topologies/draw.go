package topologies

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Sizes of what is drawn, in pixels.
const (
	margin    = 30
	boxHeight = 38
	letter    = 7.4 // width of one, about
	smallest  = 46  // width of a box
)

// SVG draws the topology: a box for each router with the number of its clients, a line for each link with its cost
// unless that is 1, and the sites with more than one router. The same topology gives the same picture.
func (t *Topology) SVG() string {
	places, groups := t.layout()
	low, high := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	grow := func(p point, x, y float64) {
		low = point{min(low.x, p.x-x), min(low.y, p.y-y)}
		high = point{max(high.x, p.x+x), max(high.y, p.y+y)}
	}
	for i, p := range places {
		grow(p, t.boxWidth(i)/2, boxHeight/2)
	}
	for _, g := range groups {
		if len(g.routers) > 1 {
			grow(g.center, g.radius+groupRoom-10, g.radius+groupRoom-25)
		}
	}
	at := func(p point) point { return p.minus(low).plus(point{margin, margin}) }
	var b strings.Builder
	size := high.minus(low).plus(point{2 * margin, 2 * margin})
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "+
		"font-family=\"system-ui, sans-serif\" text-anchor=\"middle\">\n", size.x, size.y, size.x, size.y)
	fmt.Fprintf(&b, "  <title>%s: %s</title>\n", escape(t.Name), escape(t.Description))
	b.WriteString("  <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n")
	for _, g := range groups {
		if len(g.routers) > 1 {
			t.drawSite(&b, g, at(g.center))
		}
	}
	for _, l := range t.Links {
		drawLink(&b, l, at(places[t.index(l.A)]), at(places[t.index(l.B)]))
	}
	for _, l := range t.Links {
		drawCost(&b, l, at(places[t.index(l.A)]), at(places[t.index(l.B)]))
	}
	for i := range t.Routers {
		t.drawRouter(&b, i, at(places[i]), len(groups) == len(t.Routers))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// boxWidth is the width of a router's box.
func (t *Topology) boxWidth(i int) float64 {
	id := t.Routers[i].ID
	return max(smallest, letter*float64(max(utf8.RuneCountInString(id), utf8.RuneCountInString(t.clientsAt(id))))+18)
}

// drawSite draws the ground that the routers of a site are on.
func (t *Topology) drawSite(b *strings.Builder, g *group, center point) {
	rx, ry := g.radius+groupRoom-10, g.radius+groupRoom-25
	fmt.Fprintf(b, "  <rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"26\" fill=\"#eef3f8\"/>\n",
		center.x-rx, center.y-ry, 2*rx, 2*ry)
	if g.site != "" {
		fmt.Fprintf(b, "  <text x=\"%.0f\" y=\"%.0f\" font-size=\"12\" text-anchor=\"start\" fill=\"#5b6b7b\">%s</text>\n",
			center.x-rx+14, center.y-ry+20, escape(g.site))
	}
}

// drawLink draws the line of a link.
func drawLink(b *strings.Builder, l Link, from, to point) {
	width, dash := 2.5, ""
	if l.Cost > 1 {
		width, dash = 1.5, ` stroke-dasharray="6 4"`
	}
	fmt.Fprintf(b, "  <line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"#7d93a8\" stroke-width=\"%g\"%s/>\n",
		from.x, from.y, to.x, to.y, width, dash)
}

// drawCost writes the cost of a link in its middle.
func drawCost(b *strings.Builder, l Link, from, to point) {
	if l.Cost > 1 {
		fmt.Fprintf(b, "  <text x=\"%.0f\" y=\"%.0f\" font-size=\"12\" fill=\"#44566a\" stroke=\"#fff\" stroke-width=\"4\" "+
			"paint-order=\"stroke\">%d</text>\n", (from.x+to.x)/2, (from.y+to.y)/2+4, l.Cost)
	}
}

// drawRouter draws the box of a router. The site is written above it when no site has a ground.
func (t *Topology) drawRouter(b *strings.Builder, i int, at point, withSite bool) {
	r := t.Routers[i]
	clients := t.clientsAt(r.ID)
	fill, text := "#24506e", "#fff"
	if r.Mode == "edge" {
		fill, text = "#e2c274", "#222"
	}
	width := t.boxWidth(i)
	fmt.Fprintf(b, "  <rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%d\" rx=\"8\" fill=\"%s\"/>\n", at.x-width/2,
		at.y-boxHeight/2, width, boxHeight, fill)
	y := at.y + 4.5
	if clients != "" {
		y = at.y - 2
		fmt.Fprintf(b, "  <text x=\"%.0f\" y=\"%.0f\" font-size=\"11\" fill=\"%s\" opacity=\"0.8\">%s</text>\n", at.x, at.y+12,
			text, clients)
	}
	fmt.Fprintf(b, "  <text x=\"%.0f\" y=\"%.0f\" font-size=\"13\" fill=\"%s\">%s</text>\n", at.x, y, text, escape(r.ID))
	if withSite && r.Site != "" {
		fmt.Fprintf(b, "  <text x=\"%.0f\" y=\"%.0f\" font-size=\"11\" fill=\"#5b6b7b\" stroke=\"#fff\" stroke-width=\"4\" "+
			"paint-order=\"stroke\">%s</text>\n", at.x, at.y-boxHeight/2-5, escape(r.Site))
	}
}

// clientsAt says in a few letters how many clients send and receive at a router.
func (t *Topology) clientsAt(id string) string {
	var senders, receivers int
	for _, c := range t.Clients {
		if c.Router == id {
			if c.Sends != "" {
				senders++
			} else {
				receivers++
			}
		}
	}
	var parts []string
	if senders > 0 {
		parts = append(parts, fmt.Sprintf("%d →", senders))
	}
	if receivers > 0 {
		parts = append(parts, fmt.Sprintf("→ %d", receivers))
	}
	return strings.Join(parts, " · ")
}

// escape writes a text for XML.
func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// DOT writes the topology in the language of Graphviz.
func (t *Topology) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graph %s {\n  node [shape=box style=rounded];\n", quote(t.Name))
	for i, g := range t.groups() {
		indent := "  "
		if g.site != "" {
			fmt.Fprintf(&b, "  subgraph cluster%d {\n    label=%s;\n", i, quote(g.site))
			indent = "    "
		}
		for _, r := range g.routers {
			router := t.Routers[r]
			more := ""
			if router.Mode == "edge" {
				more = " style=\"rounded,dashed\""
			}
			fmt.Fprintf(&b, "%s%s [label=%s%s];\n", indent, quote(router.ID), quote(router.ID), more)
		}
		if g.site != "" {
			b.WriteString("  }\n")
		}
	}
	for _, l := range t.Links {
		more := ""
		if l.Cost > 1 {
			more = fmt.Sprintf(" [label=%d style=dashed]", l.Cost)
		}
		fmt.Fprintf(&b, "  %s -- %s%s;\n", quote(l.A), quote(l.B), more)
	}
	b.WriteString("}\n")
	return b.String()
}

// quote writes a text as Graphviz wants it: only quotation marks need care there, and a backslash before one.
func quote(text string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `"`, `\"`) + `"`
}
