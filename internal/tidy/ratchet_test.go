package tidy

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// offendersFile lists what breaks a ratchet today: the rule, who breaks it, and the number.
const offendersFile = "offenders.txt"

var shrink = flag.Bool("shrink", false, "lower the numbers in "+offendersFile+" to today's, and take out who obeys")

// offence names a rule and who breaks it.
type offence struct{ rule, who string }

// offenders is the list, and what this run of the tests has found.
var offenders struct {
	once    sync.Once
	mu      sync.Mutex
	allowed map[offence]int
	today   map[string]map[string]int // by rule
}

// TestMain rewrites the list of offenders after the tests if the flag asks for that.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if *shrink && offenders.allowed != nil {
		if err := writeOffenders(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// ratchet fails for every difference between today's offenders of a rule and the list. The advice says what would be
// right.
func ratchet(t *testing.T, rule string, today map[string]int, advice string) {
	t.Helper()
	offenders.once.Do(func() { readOffenders(t) })
	offenders.mu.Lock()
	defer offenders.mu.Unlock()
	offenders.today[rule] = today
	grown, obey := compare(rule, today, offenders.allowed)
	for _, who := range grown {
		t.Errorf("%s: %s has %d %s (offenders.txt allows %d)", rule, who, today[who], advice,
			offenders.allowed[offence{rule, who}])
	}
	for _, who := range obey {
		if !*shrink {
			t.Errorf("%s: %s obeys now; take it off the list: go test ./internal/tidy -shrink", rule, who)
		}
	}
}

// compare returns who joined the offenders of a rule, or grew, and who stands on the list without need.
func compare(rule string, today map[string]int, allowed map[offence]int) (grown, obey []string) {
	for who, n := range today {
		if n > allowed[offence{rule, who}] {
			grown = append(grown, who)
		}
	}
	for o := range allowed {
		if o.rule == rule && today[o.who] == 0 {
			obey = append(obey, o.who)
		}
	}
	slices.Sort(grown)
	slices.Sort(obey)
	return grown, obey
}

// TestRatchetsTurnOneWay shows that nobody joins the offenders or grows, and that nobody stays who obeys. Who shrinks
// may stay.
func TestRatchetsTurnOneWay(t *testing.T) {
	t.Parallel()
	allowed := map[offence]int{{"r", "grew"}: 2, {"r", "shrank"}: 2, {"r", "obeys"}: 2, {"another", "x"}: 1}
	grown, obey := compare("r", map[string]int{"grew": 3, "shrank": 1, "joined": 1}, allowed)
	if !slices.Equal(grown, []string{"grew", "joined"}) || !slices.Equal(obey, []string{"obeys"}) {
		t.Errorf("grown %v, obey %v; want grew and joined, obeys", grown, obey)
	}
}

// readOffenders reads the list.
func readOffenders(t *testing.T) {
	t.Helper()
	offenders.allowed, offenders.today = make(map[offence]int), make(map[string]map[string]int)
	text, err := os.ReadFile(offendersFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) != 3 {
			t.Fatalf("%s:%d: want a rule, a name and a number: %s", offendersFile, i+1, line)
		}
		n, err := strconv.Atoi(words[2])
		o := offence{words[0], words[1]}
		if _, twice := offenders.allowed[o]; twice || err != nil {
			t.Fatalf("%s:%d: listed twice, or not a number: %s", offendersFile, i+1, line)
		}
		offenders.allowed[o] = n
	}
}

// writeOffenders writes the list with today's numbers where they are smaller. Rules that did not run keep theirs.
func writeOffenders() error {
	text, err := os.ReadFile(offendersFile)
	if err != nil {
		return err
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		out.WriteString(line)
	}
	list := slices.SortedFunc(maps.Keys(offenders.allowed), func(a, b offence) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.who, b.who))
	})
	rule := ""
	for _, o := range list {
		n := offenders.allowed[o]
		if today, ran := offenders.today[o.rule]; ran {
			n = min(n, today[o.who])
		}
		if n == 0 {
			continue
		}
		if o.rule != rule {
			out.WriteString("\n")
			rule = o.rule
		}
		fmt.Fprintf(&out, "%-11s %-60s %d\n", o.rule, o.who, n)
	}
	return os.WriteFile(offendersFile, []byte(out.String()), 0o644)
}

// TestEveryOffenderBreaksARuleThatExists shows that the list names no rule that no test holds.
func TestEveryOffenderBreaksARuleThatExists(t *testing.T) {
	t.Parallel()
	offenders.once.Do(func() { readOffenders(t) })
	for o := range offenders.allowed {
		if !slices.Contains(rules, o.rule) {
			t.Errorf("%s names the rule %s, which is none of %v", offendersFile, o.rule, rules)
		}
	}
}
