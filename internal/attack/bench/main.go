// Command bench measures what an innocent client feels of each attack on its router. `make bench-attacks` runs it.
//
// Each attack is made twice, with two routers on the machine: on the router that has no innocent client, which is the
// control, and on the one that has. The attack takes the same of the processors in both, so that the ratio of the times
// says what the router itself makes the innocent client feel.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"text/tabwriter"
	"time"

	"github.com/postroad/postroad/internal/attack"
)

// wantedRatio is how much longer the slowest round trips may take than in the control.
const wantedRatio = 1.5

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	names := flag.String("run", "", "make only the attacks whose names match this regular expression")
	rounds := flag.Int("rounds", 1, "so often is each attack made, with its control; more make the quantiles steadier")
	flag.Parse()
	pattern, err := regexp.Compile(*names)
	if err == nil {
		err = run(ctx, pattern, *rounds)
		attack.Clean()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-attacks:", err)
		os.Exit(1)
	}
}

// run makes the attacks and prints the table.
func run(ctx context.Context, pattern *regexp.Regexp, rounds int) error {
	var all []*attack.Comparison
	for _, a := range attack.All() {
		if !pattern.MatchString(a.Name) {
			continue
		}
		c, err := attack.Compare(ctx, a, rounds)
		if err != nil {
			return err
		}
		fmt.Printf("%s: ratio %.2f\n", c.Name, c.Ratio())
		all = append(all, c)
	}
	return show(all)
}

// show prints the table.
func show(all []*attack.Comparison) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ncontrol p50\tp99\tattacked p50\tp99\tratio of p99\t  attack")
	above := 0
	for _, c := range all {
		remark := ""
		if c.Ratio() > wantedRatio || len(c.Attack.Harm) > 0 {
			above++
			remark = " (!)"
		}
		if len(c.Attack.Harm) > 0 {
			remark += " " + c.Attack.Harm[0]
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.2f\t  %s%s\n", short(c.Control.P50), short(c.Control.P99),
			short(c.Attack.P50), short(c.Attack.P99), c.Ratio(), c.Name, remark)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("%d of %d attacks are felt: ", above, len(all))
	fmt.Printf("the ratio is above %.1f, or a link was lost or refused\n", wantedRatio)
	return nil
}

func short(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
