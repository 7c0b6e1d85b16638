// Command testsum reads the output of "go test -json" on stdin and prints what a person wants to know of it: a line for
// each package, the full output of what failed, and at the end how many tests ran and what became of them. With -record
// it also appends that last line to a file, so that several runs can be summed up together. Its exit code is 1 if a test
// or a build failed, if a test was skipped, or if there was no test at all.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// event is one line of "go test -json"; see "go doc test2json". Output of a failed build carries an ImportPath.
type event struct {
	Time        time.Time
	Action      string
	Package     string
	Test        string
	Elapsed     float64 // seconds
	Output      string
	ImportPath  string
	FailedBuild string
}

// summary is what is known of a run.
type summary struct {
	out                     io.Writer
	passed, failed, skipped int
	packages, failedPkgs    int
	first, last             time.Time
	output                  map[string][]string // of the tests and packages that are still running, by package and name
	running                 map[string]bool     // the tests that have begun and not ended, by the same
}

func main() {
	name := flag.String("name", "tests", "name of the run in the summary")
	record := flag.String("record", "", "file to append the summary to")
	flag.Parse()
	s := &summary{out: os.Stdout, output: make(map[string][]string), running: make(map[string]bool)}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	line := fmt.Sprintf("%-8s %s", *name+":", s)
	fmt.Println(line)
	if *record != "" {
		if err := appendLine(*record, line); err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(1)
		}
	}
	if !s.ok() {
		os.Exit(1)
	}
}

// read takes in a whole run. Lines that are no events are passed on: they are what the go command says itself.
func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				s.take(e)
			} else {
				s.out.Write(line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// take counts one event and prints what it ends.
func (s *summary) take(e event) {
	if !e.Time.IsZero() {
		if s.first.IsZero() {
			s.first = e.Time
		}
		s.last = e.Time
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "run":
		s.running[key] = true
	case "output":
		if !noise(e.Output) {
			s.output[key] = append(s.output[key], e.Output)
		}
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.endPackage(e, key)
		} else {
			s.endTest(e, key)
		}
		delete(s.output, key)
		delete(s.running, key)
	}
}

// noise reports whether a line of output says only what the events say.
func noise(line string) bool {
	line = strings.TrimLeft(line, " ")
	for _, prefix := range []string{"=== ", "--- ", "PASS\n", "FAIL\n", "FAIL\t", "exit status ", "ok  \t", "?   \t", "coverage:"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

func (s *summary) endTest(e event, key string) {
	switch e.Action {
	case "pass":
		s.passed++
		return
	case "fail":
		s.failed++
	case "skip":
		s.skipped++
	}
	fmt.Fprintf(s.out, "%s %s %s (%.2fs)\n", strings.ToUpper(e.Action), e.Package, e.Test, e.Elapsed)
	for _, line := range s.output[key] {
		fmt.Fprint(s.out, line)
	}
}

func (s *summary) endPackage(e event, key string) {
	switch e.Action {
	case "pass":
		s.packages++
		fmt.Fprintf(s.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
	case "skip": // a package without test files
		fmt.Fprintf(s.out, "-    %s\n", e.Package)
	case "fail":
		s.packages++
		s.failedPkgs++
		fmt.Fprintf(s.out, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
		s.explain(e, key)
	}
}

// explain prints what a failed package left behind: the tests that never ended, as after a panic, their output and its
// own.
func (s *summary) explain(e event, key string) {
	for _, k := range slices.Sorted(maps.Keys(s.running)) {
		if strings.HasPrefix(k, e.Package+" ") {
			fmt.Fprintf(s.out, "never ended: %s\n", k)
			delete(s.running, k)
		}
	}
	var open []string
	for k := range s.output {
		if strings.HasPrefix(k, e.Package+" ") && k != key {
			open = append(open, k)
		}
	}
	slices.Sort(open)
	for _, k := range append(open, key) {
		for _, line := range s.output[k] {
			fmt.Fprint(s.out, line)
		}
		delete(s.output, k)
	}
}

// ok reports whether the run is one to be content with.
func (s *summary) ok() bool {
	return s.failed == 0 && s.failedPkgs == 0 && s.skipped == 0 && s.passed > 0
}

// String is the last line: the counts and the time.
func (s *summary) String() string {
	verdict := "ok"
	if !s.ok() {
		verdict = "FAIL"
	}
	return fmt.Sprintf("%-4s %d tests passed, %d failed, %d skipped; %d packages, %d failed; %.0f s",
		verdict, s.passed, s.failed, s.skipped, s.packages, s.failedPkgs, s.last.Sub(s.first).Seconds())
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
