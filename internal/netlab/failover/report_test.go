package main

import (
	"strings"
	"testing"
	"time"
)

func TestTheTableHasMedianAndWorstAndSums(t *testing.T) {
	t.Parallel()
	r := &result{Router: "R", Scenario: "kill", Rate: 200}
	for i := range 5 {
		r.Runs = append(r.Runs, outcome{Time: time.Duration(5-i) * 500 * time.Millisecond, Modified: 2, Lost: uint64(i)})
	}
	var b strings.Builder
	writeTable(&b, []*result{r, {Router: "R", Scenario: "heal", Runs: []outcome{{Time: 1234567, Routes: time.Second}}}, {}})
	lines := strings.Split(b.String(), "\n")
	for i, want := range []string{
		"router scenario rate runs median worst lost duplicated released modified rejected stuck",
		"R kill 200/s 5 1.5 s 2.5 s 10 0 0 10 0 0",
		"R heal – 1 1.23 ms 1.23 ms 0 0 0 0 0 0",
		"all paths known 1 s 1 s",
		"– 0 0 ms 0 ms 0 0 0 0 0 0",
	} {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
}
