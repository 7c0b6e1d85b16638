package tidy

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	listLine  = regexp.MustCompile(`^\t(\w+\.go, )*\w+\.go +\S`)
	listNames = regexp.MustCompile(`(?:^\t| {2,})((?:\w+\.go, )*\w+\.go) +\S`)
)

// fileList returns the files that a package comment lists, in reading order: line by line, and from left to right where
// there are two columns. It is empty when the comment has no list.
func fileList(f *goFile) []string {
	if path.Base(f.path) != "doc.go" || f.ast.Doc == nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(f.ast.Doc.Text()) {
		if listLine.MatchString(line) {
			for _, m := range listNames.FindAllStringSubmatch(line, -1) {
				list = append(list, strings.Split(m[1], ", ")...)
			}
		}
	}
	return list
}

// TestListsOfFilesEqualTheirFolders shows that a list of files in a package comment names every file of the package
// once, and no other file. It may leave out doc.go and tests.
func TestListsOfFilesEqualTheirFolders(t *testing.T) {
	t.Parallel()
	folders := make(map[string][]string)
	for _, f := range goFiles(t) {
		folders[f.dir] = append(folders[f.dir], path.Base(f.path))
	}
	wrong := make(map[string]int)
	for _, f := range goFiles(t) {
		list := fileList(f)
		if list == nil {
			continue
		}
		for i, name := range list {
			if !slices.Contains(folders[f.dir], name) || slices.Contains(list[:i], name) {
				t.Logf("%s lists %s, which is not there, or lists it twice", f.path, name)
				wrong[f.dir]++
			}
		}
		for _, name := range folders[f.dir] {
			if name != "doc.go" && !strings.HasSuffix(name, "_test.go") && !slices.Contains(list, name) {
				t.Logf("%s does not list %s", f.path, name)
				wrong[f.dir]++
			}
		}
	}
	ratchet(t, ruleListed, wrong, "files that are listed and not there, or there and not listed (see above)")
}

// architecture is the page whose tables name files and functions.
const architecture = "docs/architecture.md"

var (
	quoted    = regexp.MustCompile("`([^`]+)`")
	goName    = regexp.MustCompile(`^[\w/]+\.go$`)
	functions = regexp.MustCompile(`^[A-Za-z]\w*(\.\w+)?$`)
)

// TestTheArchitectureNamesWhatExists shows that each Go file which docs/architecture.md names exists. Each function of
// its tables "file, function", and each constant of those "file, constant", is declared in a file of its row.
func TestTheArchitectureNamesWhatExists(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, architecture))
	if err != nil {
		t.Fatal(err)
	}
	declared, seen, wrong := declarations(t), 0, make(map[string]int)
	table := false
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			table = false
		} else if strings.HasPrefix(line, "| file | function |") || strings.HasPrefix(line, "| file | constant |") {
			table = true
		}
		cells := strings.Split(line, "|")
		files := filesOf(line)
		if table && len(cells) > 2 {
			files = filesOf(cells[1])
		}
		for _, file := range files {
			if declared[file] == nil {
				t.Logf("%s names %s, which does not exist", architecture, file)
				wrong[architecture]++
			}
		}
		if !table || len(cells) < 3 {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			seen++
			in := func(file string) bool { return declared[file][m[1]] }
			if functions.MatchString(m[1]) && !slices.ContainsFunc(files, in) {
				t.Logf("%s names %s in %v, where it is not declared", architecture, m[1], files)
				wrong[architecture]++
			}
		}
	}
	if seen == 0 {
		t.Errorf("%s has no table of files and functions, or its head reads otherwise", architecture)
	}
	ratchet(t, ruleNamed, wrong, "names that do not exist (see above); say where it stands now")
}

// filesOf returns the Go files quoted in a text. One without a directory is in that of the file before it.
func filesOf(text string) []string {
	var files []string
	dir := ""
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if !goName.MatchString(m[1]) {
			continue
		}
		if strings.Contains(m[1], "/") {
			dir = path.Dir(m[1])
		} else if dir == "" {
			continue // doc.go, of every package
		}
		files = append(files, path.Join(dir, path.Base(m[1])))
	}
	return files
}

// declarations returns the names that each file declares: functions, types, values, and methods with and without their
// type.
func declarations(t *testing.T) map[string]map[string]bool {
	t.Helper()
	names := make(map[string]map[string]bool)
	for _, f := range goFiles(t) {
		names[f.path] = make(map[string]bool)
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[f.path][d.Name.Name], names[f.path][funcName(d)] = true, true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names[f.path][spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							names[f.path][name.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}
