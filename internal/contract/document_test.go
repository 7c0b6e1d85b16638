package contract

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// documentation is the file with the table, as seen from this package.
const documentation = "../../docs/contract.md"

// document compares what the documentation says of a system with what its cells observed, or rewrites it. The
// documentation is Postroad's: of another system only the differences are written, on demand.
func document(t *testing.T, s System) {
	t.Helper()
	switch {
	case s.Promises():
		replace(t, "table", table(), true)
	case *update:
		replace(t, "differences", differences(s), false)
	default:
		t.Logf("differences of %s:\n%s", s.Name(), differences(s))
	}
}

// replace compares a marked part of the documentation with text, or puts the text there.
func replace(t *testing.T, mark, text string, mustBe bool) {
	t.Helper()
	b, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin "+mark+" -->\n", "<!-- end "+mark+" -->"
	before, rest, ok := strings.Cut(string(b), begin)
	was, after, okAfter := strings.Cut(rest, end)
	if !ok || !okAfter {
		t.Fatalf("%s has no part between %q and %q", documentation, begin, end)
	}
	if was == text {
		return
	}
	if !*update {
		if mustBe {
			t.Errorf("%s says something else than what was observed; %s rewrites it. Observed:\n%s", documentation,
				explain(underTest()), text)
		}
		return
	}
	if mustBe && t.Failed() {
		t.Error("the table is not rewritten: cells failed")
		return
	}
	if err := os.WriteFile(documentation, []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// observed returns what a cell observed, with one router and with three if that differs.
func observed(e *event, col column) string {
	results.Lock()
	defer results.Unlock()
	one, three := "", ""
	for _, r := range results.list {
		if r.event == e && r.column == col {
			if r.several {
				three = r.observed
			} else {
				one = r.observed
			}
		}
	}
	switch {
	case three == "":
		return one
	case one == "" || one == three:
		return three
	}
	return fmt.Sprintf("one router: %s. Three: %s", one, three)
}

// table is the table of the documentation.
func table() string {
	var b strings.Builder
	b.WriteString("\n| event | unsettled, one consumer | pre-settled, one consumer | unsettled multicast |\n|---|---|---|---|\n")
	for i := range events {
		e := &events[i]
		if e.skipped() {
			fmt.Fprintf(&b, "| %s | *not yet* | *not yet* | *not yet* |\n", e.name)
			continue
		}
		fmt.Fprintf(&b, "| %s |", e.name)
		for col, c := range e.cells {
			text := "–"
			switch {
			case c.runs():
				text = observed(e, column(col))
			case c.run != nil:
				text = "*not yet*"
			}
			if c.gap != "" {
				text += "; *not yet:* " + c.gap
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	b.WriteString("\nNot yet:\n\n")
	for _, e := range events {
		if e.skipped() {
			fmt.Fprintf(&b, "- %s: %s.\n", e.name, e.notYet)
		}
		for col, c := range e.cells {
			if c.run != nil && !c.runs() {
				fmt.Fprintf(&b, "- %s, %s: %s.\n", e.name, column(col), c.notYet)
			}
		}
	}
	fmt.Fprintf(&b, "- routed links: %s.\n\n", notYetRouted)
	return b.String()
}

// notYetRouted is why the contract's column for routed links is not here.
const notYetRouted = "links are not routed as a whole yet, so that what an event does to them cannot be observed"

// differences lists the cells in which a system differs from the contract.
func differences(s System) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n| event | delivery | contract | %s |\n|---|---|---|---|\n", s.Name())
	same, all := 0, 0
	for i := range events {
		e := &events[i]
		for col, c := range e.cells {
			if !c.runs() || e.skipped() {
				continue
			}
			all++
			if saw := observed(e, column(col)); saw == c.promise {
				same++
			} else {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", e.name, column(col), c.promise, saw)
			}
		}
	}
	fmt.Fprintf(&b, "\nThe other %d of %d cells are as the contract has them.\n\n", same, all)
	return b.String()
}
