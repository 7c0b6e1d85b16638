package main

import (
	"strings"
	"testing"
)

// sum reads a run and returns what is printed and its last line.
func sum(t *testing.T, lines ...string) (printed, last string, ok bool) {
	t.Helper()
	var out strings.Builder
	s := &summary{out: &out, output: make(map[string][]string), running: make(map[string]bool)}
	if err := s.read(strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	return out.String(), s.String(), s.ok()
}

// TestGoodRun shows that passed tests are counted, each subtest too, and their output is not shown.
func TestGoodRun(t *testing.T) {
	t.Parallel()
	printed, last, ok := sum(t,
		`{"Time":"2026-01-01T00:00:00Z","Action":"start","Package":"p"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}`,
		`{"Action":"pass","Package":"p","Test":"TestA/x"}`,
		`{"Action":"pass","Package":"p","Test":"TestA"}`,
		`{"Time":"2026-01-01T00:00:07Z","Action":"pass","Package":"p","Elapsed":6.5}`,
		`{"Action":"skip","Package":"q"}`,
	)
	if want := "ok   p 6.5s\n-    q\n"; printed != want {
		t.Errorf("printed %q, want %q", printed, want)
	}
	if want := "ok   2 tests passed, 0 failed, 0 skipped; 1 packages, 0 failed; 7 s"; last != want || !ok {
		t.Errorf("last line %q, ok %v, want %q, true", last, ok, want)
	}
}

// TestFailuresAreShown shows that a failed test is shown with its output, without the lines that say it again.
func TestFailuresAreShown(t *testing.T) {
	t.Parallel()
	printed, _, ok := sum(t,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: two is not three\n"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}`,
		`{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0.25}`,
		`{"Action":"fail","Package":"p","Elapsed":1}`,
	)
	if want := "FAIL p TestA (0.25s)\n    a_test.go:1: two is not three\nFAIL p 1.0s\n"; printed != want || ok {
		t.Errorf("printed %q, ok %v, want %q, false", printed, ok, want)
	}
}

// TestPanicIsShown shows that the output of a test that never ended is shown when its package fails.
func TestPanicIsShown(t *testing.T) {
	t.Parallel()
	printed, _, ok := sum(t,
		`{"Action":"run","Package":"p","Test":"TestB"}`,
		`{"Action":"pass","Package":"p","Test":"TestB"}`,
		`{"Action":"run","Package":"p","Test":"TestA"}`,
		`{"Action":"output","Package":"p","Test":"TestA","Output":"panic: boom\n"}`,
		`{"Action":"fail","Package":"p"}`,
	)
	if !strings.Contains(printed, "never ended: p TestA\n") || strings.Contains(printed, "TestB") ||
		!strings.Contains(printed, "panic: boom") || ok {
		t.Errorf("printed %q, ok %v, want the panic, false", printed, ok)
	}
}

// TestBrokenBuildIsShown shows that the compiler's words are passed on.
func TestBrokenBuildIsShown(t *testing.T) {
	t.Parallel()
	printed, _, ok := sum(t,
		`{"ImportPath":"p","Action":"build-output","Output":"a.go:1:1: no\n"}`,
		`{"Action":"fail","Package":"p","FailedBuild":"p"}`,
	)
	if !strings.Contains(printed, "a.go:1:1: no") || ok {
		t.Errorf("printed %q, ok %v, want the error, false", printed, ok)
	}
}

// TestSkipIsNoSuccess shows that a skipped test, and a run without tests, do not count as good.
func TestSkipIsNoSuccess(t *testing.T) {
	t.Parallel()
	if _, last, ok := sum(t, `{"Action":"pass","Package":"p","Test":"TestB"}`,
		`{"Action":"skip","Package":"p","Test":"TestA"}`); ok {
		t.Errorf("a run with a skipped test is ok: %s", last)
	}
	if _, last, ok := sum(t, `{"Action":"skip","Package":"p"}`); ok {
		t.Errorf("a run without a test is ok: %s", last)
	}
}
