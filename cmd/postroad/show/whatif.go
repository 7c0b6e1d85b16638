package show

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/mesh/spf"
)

// whatIfReport is what `postroad what-if --output json` prints.
type whatIfReport struct {
	Down []string `json:"down,omitempty"`
	Cut  []string `json:"cut,omitempty"`
	// Parts are the routers that are left, by whom they can still reach; one list if nobody is separated.
	Parts     [][]string    `json:"parts"`
	Sites     []siteLoss    `json:"sites,omitempty"`
	Addresses []addressLoss `json:"addresses,omitempty"`
	Critical  []string      `json:"critical,omitempty"` // routers and links that nothing backs up any more
	Dearer    []dearerPath  `json:"dearer,omitempty"`
	Costs     *costChange   `json:"costs,omitempty"`
}

// siteLoss is a site that others cannot reach any more, or only in part.
type siteLoss struct {
	Site    string   `json:"site"`
	Routers []string `json:"routers"` // that are down or separated from the largest part
	Whole   bool     `json:"whole"`
}

// addressLoss is an address that some routers do not reach any more, or that is left with fewer consumers.
type addressLoss struct {
	Address   string   `json:"address"`
	Consumers []string `json:"consumers"`        // routers with consumers that are left
	Lost      []string `json:"lost,omitempty"`   // routers that had consumers and are down
	Cutoff    []string `json:"cutoff,omitempty"` // routers that reach no consumer
}

// dearerPath is a way that costs more than before.
type dearerPath struct {
	From string `json:"from"`
	To   string `json:"to"`
	Was  int    `json:"was"`
	Is   int    `json:"is"`
}

// costChange sums up what the ways between the routers that are left cost.
type costChange struct {
	Pairs  int `json:"pairs"`
	Dearer int `json:"dearer"`
}

// shownDearer is how many of the ways that cost more are shown.
const shownDearer = 5

// NewWhatIf returns the command what-if.
func NewWhatIf() *cobra.Command {
	var source source
	var down, cut []string
	cmd := &cobra.Command{
		Use:   "what-if [--down ROUTER,…] [--cut A-B,…]",
		Short: "Show what the loss of routers or links would mean",
		Long: "Show what it would mean to lose routers or links: who cannot reach whom any more, which sites and addresses\n" +
			"are out of reach, what nothing backs up any more, and which ways cost more. Nothing is changed. Without --down\n" +
			"and --cut, it shows what nothing backs up now. Exit status 1 if somebody or something is out of reach.",
		Example: "  postroad what-if --down virginia\n  postroad what-if --topology three-clouds --cut london-tokyo",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g, err := source.load(cmd.Context(), true)
			if err != nil {
				return err
			}
			r, err := g.whatIf(down, cut)
			if err != nil {
				return err
			}
			if output.WantJSON(cmd) {
				if err := output.WriteJSON(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			} else {
				r.write(cmd.OutOrStdout())
			}
			if r.harmful() {
				return command.ErrReported
			}
			return nil
		},
	}
	source.register(cmd)
	cmd.Flags().StringSliceVar(&down, "down", nil, "routers that are lost")
	cmd.Flags().StringSliceVar(&cut, "cut", nil, "links that are lost, each as A-B")
	return cmd
}

// whatIf compares the mesh with what is left of it without some routers and links.
func (g *graph) whatIf(down, cut []string) (*whatIfReport, error) {
	lost := spf.NewSet(len(g.ids))
	for _, id := range down {
		n, err := g.number(id)
		if err != nil {
			return nil, err
		}
		lost.Add(n)
	}
	var pairs [][2]int
	for _, l := range cut {
		pair, err := g.pair(l)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair)
	}
	after := g.graph.Without(lost, pairs)
	r := &whatIfReport{Down: down, Cut: cut}
	of := after.Components()
	r.Parts = g.parts(of, lost)
	g.lostSites(r, of, lost)
	g.lostAddresses(r, of, lost)
	g.exposed(r, after)
	if len(down)+len(cut) > 0 {
		g.dearer(r, after, lost)
	}
	return r, nil
}

// pair finds the link that A-B names; ids may have hyphens themselves.
func (g *graph) pair(text string) ([2]int, error) {
	for i := range text {
		if text[i] != '-' {
			continue
		}
		a, errA := g.number(text[:i])
		b, errB := g.number(text[i+1:])
		if errA != nil || errB != nil {
			continue
		}
		for _, l := range g.links {
			if l.A == min(text[:i], text[i+1:]) && l.B == max(text[:i], text[i+1:]) {
				return [2]int{a, b}, nil
			}
		}
		return [2]int{}, fmt.Errorf("there is no link between %s and %s", text[:i], text[i+1:])
	}
	return [2]int{}, fmt.Errorf("%q is no link; write the two routers as A-B, of %s", text, strings.Join(g.ids, ", "))
}

// parts lists the routers that are left by the part of the mesh they are in, the largest part first.
func (g *graph) parts(of []int, lost spf.Set) [][]string {
	byPart := make(map[int][]string)
	for i, part := range of {
		if !lost.Has(i) {
			byPart[part] = append(byPart[part], g.ids[i])
		}
	}
	parts := slices.Collect(maps.Values(byPart))
	slices.SortFunc(parts, func(a, b []string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return slices.Compare(a, b)
	})
	return parts
}

