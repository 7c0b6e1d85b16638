package show

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/mesh/spf"
)

// pathReport is what `postroad path --output json` prints.
type pathReport struct {
	From       string            `json:"from"`
	To         string            `json:"to"`
	Shortest   pathOf            `json:"shortest"`
	EqualCost  []string          `json:"equalCost"` // first routers of all the shortest paths
	Alternates []alternateReport `json:"alternates"`
	Disjoint   []pathOf          `json:"disjoint"`           // none, one or two
	Apart      string            `json:"apart,omitempty"`    // what the two have not in common: "routers" or "links"
	Critical   []string          `json:"critical,omitempty"` // routers without which there is no path
}

// pathOf is one path, with its cost.
type pathOf struct {
	Cost    int      `json:"cost"`
	Routers []string `json:"routers"` // both ends included
}

// alternateReport says who takes over at the first router.
type alternateReport struct {
	Lost       string `json:"lost"`          // the next router
	Via        string `json:"via,omitempty"` // "" if nobody takes over before new paths are computed
	Cost       int    `json:"cost,omitempty"`
	RouterLoss bool   `json:"routerLoss"` // it helps if the next router itself is lost, too, not only the link to it
}

// NewPath returns the command path.
func NewPath() *cobra.Command {
	var source source
	cmd := &cobra.Command{
		Use:   "path FROM TO",
		Short: "Show the ways from one router to another",
		Long: "Show the ways from one interior router to another: the shortest one, the first routers of all that cost as\n" +
			"little, who takes over when the next router or the link to it is lost, before new paths are computed, and two\n" +
			"ways that have as little in common as possible.",
		Example: "  postroad path london tokyo --url amqp://hub.example\n  postroad path london tokyo --topology three-clouds",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			g, err := source.load(cmd.Context(), false)
			if err != nil {
				return err
			}
			report, err := g.paths(args[0], args[1])
			if err != nil {
				return err
			}
			if output.WantJSON(cmd) {
				return output.WriteJSON(cmd.OutOrStdout(), report)
			}
			report.write(cmd.OutOrStdout())
			return nil
		},
	}
	source.register(cmd)
	return cmd
}

// paths finds the ways between two routers.
func (g *graph) paths(from, to string) (*pathReport, error) {
	a, err := g.number(from)
	if err != nil {
		return nil, err
	}
	b, err := g.number(to)
	if err != nil {
		return nil, err
	}
	if a == b {
		return nil, fmt.Errorf("%s is both ends: there is no way to go", from)
	}
	t := g.graph.Tree(a)
	if t.Cost[b] == spf.Unreachable {
		return nil, fmt.Errorf("there is no way from %s to %s", from, to)
	}
	r := &pathReport{From: from, To: to, Shortest: pathOf{Cost: t.Cost[b], Routers: g.names(walk(t, b))}}
	equal := g.graph.EqualCost(t)
	alternates := g.graph.Alternates(t, equal, nil)
	for next := range equal[b].All() {
		r.EqualCost = append(r.EqualCost, g.ids[next])
		x := alternateReport{Lost: g.ids[next]}
		if alternate := alternates.For(b, next); alternate.Via != spf.None {
			x.Via, x.Cost, x.RouterLoss = g.ids[alternate.Via], alternate.Cost, alternate.Node
		}
		r.Alternates = append(r.Alternates, x)
	}
	pair := g.graph.Disjoint(a, b)
	if pair.FirstCost == pair.SecondCost && slices.Equal(pair.Second, walk(t, b)) { // the usual one first
		pair.First, pair.Second = pair.Second, pair.First
	}
	r.Disjoint = append(r.Disjoint, pathOf{pair.FirstCost, g.names(pair.First)})
	if pair.Second != nil {
		r.Disjoint = append(r.Disjoint, pathOf{pair.SecondCost, g.names(pair.Second)})
		r.Apart = "links"
		if pair.Nodes {
			r.Apart = "routers"
		}
	}
	for _, cut := range g.graph.Cuts().Nodes {
		if cut != a && cut != b && g.separates(cut, a, b) {
			r.Critical = append(r.Critical, g.ids[cut])
		}
	}
	return r, nil
}

// separates reports whether two routers cannot reach each other without a third one.
func (g *graph) separates(cut, a, b int) bool {
	without := spf.NewSet(len(g.ids))
	without.Add(cut)
	of := g.graph.Without(without, nil).Components()
	return of[a] != of[b]
}

// walk returns the nodes of a tree's path to a node, both ends included.
func walk(t *spf.Tree, to int) []int {
	var nodes []int
	for v := to; v != spf.None; v = t.Previous[v] {
		nodes = append(nodes, v)
	}
	slices.Reverse(nodes)
	return nodes
}

func (p pathOf) String() string {
	return fmt.Sprintf("%s, cost %d", strings.Join(p.Routers, " → "), p.Cost)
}

func (r *pathReport) write(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-11s "+format+"\n", append([]any{name}, args...)...)
	}
	line("shortest", "%v", r.Shortest)
	if len(r.EqualCost) > 1 {
		line("equal cost", "by way of %s", strings.Join(r.EqualCost, ", "))
	}
	for _, a := range r.Alternates {
		what := "the link to " + a.Lost
		if a.RouterLoss {
			what = a.Lost
		}
		if a.Via == "" {
			line("alternate", "none if %s is lost: messages wait until new paths are computed", what)
		} else {
			line("alternate", "by way of %s if %s is lost, cost %d", a.Via, what, a.Cost)
		}
	}
	for i, p := range r.Disjoint {
		name := "disjoint"
		if i > 0 {
			name = ""
		}
		if len(r.Disjoint) > 1 {
			line(name, "%v", p)
		}
	}
	switch {
	case len(r.Disjoint) < 2:
		line("disjoint", "no second way: a single loss may separate %s from %s", r.From, r.To)
	case r.Apart == "links":
		line("", "have routers in common, but no link")
	}
	if len(r.Critical) > 0 {
		line("critical", "no way without %s", strings.Join(r.Critical, ", nor without "))
	}
}
