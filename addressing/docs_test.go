package addressing

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page for users shows which of some patterns counts for an address, and what tenants' addresses turn into.
func TestThePageOnAddressesIsRight(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/addressing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## Patterns\n")
	text, rest, _ := strings.Cut(text, "\n## Distributions\n")
	var entries []Entry[string]
	entity := regexp.MustCompile(`{name: ([^,]*), (prefix|pattern): '?([^,'}]*)`)
	for _, m := range entity.FindAllStringSubmatch(text, -1) {
		pattern := m[3]
		if m[2] == "prefix" {
			if pattern, err = PrefixPattern(pattern); err != nil {
				t.Fatal(err)
			}
		}
		entries = append(entries, Entry[string]{pattern, m[1]})
	}
	tree, err := NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]*)` \\| ([^`|]*) \\|$").FindAllStringSubmatch(text, -1)
	if len(entries) != 4 || len(rows) < 9 {
		t.Fatalf("%d entities and %d rows found", len(entries), len(rows))
	}
	for _, row := range rows {
		got, ok := tree.Match(row[1])
		if !ok {
			got = "–"
		}
		if got != row[2] {
			t.Errorf("for %s the page says %q, the router takes %q", row[1], row[2], got)
		}
	}
	r := NewRouter("A")
	_, text, _ = strings.Cut(rest, "| a client of the tenant `shop` writes |")
	text, _, _ = strings.Cut(text, "\n\n")
	for line := range strings.Lines(text) {
		from, to, _ := strings.Cut(strings.Trim(line, "| \n"), " | ")
		wants := regexp.MustCompile("^`([^`]*)`").FindStringSubmatch(to)
		for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(from, -1) {
			if got := string(r.ParseIn("shop", m[1]).AppendForRouters(nil)); wants == nil || got != wants[1] {
				t.Errorf("for %s of a tenant the page says %q, the router takes %q", m[1], to, got)
			}
		}
	}
	_, text, _ = strings.Cut(string(page), "All these are the address `orders/eu`:\n\n```\n")
	text, _, _ = strings.Cut(text, "\n```")
	for _, form := range strings.Fields(text) {
		if got := r.Parse(form).Key(); got != "M0orders/eu" {
			t.Errorf("the form %s has the key %s", form, got)
		}
	}
}
