package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is the directory of go.mod, as seen from this package.
const root = "../.."

// modulePath is the import path of the root.
const modulePath = "github.com/postroad/postroad"

// skipped are the directories that are not ours: what git keeps, what npm fetched, what was built.
var skipped = map[string]bool{".git": true, "node_modules": true, "build": true, "bin": true}

// goFile is one parsed Go file of the repository.
type goFile struct {
	path string // relative to the root, with slashes
	dir  string // relative to the root, with slashes; the package's import path below the module's
	test bool
	text []byte
	ast  *ast.File
	fset *token.FileSet
}

// parse returns the file's syntax tree, with its places in the set.
func (f *goFile) parse(t *testing.T, fset *token.FileSet) *ast.File {
	t.Helper()
	tree, err := parser.ParseFile(fset, f.path, f.text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// position returns a node's place in the words of a compiler.
func (f *goFile) position(n ast.Node) string {
	p := f.fset.Position(n.Pos())
	p.Filename = f.path
	return p.String()
}

// imports returns the paths which the file imports.
func (f *goFile) imports() []string {
	var paths []string
	for _, s := range f.ast.Imports {
		paths = append(paths, strings.Trim(s.Path.Value, `"`))
	}
	return paths
}

// allFiles returns the path of every file of the repository, relative to the root.
func allFiles(t *testing.T) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && skipped[entry.Name()] {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() && !skipped[entry.Name()] { // .git is a file in a further work tree
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			paths = append(paths, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// parsed is every Go file of the repository; it is read once.
var parsed struct {
	once  sync.Once
	files []*goFile
}

// goFiles returns every Go file of the repository, parsed.
func goFiles(t *testing.T) []*goFile {
	t.Helper()
	parsed.once.Do(func() {
		for _, path := range allFiles(t) {
			if !strings.HasSuffix(path, ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(root, path))
			if err != nil {
				t.Fatal(err)
			}
			f := &goFile{path: path, dir: filepath.ToSlash(filepath.Dir(path)), text: text, fset: token.NewFileSet()}
			f.test = strings.HasSuffix(path, "_test.go")
			f.ast = f.parse(t, f.fset)
			parsed.files = append(parsed.files, f)
		}
	})
	if len(parsed.files) == 0 {
		t.Fatal("no Go file found")
	}
	return parsed.files
}
