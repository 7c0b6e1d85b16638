package tidy

import (
	"go/ast"
	"go/build/constraint"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// plainFile lists the tests which run without the race detector as well: its numbers would be the detector's.
const plainFile = ".ci/plain.txt"

// measuring are the functions by which a test finds out what memory something takes.
var measuring = []string{"testing.AllocsPerRun", "testing.Benchmark", "runtime.ReadMemStats"}

// patient are helpers that only wait longer under the race detector: what a test shows stays the same.
var patient = []string{"router.start"}

// TestWhatTheRaceDetectorChangesRunsWithoutIt shows that .ci/plain.txt names each test that measures memory, or uses
// what differs under the detector. It names no other test.
func TestWhatTheRaceDetectorChangesRunsWithoutIt(t *testing.T) {
	t.Parallel()
	listed := make(map[string]bool)
	for _, words := range table(t, plainFile, 2) {
		listed[words[0]+" "+words[1]] = true
	}
	needed := make(map[string]bool)
	for dir, files := range testFiles(t) {
		for _, test := range measuringTests(dir, files) {
			needed[dir+" "+test] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if !listed[name] {
			t.Errorf("%s lacks: %s", plainFile, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !needed[name] {
			t.Errorf("%s names what measures nothing, or does not exist: %s", plainFile, name)
		}
	}
}

// TestFlakyTestsExist shows that .ci/flaky.txt names tests that exist, and says when and why.
func TestFlakyTestsExist(t *testing.T) {
	t.Parallel()
	declared := make(map[string]bool)
	for _, f := range goFiles(t) {
		for name := range declaredIn(f) {
			declared[f.dir+" "+name] = true
		}
	}
	for _, words := range table(t, ".ci/flaky.txt", 4) {
		test, _, _ := strings.Cut(words[1], "/")
		if !declared[words[0]+" "+test] {
			t.Errorf("there is no test %s in %s", test, words[0])
		}
	}
}

// table reads a file whose lines are so many words and perhaps more text. Lines that begin with # are comments.
func table(t *testing.T, path string, words int) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		row := strings.Fields(line)
		if len(row) == 0 || strings.HasPrefix(row[0], "#") {
			continue
		}
		if len(row) < words {
			t.Fatalf("%s: want %d words: %s", path, words, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// testFiles returns the test files of each package that target race runs.
func testFiles(t *testing.T) map[string][]*goFile {
	t.Helper()
	files, others := make(map[string][]*goFile), map[string]bool{"internal/tidy": true}
	for _, words := range table(t, ".ci/processes.txt", 1) {
		others[words[0]] = true
	}
	for _, f := range goFiles(t) {
		if f.test && !others[f.dir] {
			files[f.dir] = append(files[f.dir], f)
		}
	}
	return files
}

// measuringTests returns the tests of a package that measure, by themselves or through a function of the test files.
func measuringTests(dir string, files []*goFile) []string {
	measures, calls := make(map[string]bool), make(map[string]map[string]bool)
	for _, name := range measuring {
		measures[name] = true
	}
	for _, f := range files {
		if dependsOnRace(f) {
			maps.Copy(measures, declaredIn(f))
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !slices.Contains(patient, dir+"."+fn.Name.Name) {
				calls[fn.Name.Name] = names(fn)
			}
		}
	}
	for grew := true; grew; {
		grew = false
		for name, uses := range calls {
			for use := range uses {
				if measures[use] && !measures[name] {
					measures[name], grew = true, true
				}
			}
		}
	}
	var tests []string
	for name := range calls {
		if measures[name] && strings.HasPrefix(name, "Test") && name != "TestMain" {
			tests = append(tests, name)
		}
	}
	return tests
}

// dependsOnRace reports whether a file is built only with the race detector, or only without it.
func dependsOnRace(f *goFile) bool {
	for line := range strings.Lines(string(f.text)) {
		if expr, err := constraint.Parse(strings.TrimSpace(line)); err == nil {
			with := expr.Eval(func(string) bool { return true })
			without := expr.Eval(func(tag string) bool { return tag != "race" })
			return with != without
		}
	}
	return false
}

// declaredIn returns the names of what a file declares.
func declaredIn(f *goFile) map[string]bool {
	declared := make(map[string]bool)
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			declared[d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range value.Names {
						declared[name.Name] = true
					}
				}
			}
		}
	}
	return declared
}

// names returns the names that a function uses: its own package's, and with a dot another's or a method's.
func names(fn *ast.FuncDecl) map[string]bool {
	used := make(map[string]bool)
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			used[exprName(n)] = true
			used[n.Sel.Name] = true // a method of the test files
		case *ast.Ident:
			used[n.Name] = true
		}
		return true
	})
	return used
}
