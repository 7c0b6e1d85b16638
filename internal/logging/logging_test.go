package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// noon is the time of all events in these tests.
var noon = time.Date(2026, 11, 20, 10, 0, 0, 113_000, time.UTC)

// buffer is an output that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// take returns what was written since the last call.
func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.b.String()
	b.b.Reset()
	return s
}

// open returns a log that writes to a buffer.
func open(t testing.TB, o Options) (*Logs, *buffer) {
	t.Helper()
	out := new(buffer)
	o.Stderr = out
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, out
}

func wantLine(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// Events come out as Interconnect's lines, with attributes only where there are any.
func TestTextLine(t *testing.T) {
	t.Parallel()
	l, out := open(t, Options{})
	server := l.Module(Server)
	server.Notice("Listening on 0.0.0.0:5672 (clients)")
	wantLine(t, out.take(),
		"2026-11-20 10:00:00.000113 +0000 SERVER (notice) Listening on 0.0.0.0:5672 (clients)\n")
	l.Module(ConnMgr).Warningf("Connection to %s failed: %v", "hub:5671", errors.New("refused"))
	wantLine(t, out.take(),
		"2026-11-20 10:00:00.000113 +0000 CONN_MGR (warning) Connection to hub:5671 failed: refused\n")
	server.Error("closed", slog.Uint64("conn", 7), slog.String("why", "idle time-out"), slog.String("host", "a:1"),
		slog.Group("peer", slog.Int("port", 1), slog.Bool("tls", true)), slog.Attr{}, slog.String("empty", ""),
		slog.Duration("after", time.Second), slog.Float64("f", 1.5), slog.Any("err", errors.New("a=b")),
		slog.Time("at", noon))
	wantLine(t, out.take(), "2026-11-20 10:00:00.000113 +0000 SERVER (error) closed conn=7 why=\"idle time-out\" "+
		"host=a:1 peer.port=1 peer.tls=true empty=\"\" after=1s f=1.5 err=\"a=b\" at=2026-11-20T10:00:00.000113Z\n")
}

// Each level has a method with attributes and one with a format, and its own name in the line.
func TestEveryLevel(t *testing.T) {
	t.Parallel()
	no := false
	l, out := open(t, Options{Modules: map[Module]Settings{Default: {Enable: "trace+", IncludeTimestamp: &no}}})
	r := l.Module(Router)
	r.Trace("x")
	r.Tracef("%d", 1)
	r.Debug("x")
	r.Debugf("%d", 1)
	r.Info("x")
	r.Infof("%d", 1)
	r.Notice("x")
	r.Noticef("%d", 1)
	r.Warning("x")
	r.Warningf("%d", 1)
	r.Error("x")
	r.Errorf("%d", 1)
	r.Critical("x")
	r.Criticalf("%d", 1)
	var want strings.Builder
	for _, name := range levelNames {
		want.WriteString("ROUTER (" + name + ") x\nROUTER (" + name + ") 1\n")
	}
	wantLine(t, out.take(), want.String())
	for l := range levelCount {
		r.Log(l, "y")
	}
	r.Log(levelCount, "no such level")
	if n := strings.Count(out.take(), "y\n"); n != int(levelCount) {
		t.Errorf("%d lines of Log, want %d", n, levelCount)
	}
	if got, want := l.Stats(Router), (Counts{3, 3, 3, 3, 3, 3, 3}); got != want {
		t.Errorf("counts %v, want %v", got, want)
	}
}

// What a peer sent cannot break a line, forge another, or steer a terminal, in neither form.
func TestHostileText(t *testing.T) {
	t.Parallel()
	no := false
	settings := map[Module]Settings{Default: {IncludeTimestamp: &no}}
	evil := "a\n2026 SERVER (critical) b\r\x1b[31m\x00\xff\u2028\u0085é"
	l, out := open(t, Options{Modules: settings})
	l.Module(Policy).Info(evil, slog.String("k\n", evil))
	got := out.take()
	wantLine(t, got, `POLICY (info) a\n2026 SERVER (critical) b\r\x1b[31m\x00\xff\u2028\u0085é `+
		`k\n="a\n2026 SERVER (critical) b\r\x1b[31m\x00\xff\u2028\u0085é"`+"\n")
	l, out = open(t, Options{Modules: settings, Format: JSON})
	l.Module(Policy).Info(evil, slog.String("k\n", evil))
	if got := out.take(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\x1b\x00") || !utf8.ValidString(got) {
		t.Errorf("JSON %q", got)
	}
}

// A text that is longer than MaxText is cut at a character and marked.
func TestLongText(t *testing.T) {
	t.Parallel()
	l, out := open(t, Options{})
	for _, size := range []int{MaxText, MaxText + 1, 10 * MaxText} {
		l.Module(Message).Info(strings.Repeat("x", size-2) + "é")
		text := l.Recent(1)[0].Text
		if len(text) > MaxText || strings.HasSuffix(text, "…") != (size > MaxText) {
			t.Errorf("a text of %d octets became %d, ending in %q", size, len(text), text[len(text)-8:])
		}
		if !strings.HasSuffix(out.take(), text+"\n") {
			t.Error("the line differs from the entry")
		}
	}
	l.Module(Message).Info("x", slog.String("a", strings.Repeat("é", MaxText)), slog.Int("b", 1))
	if text := l.Recent(1)[0].Text; len(text) > MaxText || !strings.HasSuffix(text, "é…") {
		t.Errorf("a long attribute: %d octets", len(text))
	}
}

// JSON has the same facts, one object a line.
func TestJSONLine(t *testing.T) {
	t.Parallel()
	l, out := open(t, Options{Format: JSON})
	l.Module(Server).Notice("up", slog.Int("n", -1), slog.Bool("ok", true), slog.String("s", `q"`),
		slog.Any("err", errors.New("bad")), slog.Any("list", []int{1, 2}), slog.Group("g", slog.Uint64("u", 1)),
		slog.Float64("f", 0.5), slog.Duration("d", time.Millisecond), slog.Any("fn", func() {}), slog.Attr{})
	got := out.take()
	const want = `{"time":"2026-11-20T10:00:00.000113Z","level":"notice","module":"SERVER","msg":"up","n":-1,"ok":true,` +
		`"s":"q\"","err":"bad","list":[1,2],"g.u":1,"f":0.5,"d":"1ms","fn":"0x`
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\"}\n") {
		t.Errorf("\n got %s\nwant %s…", got, want)
	}
}

