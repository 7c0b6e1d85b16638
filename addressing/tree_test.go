package addressing

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func tree(t testing.TB, patterns ...string) *Tree[string] {
	t.Helper()
	var entries []Entry[string]
	for _, p := range patterns {
		entries = append(entries, Entry[string]{p, p})
	}
	tr, err := NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// The cases are those of Interconnect's tests/parse_tree_tests.c (test_normalization).
func TestPatternsAreNormalizedAsInterconnectDoesIt(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"a.b.c": "a/b/c", "a.*.c": "a/*/c", "#": "#", "#.#.#.#": "#", "#.*.#.*.#.#.*": "*/*/*/#",
		"a.*.#.*.#.*.#": "a/*/*/*/#", "a.*.#.*.#.*": "a/*/*/*/#", "*.#.#.*.*.#": "*/*/*/#",
		"/a//b/.": "a//b", "a*.#b": "a*/#b",
	} {
		if got, err := NormalizePattern(pattern); err != nil || got != want {
			t.Errorf("NormalizePattern(%q) = %q, %v, want %q", pattern, got, err, want)
		}
	}
	if got, err := PrefixPattern("/a.b/"); err != nil || got != "a/b/#" {
		t.Errorf("PrefixPattern = %q, %v", got, err)
	}
}

func TestPatternWithoutTokensIsRefused(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "/", "./.", strings.Repeat("a.", 300)} {
		if got, err := NormalizePattern(p); err == nil {
			t.Errorf("NormalizePattern(%.20q) = %q, want an error", p, got)
		}
	}
	if _, err := PrefixPattern("//"); err == nil {
		t.Error("PrefixPattern of separators only: want an error")
	}
	if _, err := NewTree([]Entry[int]{{"#", 1}, {"#.#", 2}}); err == nil {
		t.Error("two patterns with the same normal form: want an error")
	}
	if _, err := NewTree([]Entry[int]{{"", 1}}); err == nil {
		t.Error("an empty pattern: want an error")
	}
	if _, err := (&Tree[int]{}).Add("..", 1); err == nil {
		t.Error("adding an empty pattern: want an error")
	}
}

// The cases are those of Interconnect's tests/parse_tree_tests.c (test_matches).
func TestPatternMatchesWhatInterconnectMatches(t *testing.T) {
	t.Parallel()
	for pattern, cases := range map[string]map[string]bool{
		"ab.cd.e": {"ab.cd.e": true, "abx.cd.e": false, "ab.cd": false, "ab.cd.ef.": false, "ab.cd.E": false,
			"x.ab.cd.e": false},
		"a.*.b": {"a.xx.b": true, "a.b": false},
		"*.x":   {"y.x": true, "x": false, "x.y": false},
		"x.x.*": {"x.x.y": true, "x.x": false, "y.x.x": false, "q.x.y": false},
		"a.#.b": {"a.b": true, "a.x.b": true, "a..x.y.zz.b": true, "a.b.z": false, "z.a.b": false, "q.x.b": false},
		"a.#":   {"a": true, "a.b": true, "a.b.c": true, "b.a": false},
		"#.a":   {"a": true, "x.y.a": true, "a.b": false},
		"a.#.b.#.c": {"a.b.c": true, "a.x.b.y.c": true, "a.x.x.b.y.y.c": true,
			"a.b": false},
		"*.x.#.y": {"a.x.y": true, "a.x.p.qq.y": true, "a.a.x.y": false, "aa.x.b.c": false, "x.p.qq.y": false,
			"a.x.p.qq.y.b": false},
		"a.#.b.*": {"a.b.x": true, "a.x.x.x.b.x": true, "a.b.b.b.b.y": true, "a.b.b.b.b": true, "a.b": false},
		"*.*.*.#": {"x/y/z": true, "x.y.z/a.b.c": true, "x.y/z": true, "x.y": false, "x/y": false, "x": false},
		"*/#/*":   {"x": false, "x.y": true, "x.y.z": true, "x.y.z.y.z.y.z": true},
		"/#/policy": {"/policy": true, "/good/policy": true, "/really/really/good/policy": true, "help/police": false,
			"bad/polic": false, "/bad/p": false},
		"#": {"": true, "a": true, "..": true},
	} {
		tr := tree(t, pattern)
		for address, want := range cases {
			if _, got := tr.Match(address); got != want {
				t.Errorf("pattern %q, address %q: match is %v, want %v", pattern, address, got, want)
			}
		}
	}
}