// lostSites finds the sites of which something is not in the largest part.
func (g *graph) lostSites(r *whatIfReport, of []int, lost spf.Set) {
	main := map[string]bool{}
	if len(r.Parts) > 0 {
		for _, id := range r.Parts[0] {
			main[id] = true
		}
	}
	count, gone := make(map[string]int), make(map[string][]string)
	for i, id := range g.ids {
		site := g.sites[i]
		if site == "" {
			continue
		}
		count[site]++
		if !main[id] {
			gone[site] = append(gone[site], id)
		}
	}
	for _, site := range slices.Sorted(maps.Keys(gone)) {
		r.Sites = append(r.Sites, siteLoss{Site: site, Routers: gone[site], Whole: len(gone[site]) == count[site]})
	}
}

// lostAddresses finds the addresses that lose consumers, or that are out of reach for some routers.
func (g *graph) lostAddresses(r *whatIfReport, of []int, lost spf.Set) {
	before := g.graph.Components()
	for _, address := range slices.Sorted(maps.Keys(g.consumers)) {
		a := addressLoss{Address: address}
		was, is := make(map[int]bool), make(map[int]bool) // parts of the mesh with consumers
		for _, n := range g.consumers[address] {
			was[before[n]] = true
			if lost.Has(n) {
				a.Lost = append(a.Lost, g.ids[n])
				continue
			}
			is[of[n]] = true
			a.Consumers = append(a.Consumers, g.ids[n])
		}
		for i, id := range g.ids {
			if !lost.Has(i) && was[before[i]] && !is[of[i]] {
				a.Cutoff = append(a.Cutoff, id)
			}
		}
		if len(a.Lost)+len(a.Cutoff) > 0 {
			r.Addresses = append(r.Addresses, a)
		}
	}
}

// exposed finds the routers and links whose loss separates others now.
func (g *graph) exposed(r *whatIfReport, after *spf.Graph) {
	now := after.Cuts()
	for _, n := range now.Nodes {
		r.Critical = append(r.Critical, g.ids[n])
	}
	for _, p := range now.Pairs {
		r.Critical = append(r.Critical, g.ids[p[0]]+"-"+g.ids[p[1]])
	}
}

// dearer finds the ways that cost more, the largest increases first.
func (g *graph) dearer(r *whatIfReport, after *spf.Graph, lost spf.Set) {
	r.Costs = &costChange{}
	for i := range g.ids {
		if lost.Has(i) {
			continue
		}
		was, is := g.graph.Tree(i), after.Tree(i)
		for j := range g.ids {
			if j == i || lost.Has(j) || is.Cost[j] == spf.Unreachable {
				continue
			}
			r.Costs.Pairs++
			if is.Cost[j] > was.Cost[j] {
				r.Costs.Dearer++
				r.Dearer = append(r.Dearer, dearerPath{g.ids[i], g.ids[j], was.Cost[j], is.Cost[j]})
			}
		}
	}
	slices.SortStableFunc(r.Dearer, func(a, b dearerPath) int { return (b.Is - b.Was) - (a.Is - a.Was) })
}

// harmful reports whether somebody or something is out of reach that is not down itself.
func (r *whatIfReport) harmful() bool {
	return len(r.Parts) > 1 || slices.ContainsFunc(r.Addresses, func(a addressLoss) bool { return len(a.Cutoff) > 0 })
}

func (r *whatIfReport) write(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s "+format+"\n", append([]any{name}, args...)...)
	}
	if len(r.Parts) <= 1 {
		n := 0
		if len(r.Parts) == 1 {
			n = len(r.Parts[0])
		}
		line("routers", "the %d that are left reach each other", n)
	} else {
		for i, part := range r.Parts {
			name := "separated"
			if i == 0 {
				name = "routers"
			}
			line(name, "%s", strings.Join(part, ", "))
		}
	}
	for _, s := range r.Sites {
		if s.Whole {
			line("site", "%s is out of reach", s.Site)
		} else {
			line("site", "%s loses %s", s.Site, strings.Join(s.Routers, ", "))
		}
	}
	for _, a := range r.Addresses {
		switch {
		case len(a.Consumers) == 0:
			line("address", "%s has no consumers any more", a.Address)
		case len(a.Cutoff) > 0:
			line("address", "%s is out of reach from %s", a.Address, strings.Join(a.Cutoff, ", "))
		default:
			line("address", "%s loses its consumers at %s; there are others at %s", a.Address,
				strings.Join(a.Lost, ", "), strings.Join(a.Consumers, ", "))
		}
	}
	if len(r.Critical) > 0 {
		line("critical", "nothing backs up %s", strings.Join(r.Critical, ", "))
	} else {
		line("critical", "none: any one router or link may be lost")
	}
	if c := r.Costs; c != nil {
		line("costs", "%d of %d ways cost more", c.Dearer, c.Pairs)
		for i, d := range r.Dearer {
			if i == shownDearer {
				line("", "…")
				break
			}
			line("", "%s → %s: %d, was %d", d.From, d.To, d.Is, d.Was)
		}
	}
}