// IncludeSource names the file and line of the caller, whichever way it reports, and the ring has them always.
func TestSource(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	l, out := open(t, Options{Modules: map[Module]Settings{
		Default: {IncludeTimestamp: &no, IncludeSource: &yes}, Agent: {IncludeSource: &no},
	}})
	l.Module(Server).Info("a")
	l.Module(Server).Infof("b")
	l.Module(Server).Log(LevelInfo, "c")
	l.Module(Server).Slog().Info("d")
	l.Module(Agent).Info("e")
	entries := l.Recent(-1)
	lines := strings.Split(out.take(), "\n")
	for i, e := range entries {
		if e.File != "logging/logging_test.go" || e.Line != entries[0].Line+i {
			t.Errorf("%s: %s:%d, want logging/logging_test.go:%d", e.Text, e.File, e.Line, entries[0].Line+i)
		}
	}
	if want := "SERVER (info) a (logging/logging_test.go:"; !strings.HasPrefix(lines[0], want) {
		t.Errorf("line %q, want %s…", lines[0], want)
	}
	wantLine(t, lines[4], "AGENT (info) e")
}

// A slog view has the module, its levels, and groups as prefixes.
func TestSlog(t *testing.T) {
	t.Parallel()
	no := false
	l, out := open(t, Options{Modules: map[Module]Settings{Default: {IncludeTimestamp: &no}}})
	s := l.Module(HTTP).Slog()
	s.With("a", 1).WithGroup("g").With("b", 2).Warn("m", "c", 3, slog.Group("h", "d", 4), slog.Group("", "e", 5))
	wantLine(t, out.take(), "HTTP (warning) m a=1 g.b=2 g.c=3 g.h.d=4 g.e=5\n")
	s.Debug("not enabled")
	s.Log(t.Context(), LevelNotice.Slog(), "n")
	s.Log(t.Context(), slog.LevelError+100, "x")
	wantLine(t, out.take(), "HTTP (notice) n\nHTTP (critical) x\n")
	for level := range levelCount {
		if got := FromSlog(level.Slog()); got != level {
			t.Errorf("%v comes back as %v", level, got)
		}
	}
	if got := FromSlog(-100); got != LevelTrace {
		t.Errorf("-100 is %v, want trace", got)
	}
}