// The cases are those of Interconnect's tests/parse_tree_tests.c (test_multiple_matches): all matches, best first.
func TestBestMatchIsThatOfInterconnect(t *testing.T) {
	t.Parallel()
	full := tree(t, "alpha", "bravo", "alpha.bravo", "bravo.charlie", "alpha.bravo.charlie.delta",
		"bravo.charlie.delta.echo", "alpha.*", "alpha.#", "alpha.*.#", "#.bravo", "*.bravo", "*.#.bravo", "alpha.*.bravo",
		"alpha.#.bravo", "alpha.*.#.bravo", "*.bravo.*", "#.bravo.#")
	for address, matches := range map[string][]string{
		"alpha":      {"alpha", "alpha.#"},
		"alpha.zulu": {"alpha.*", "alpha.*.#", "alpha.#"},
		"alpha.bravo": {"alpha.bravo", "alpha.*", "alpha.*.#", "alpha.#.bravo", "alpha.#", "*.bravo", "*.#.bravo",
			"#.bravo", "#.bravo.#"},
		"bravo":                     {"bravo", "#.bravo", "#.bravo.#"},
		"xray.bravo":                {"*.bravo", "*.#.bravo", "#.bravo", "#.bravo.#"},
		"alpha.bravo.charlie":       {"alpha.*.#", "alpha.#", "*.bravo.*", "#.bravo.#"},
		"xray.yankee.zulu.bravo":    {"*.#.bravo", "#.bravo", "#.bravo.#"},
		"alpha.bravo.charlie.delta": {"alpha.bravo.charlie.delta", "alpha.*.#", "alpha.#", "#.bravo.#"},
		"alpha.charlie.charlie.bravo": {"alpha.*.#.bravo", "alpha.*.#", "alpha.#.bravo", "alpha.#", "*.#.bravo", "#.bravo",
			"#.bravo.#"},
		"xray.yankeee.zulu.bravo.alpha.bravo.charlie": {"#.bravo.#"},
		"I.match.nothing": {},
	} {
		// Taking the best match away must lay the next best one open.
		tr := full
		for _, want := range matches {
			got, ok := tr.Match(address)
			if !ok || got != want {
				t.Fatalf("address %q: best match is %q, %v, want %q", address, got, ok, want)
			}
			if tr, ok = tr.Remove(got); !ok {
				t.Fatalf("pattern %q is not there to be removed", got)
			}
		}
		if got, ok := tr.Match(address); ok {
			t.Errorf("address %q matches %q, want no more matches", address, got)
		}
	}
}

// naive matches by trying everything, in the order of precedence, one pattern against one address.
func naive(pattern, address []string) bool {
	switch {
	case len(pattern) == 0:
		return len(address) == 0
	case pattern[0] == "#":
		return naive(pattern[1:], address) || len(address) > 0 && naive(pattern, address[1:])
	case len(address) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == address[0]) && naive(pattern[1:], address[1:])
}

// naiveBest is the best of the matching patterns as the documentation states it: compared token by token from the left,
// along the way each of them takes through the address.
func naiveBest(patterns [][]string, address []string) []string {
	if len(address) == 0 {
		if i := slices.IndexFunc(patterns, func(p []string) bool { return len(p) == 0 }); i >= 0 {
			return []string{}
		}
	}
	step := func(tok string, rest []string) []string {
		var below [][]string
		for _, p := range patterns {
			if len(p) > 0 && p[0] == tok {
				below = append(below, p[1:])
			}
		}
		if below == nil {
			return nil
		}
		if tok != "#" {
			if best := naiveBest(below, rest); best != nil {
				return append([]string{tok}, best...)
			}
			return nil
		}
		var ends bool
		below = slices.DeleteFunc(below, func(p []string) bool { ends = ends || len(p) == 0; return len(p) == 0 })
		for i := range rest {
			if best := naiveBest(below, rest[i:]); best != nil {
				return append([]string{tok}, best...)
			}
		}
		if ends {
			return []string{tok}
		}
		return nil
	}
	if len(address) > 0 {
		for _, tok := range []string{address[0], "*"} {
			if best := step(tok, address[1:]); best != nil {
				return best
			}
		}
	}
	return step("#", address)
}

func drawPattern(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "", "*", "#", "#"}), 1, 7).
		Draw(t, "pattern"), ".")
}

func TestTreeMatchesLikeTryingEveryPattern(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := &Tree[string]{}
		var patterns [][]string
		for range rapid.IntRange(0, 12).Draw(t, "patterns") {
			p := drawPattern(t)
			if next, err := tr.Add(p, p); err == nil {
				tr = next
				tokens, _ := patternTokens(p)
				patterns = append(patterns, tokens)
			}
		}
		address := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 8).Draw(t, "address")
		text := strings.Join(address, "/")
		address = nil
		for at := firstToken(&addressSyntax, text); at < len(text); {
			end, next := token(&addressSyntax, text, at)
			address, at = append(address, text[at:end]), next
		}

		value, ok := tr.Match(text)
		any := slices.ContainsFunc(patterns, func(p []string) bool { return naive(p, address) })
		if ok != any {
			t.Fatalf("address %q: match is %v, want %v", text, ok, any)
		}
		if b, bok := tr.MatchBytes([]byte(text)); b != value || bok != ok {
			t.Fatalf("address %q: MatchBytes = %q, %v, but Match = %q, %v", text, b, bok, value, ok)
		}
		if !ok {
			return
		}
		got, _ := NormalizePattern(value)
		if want := addressSyntax.join(naiveBest(patterns, address)); got != want {
			t.Fatalf("address %q: best match is %q, want %q", text, got, want)
		}
	})
}

