package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// outcome is what came out of one run. Durations are in nanoseconds in JSON.
type outcome struct {
	Time    time.Duration `json:"nanoseconds"`                  // the gap; until messages flow; until all paths are known
	Latency time.Duration `json:"latencyNanoseconds,omitempty"` // longest of a message that arrived
	Routes  time.Duration `json:"routesNanoseconds,omitempty"`  // until all paths are known, after a partition
	Doing   time.Duration `json:"doingNanoseconds,omitempty"`   // what was done took so long

	Sent       uint64 `json:"sent"`
	Lost       uint64 `json:"lost"`
	Duplicated uint64 `json:"duplicated"`
	Released   uint64 `json:"released"`
	Modified   uint64 `json:"modified"`
	Rejected   uint64 `json:"rejected"`
	Stuck      uint64 `json:"stuck"`
}

// result is all runs of a scenario.
type result struct {
	Router   string    `json:"router"`
	Scenario string    `json:"scenario"`
	Rate     int       `json:"rate,omitempty"`
	Runs     []outcome `json:"runs"`
	Failures []string  `json:"failures,omitempty"`
}

// quantiles returns median and worst of a time of the runs.
func (r *result) quantiles(of func(outcome) time.Duration) (median, worst time.Duration) {
	var all []time.Duration
	for _, o := range r.Runs {
		all = append(all, of(o))
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)-1]
}

// total sums a count of the runs up.
func (r *result) total(of func(outcome) uint64) uint64 {
	var n uint64
	for _, o := range r.Runs {
		n += of(o)
	}
	return n
}

// writeTable prints a line for each scenario.
func writeTable(w io.Writer, results []*result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "router\tscenario\trate\truns\tmedian\tworst\tlost\tduplicated\treleased\tmodified\trejected\tstuck")
	for _, r := range results {
		median, worst := r.quantiles(func(o outcome) time.Duration { return o.Time })
		rate := "–"
		if r.Rate > 0 {
			rate = fmt.Sprintf("%d/s", r.Rate)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", r.Router, r.Scenario, rate, len(r.Runs),
			short(median), short(worst),
			r.total(func(o outcome) uint64 { return o.Lost }), r.total(func(o outcome) uint64 { return o.Duplicated }),
			r.total(func(o outcome) uint64 { return o.Released }), r.total(func(o outcome) uint64 { return o.Modified }),
			r.total(func(o outcome) uint64 { return o.Rejected }), r.total(func(o outcome) uint64 { return o.Stuck }))
		if median, worst := r.quantiles(func(o outcome) time.Duration { return o.Routes }); worst > 0 {
			fmt.Fprintf(t, "\tall paths known\t\t\t%s\t%s\n", short(median), short(worst))
		}
	}
	t.Flush()
}

// short writes a duration with three digits.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}
