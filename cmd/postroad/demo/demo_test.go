package demo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"
)

// TestNumberSet: a set knows which numbers it holds, and which of them another does not.
func TestNumberSet(t *testing.T) {
	t.Parallel()
	var a, b numberSet
	for _, n := range []uint64{0, 1, 63, 64, 1000} {
		if !a.add(n) || a.add(n) {
			t.Errorf("%d is not new once", n)
		}
	}
	b.add(1)
	b.add(64)
	b.add(5000)
	if got := a.without(&b); got != 3 {
		t.Errorf("%d numbers are missing, want 3", got)
	}
	if got := a.without(nil); got != 5 {
		t.Errorf("%d numbers are missing from nothing, want 5", got)
	}
}

// TestLedger: every reader has to get every message once; more than once is counted.
func TestLedger(t *testing.T) {
	t.Parallel()
	var l ledger
	var sent numberSet
	for n := range uint64(3) {
		sent.add(n)
		l.arrive("reader", "sender", n)
	}
	l.arrive("reader", "sender", 1)
	l.arrive("reader", "other sender", 1)
	l.arrive("other reader", "sender", 1)
	if got := l.repeated(); got != 1 {
		t.Errorf("%d messages came twice, want 1", got)
	}
	for reader, want := range map[string]int{"reader": 0, "other reader": 2, "nobody": 3} {
		if got := l.missing(reader, "sender", &sent); got != want {
			t.Errorf("%s misses %d messages, want %d", reader, got, want)
		}
	}
}

// TestRateMeter: a rate is that of the last two seconds.
func TestRateMeter(t *testing.T) {
	t.Parallel()
	var m rateMeter
	if m.rate("a") != 0 {
		t.Error("a rate without a measurement")
	}
	at := time.Unix(0, 0)
	for i := range 100 {
		count := uint64(i) * 10 // 100 a second
		if i > 50 {
			count = 500 + uint64(i-50)*20 // 200 a second
		}
		m.add(at.Add(time.Duration(i)*100*time.Millisecond), map[string]uint64{"a": count})
		if i == 50 && (m.rate("a") < 99 || m.rate("a") > 101) {
			t.Errorf("rate %v, want 100", m.rate("a"))
		}
	}
	if got := m.rate("a"); got < 199 || got > 201 {
		t.Errorf("rate %v, want 200", got)
	}
	if len(m.at) > 25 {
		t.Errorf("%d measurements are kept", len(m.at))
	}
}

// TestPathBetween: a path follows the next hops, and is none where they lead in a circle or nowhere.
func TestPathBetween(t *testing.T) {
	t.Parallel()
	routers := map[string]*router{}
	for id, hops := range map[string]map[string]string{
		"a": {"c": "b", "x": "b", "y": "y"}, "b": {"c": "c", "x": "a"}, "c": {},
	} {
		routers[id] = &router{nextHops: hops}
	}
	for to, want := range map[string]string{"c": "a b c", "a": "a", "x": "", "y": "a y", "z": ""} {
		if got := strings.Join(pathBetween(routers, "a", to), " "); got != want {
			t.Errorf("the path to %s is %q, want %q", to, got, want)
		}
	}
}

// TestScreen: the picture shows every router and client, what is wrong with them, and fits the terminal.
func TestScreen(t *testing.T) {
	t.Parallel()
	s := snapshot{
		elapsed: 90 * time.Second,
		routers: []routerShown{{id: "london", site: "here", alive: true}, {id: "tokyo", site: "there"}},
		links:   []linkShown{{a: "london", b: "tokyo", cost: 7}},
		clients: []clientShown{
			{name: "shop", router: "london", address: "orders", sends: true, total: tally{Sent: 12, Accepted: 11}},
			{name: "warehouse", router: "tokyo", address: "orders", problem: errors.New("lost its router")},
		},
		flows: []flowShown{{address: "orders", path: []string{"london", "tokyo"}, rate: 100}},
	}
	for _, size := range [][2]int{{110, 40}, {60, 20}, {20, 5}, {1, 1}} {
		text := s.screen("pair", size[0], size[1], time.Unix(3, 0))
		if width, height := lipgloss.Size(text); width > size[0] || height > size[1] {
			t.Errorf("%d×%d: the picture is %d×%d", size[0], size[1], width, height)
		}
		if size[0] < 100 {
			continue
		}
		for _, want := range []string{"1m30s", "london", "tokyo ✗", "here", "there", " 7 ", "●", "→ orders", "11 accepted",
			"lost its router"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	early := snapshot{phase: "starting"}
	if text := early.screen("x", 80, 24, time.Unix(0, 0)); !strings.Contains(text, "starting …") {
		t.Errorf("no phase in\n%s", text)
	}
}

// TestLastLines: the end of a log is what explains a death.
func TestLastLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "a": "a", "a\nb": "a\nb", "a\nb\nc": "b\nc"} {
		if got := lastLines(text, 2); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