func TestAddAndRemoveLeaveOtherTreesAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			tree  *Tree[int]
			model map[string]int
		}
		versions := []version{{&Tree[int]{}, map[string]int{}}}
		for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
			v := versions[rapid.IntRange(0, len(versions)-1).Draw(t, "version")]
			p := drawPattern(t)
			key, err := NormalizePattern(p)
			if err != nil {
				continue
			}
			model := map[string]int{}
			for k, n := range v.model {
				model[k] = n
			}
			_, had := v.model[key]
			if rapid.Bool().Draw(t, "remove") {
				next, ok := v.tree.Remove(p)
				if ok != had {
					t.Fatalf("Remove(%q) = %v, want %v", p, ok, had)
				}
				delete(model, key)
				versions = append(versions, version{next, model})
				continue
			}
			next, err := v.tree.Add(p, i)
			if (err != nil) != had {
				t.Fatalf("Add(%q): error %v, but the tree has it: %v", p, err, had)
			}
			if err == nil {
				model[key] = i
				versions = append(versions, version{next, model})
			}
		}
		for i, v := range versions {
			got := map[string]int{}
			for p, n := range v.tree.All() {
				got[p] = n
				if value, ok := v.tree.Get(p); !ok || value != n {
					t.Fatalf("version %d: Get(%q) = %d, %v, want %d", i, p, value, ok, n)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(v.model) || v.tree.Len() != len(v.model) {
				t.Fatalf("version %d has %v (Len %d), want %v", i, got, v.tree.Len(), v.model)
			}
		}
	})
}

func TestHostilePatternsAreNotExponential(t *testing.T) {
	t.Parallel()
	var entries []Entry[int]
	for i := range 40 {
		entries = append(entries, Entry[int]{strings.Repeat("#.a.", i+1) + "b", i})
	}
	tr, err := NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, ok := tr.Match(strings.Repeat("a.", 2000) + "c"); ok {
		t.Fatal("matched, want no match")
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Fatalf("one look-up took %v", d)
	}
}

func TestDistributionHintsAreThoseOfInterconnect(t *testing.T) {
	t.Parallel()
	for hint, name := range []string{"flood", "multicast", "closest", "balanced", "linkBalanced", "unavailable"} {
		d, ok := DistributionFromHint(int64(hint))
		if !ok || int(d) != hint || d.String() != name {
			t.Errorf("hint %d is %v, %v, want %s", hint, d, ok, name)
		}
	}
	for _, hint := range []int64{-1, 6, 1 << 62} {
		if d, ok := DistributionFromHint(hint); ok {
			t.Errorf("hint %d is %v, want none", hint, d)
		}
	}
}

func TestConfigurationNamesFourDistributions(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"closest", "balanced", "multicast", "unavailable"} {
		var d Distribution
		if err := d.UnmarshalText([]byte(name)); err != nil || d.String() != name {
			t.Errorf("%s: %v, %v", name, d, err)
		}
		if text, err := d.MarshalText(); err != nil || string(text) != name {
			t.Errorf("%s: marshals to %s, %v", name, text, err)
		}
	}
	if _, err := ParseDistribution("nearest"); err == nil || !strings.Contains(err.Error(), "closest") {
		t.Errorf("error for an unknown name does not list the known ones: %v", err)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	tr := tree(t, "orders.#", "#.eu.#.x", "#.eu.#.y.#.z", "*.b")
	for _, text := range []string{"orders/eu/1", "a/eu/b/x", "a/b", "none/of/these"} {
		b := []byte(text)
		if n := testing.AllocsPerRun(100, func() { tr.MatchBytes(b); tr.Match(text) }); n != 0 {
			t.Errorf("Match(%q) allocates %v times", text, n)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a.#.b\n*.b\n#", "a.x.b")
	f.Add("#.a.#.a.#.a.#.b", "a.a.a.a.a.a.c")
	f.Fuzz(func(t *testing.T, patterns, text string) {
		tr := &Tree[[]string]{}
		any := false
		var address []string
		for at := firstToken(&addressSyntax, text); at < len(text); {
			end, next := token(&addressSyntax, text, at)
			address, at = append(address, text[at:end]), next
		}
		for i, p := range strings.Split(patterns, "\n") {
			tokens, err := patternTokens(p)
			if err != nil || i > 20 || len(tokens) > 12 || len(address) > 12 {
				continue
			}
			if next, err := tr.Add(p, tokens); err == nil {
				tr = next
				any = any || naive(tokens, address)
			}
		}
		if len(address) > 12 {
			tr.Match(text)
			return
		}
		if value, ok := tr.Match(text); ok != any || ok && !naive(value, address) {
			t.Fatalf("%q in %q: matches %q, %v, want a match: %v", text, patterns, value, ok, any)
		}
	})
}

// The cost of a look-up must not grow with the number of patterns.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 1000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var entries []Entry[int]
			for i := range n {
				entries = append(entries, Entry[int]{fmt.Sprintf("region%d.*.#", i), i})
			}
			tr, err := NewTree(entries)
			if err != nil {
				b.Fatal(err)
			}
			text := []byte("region7.orders.eu")
			for b.Loop() {
				if _, ok := tr.MatchBytes(text); !ok {
					b.Fatal("no match")
				}
			}
		})
	}
}