// Events are counted whether they are written or not; only written ones are kept, the last thousand.
func TestStatsAndRing(t *testing.T) {
	t.Parallel()
	l, _ := open(t, Options{})
	r := l.Module(RouterLS)
	for range 5 {
		r.Debug("unseen")
	}
	for i := range ringSize + 10 {
		r.Infof("event %d", i)
	}
	if c := l.Stats(RouterLS); c[LevelDebug] != 5 || c[LevelInfo] != ringSize+10 {
		t.Errorf("counts %v", c)
	}
	all := l.Recent(-1)
	if len(all) != ringSize || all[0].Text != "event 10" || all[ringSize-1].Text != "event 1009" {
		t.Errorf("%d entries from %q to %q", len(all), all[0].Text, all[len(all)-1].Text)
	}
	two := l.Recent(2)
	if len(two) != 2 || two[0].Text != "event 1008" || two[1].Text != "event 1009" {
		t.Errorf("the last two: %+v", two)
	}
	want := Entry{Module: RouterLS, Level: LevelInfo, Text: "event 1009", File: two[1].File, Line: two[1].Line, Time: noon}
	if two[1] != want {
		t.Errorf("entry %+v, want %+v", two[1], want)
	}
	if n := len(l.Recent(0)); n != 0 {
		t.Errorf("%d entries with limit 0", n)
	}
}

// A call that is not enabled allocates nothing.
func TestDisabledAllocatesNothing(t *testing.T) {
	l, _ := open(t, Options{})
	r := l.Module(Protocol)
	text := strings.Repeat("x", 10)
	allocations := testing.AllocsPerRun(1000, func() {
		r.Trace("frame", slog.Int("channel", 1234), slog.String("name", text), slog.Uint64("conn", 1<<40))
		if r.Enabled(LevelTrace) {
			r.Tracef("%d", len(text))
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want 0", allocations)
	}
}

// Nanoseconds of a call that is not enabled.
func BenchmarkDisabled(b *testing.B) {
	l, _ := open(b, Options{})
	r := l.Module(Protocol)
	b.ReportAllocs()
	for b.Loop() {
		r.Trace("frame", slog.Int("channel", 1234))
	}
}

// Nanoseconds of a call that is enabled, without its output.
func BenchmarkText(b *testing.B) {
	l, out := open(b, Options{})
	r := l.Module(Protocol)
	b.ReportAllocs()
	for b.Loop() {
		r.Info("frame", slog.Int("channel", 1234))
		out.take()
	}
}

// Whatever a text is, its line is one line of bounded length.
func FuzzText(f *testing.F) {
	f.Add("a\nb", "k", "v\xff")
	f.Add(strings.Repeat("é", MaxText), "", " =\"")
	f.Fuzz(func(t *testing.T, message, key, value string) {
		got := appendText([]byte("> "), message, []slog.Attr{slog.String(key, value)})
		if len(got) > MaxText+2 || bytes.ContainsAny(got, "\n\r\x00\x1b\u2028") {
			t.Fatalf("%q", got)
		}
	})
}
