package tidy

import (
	"go/ast"
	"strings"
	"testing"
	"unicode/utf8"
)

// rules are the ratchets: offenders of the day when a rule came stand in offenders.txt, and nobody may join them.
var rules = []string{
	ruleFields, ruleBooleans, ruleMethods, ruleFiles, ruleFunctions, ruleColumns, ruleListed, ruleNamed, ruleGuarded,
	ruleWhether, ruleUpward,
}

const (
	ruleFields    = "fields"
	ruleBooleans  = "booleans"
	ruleMethods   = "methods"
	ruleFiles     = "files"
	ruleFunctions = "functions"
	ruleColumns   = "columns"
	ruleListed    = "listed"
	ruleNamed     = "named"
	ruleGuarded   = "guarded"
	ruleWhether   = "whether"
	ruleUpward    = "upward"
)

// The most of each. A column is a character, and so is a tab: with wider tabs today's lines show no bound.
const (
	mostFields    = 30
	mostBooleans  = 4
	mostMethods   = 60
	mostFiles     = 25
	mostFunctions = 60 // lines of one
	mostColumns   = 120
)

// over keeps those that are above the bound.
func over(counts map[string]int, most int) map[string]int {
	found := make(map[string]int)
	for who, n := range counts {
		if n > most {
			found[who] = n
		}
	}
	return found
}

// TestStructsHaveFewFields shows that no struct of the code outside tests has more than 30 fields. Those of a nameless
// struct in it count, too.
func TestStructsHaveFewFields(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	eachField(t, func(owner string, _ ast.Expr, n int) { counts[owner] += n })
	ratchet(t, ruleFields, over(counts, mostFields), "fields, want at most 30: group them into structs by who owns them")
}

// TestStructsHaveFewBooleans shows that no struct of the code outside tests has more than 4 booleans.
func TestStructsHaveFewBooleans(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	eachField(t, func(owner string, kind ast.Expr, n int) {
		if name := exprName(kind); name == "bool" || name == "atomic.Bool" {
			counts[owner] += n
		}
	})
	ratchet(t, ruleBooleans, over(counts, mostBooleans), "booleans, want at most 4: several of them are a state")
}

// TestReceiversHaveFewMethods shows that no type has more than 60 methods.
func TestReceiversHaveFewMethods(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	for _, f := range goFiles(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !f.test && fn.Recv != nil {
				counts[f.dir+"."+receiver(fn)]++
			}
		}
	}
	ratchet(t, ruleMethods, over(counts, mostMethods), "methods, want at most 60: it is several things")
}

// TestPackagesHaveFewFiles shows that no package has more than 25 files of code outside tests.
func TestPackagesHaveFewFiles(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	for _, f := range goFiles(t) {
		if !f.test {
			counts[f.dir]++
		}
	}
	ratchet(t, ruleFiles, over(counts, mostFiles), "files, want at most 25: make a room of what belongs together")
}

// TestFunctionsAreShort shows that no function, of code or of tests, has more than 60 lines from its first to its
// brace.
func TestFunctionsAreShort(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	for _, f := range goFiles(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
				counts[f.dir+"."+funcName(fn)] = max(lines, counts[f.dir+"."+funcName(fn)]) // several may be init
			}
		}
	}
	ratchet(t, ruleFunctions, over(counts, mostFunctions), "lines, want at most 60: give a part of it a name")
}

// TestLinesAreShort shows that no line of Go has more than 120 characters.
func TestLinesAreShort(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	for _, f := range goFiles(t) {
		for line := range strings.Lines(string(f.text)) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > mostColumns {
				counts[f.dir]++
			}
		}
	}
	ratchet(t, ruleColumns, counts, "lines of more than 120 characters; break them")
}

// eachField visits the fields of every struct type with a name outside tests. The visitor gets the type's name, the
// fields' type and how many they are.
func eachField(t *testing.T, visit func(owner string, kind ast.Expr, n int)) {
	t.Helper()
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		eachStruct(f, func(name string, s *ast.StructType) {
			ast.Inspect(s, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok {
					visit(f.dir+"."+name, field.Type, max(1, len(field.Names)))
				}
				_, function := n.(*ast.FuncType) // its parameters are no fields
				return !function
			})
		})
	}
}

// eachStruct visits the struct types that a file declares.
func eachStruct(f *goFile, visit func(name string, s *ast.StructType)) {
	for _, d := range f.ast.Decls {
		if gen, ok := d.(*ast.GenDecl); ok {
			for _, spec := range gen.Specs {
				if typ, ok := spec.(*ast.TypeSpec); ok {
					if s, ok := typ.Type.(*ast.StructType); ok {
						visit(typ.Name.Name, s)
					}
				}
			}
		}
	}
}

// funcName returns a function's name, behind that of its receiver if it has one.
func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	return receiver(fn) + "." + fn.Name.Name
}

// receiver returns the name of a method's type.
func receiver(fn *ast.FuncDecl) string { return exprName(fn.Recv.List[0].Type) }

// exprName returns the name of a type, with its package's, without pointers and type arguments.
func exprName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return exprName(e.X)
	case *ast.IndexExpr:
		return exprName(e.X)
	case *ast.IndexListExpr:
		return exprName(e.X)
	case *ast.SelectorExpr:
		return exprName(e.X) + "." + e.Sel.Name
	}
	return ""
}
