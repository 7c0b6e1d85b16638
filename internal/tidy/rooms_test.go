package tidy

import (
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// mostUpward is how many of a hundred references between the files of a room may run back up.
const mostUpward = 15

// TestReferencesFollowTheReadingOrder shows that whoever reads a room in the order of the list in its doc.go meets few
// names which a later file declares. A room is package router, or a package below it, with such a list.
//
// The list names foundations first. A reference is a pair: a file, and a function, type, variable, constant or method
// that another file of the room declares. It runs back up when that file stands later. Fields do not count.
func TestReferencesFollowTheReadingOrder(t *testing.T) {
	t.Parallel()
	rooms := make(map[string][]*goFile)
	for _, f := range goFiles(t) {
		if !f.test && (f.dir == "router" || strings.HasPrefix(f.dir, "router/")) {
			rooms[f.dir] = append(rooms[f.dir], f)
		}
	}
	shares := make(map[string]int)
	for dir, files := range rooms {
		order := readingOrder(files)
		if order == nil {
			continue
		}
		up, all := upward(t, files, order)
		t.Logf("%s: %d of %d references run back up", dir, up, all)
		if all > 0 {
			shares[dir] = (100*up + all - 1) / all // rounded up
		}
	}
	ratchet(t, ruleUpward, over(shares, mostUpward),
		"percent of its references run back up, want at most 15: list foundations first, or move what comes too late")
}

// readingOrder returns the files of a package in the order of its list; unlisted ones come last. Without a list it
// returns nil.
func readingOrder(files []*goFile) []string {
	var order []string
	for _, f := range files {
		order = append(order, fileList(f)...)
	}
	if order == nil {
		return nil
	}
	for _, f := range files {
		if name := path.Base(f.path); !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	return order
}

// reference says that a file uses an object.
type reference struct {
	from string
	to   types.Object
}

// upward counts the references between files: those to files that stand later, and all.
func upward(t *testing.T, files []*goFile, order []string) (up, all int) {
	t.Helper()
	references, fset := references(t, files)
	for r := range references {
		declared := path.Base(fset.Position(r.to.Pos()).Filename)
		if declared == r.from {
			continue
		}
		all++
		if slices.Index(order, declared) > slices.Index(order, r.from) {
			up++
		}
	}
	return up, all
}

// references returns what each file uses of its own package: objects of the package's scope, and methods.
// A file for other systems is left out: it declares again what another file declares.
func references(t *testing.T, files []*goFile) (map[reference]bool, *token.FileSet) {
	t.Helper()
	fset := token.NewFileSet()
	var trees []*ast.File
	for _, f := range files {
		if !strings.HasSuffix(f.path, "_other.go") {
			trees = append(trees, f.parse(t, fset))
		}
	}
	uses := make(map[*ast.Ident]types.Object)
	conf := types.Config{Importer: newStandIn(), Error: func(error) {}} // of names in stand-ins, which hold nothing
	pkg, _ := conf.Check(files[0].dir, fset, trees, &types.Info{Uses: uses})
	found := make(map[reference]bool)
	for name, object := range uses {
		if f, ok := object.(*types.Func); ok {
			object = f.Origin() // of a generic type, the method as it is declared
		}
		if object.Pkg() == pkg && (object.Parent() == pkg.Scope() || isMethod(object)) {
			found[reference{path.Base(fset.Position(name.Pos()).Filename), object}] = true
		}
	}
	if len(found) == 0 && len(trees) > 2 {
		t.Errorf("no reference found between %d files of %s", len(trees), files[0].dir)
	}
	return found, fset
}

// isMethod reports whether an object is a method.
func isMethod(o types.Object) bool {
	f, ok := o.(*types.Func)
	return ok && f.Signature().Recv() != nil
}

// standIn imports empty packages. A package is checked without those that it needs: its own names are found all the
// same. Only the packages of handBack are read.
type standIn struct {
	empty map[string]*types.Package
	real  types.Importer
}

// handBack are packages with type parameters: they return values of our own types.
var handBack = []string{"sync/atomic", "sync", "slices", "maps", "iter", "cmp"}

func newStandIn() *standIn {
	return &standIn{make(map[string]*types.Package), importer.ForCompiler(token.NewFileSet(), "source", nil)}
}

// Import implements [types.Importer].
func (s *standIn) Import(name string) (*types.Package, error) {
	if slices.Contains(handBack, name) {
		return s.real.Import(name)
	}
	if s.empty[name] == nil {
		s.empty[name] = types.NewPackage(name, path.Base(name))
		s.empty[name].MarkComplete()
	}
	return s.empty[name], nil
}
