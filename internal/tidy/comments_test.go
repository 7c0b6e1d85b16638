package tidy

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// otherWords are what the comment of a predicate says in place of "reports whether".
var otherWords = regexp.MustCompile(`\b(tells|says|states|shows|checks|returns|decides|determines) (whether|if)\b|` +
	`\breturns true\b|\bis true (if|when)\b`)

// TestPredicatesReport shows that the comment of a function with a boolean result says "reports whether", as the
// standard library does. The number counts the functions of a package which say it in other words.
func TestPredicatesReport(t *testing.T) {
	t.Parallel()
	counts := make(map[string]int)
	for _, f := range goFiles(t) {
		count := func(kind *ast.FuncType, doc *ast.CommentGroup) {
			if hasBool(kind) && otherWords.MatchString(strings.ReplaceAll(doc.Text(), "\n", " ")) {
				counts[f.dir]++
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				count(n.Type, n.Doc)
			case *ast.Field: // a method of an interface, or a function in a struct
				if kind, ok := n.Type.(*ast.FuncType); ok {
					count(kind, n.Doc)
				}
			}
			return true
		})
	}
	ratchet(t, ruleWhether, counts, `predicates whose comment does not say "reports whether"`)
}

// hasBool reports whether a function has a boolean result.
func hasBool(kind *ast.FuncType) bool {
	return kind.Results != nil && slices.ContainsFunc(kind.Results.List, func(r *ast.Field) bool {
		return exprName(r.Type) == "bool"
	})
}

// ownerWords say in a comment who may call a method, or what its caller holds.
var ownerWords = regexp.MustCompile(`(?i)\b(lock(s|ed)?|mutex|held|hold(s|ing)|mu|goroutine|loop|reader|writer|` +
	`callers?)\b`)

// guard is a struct with a mutex: the fields below the mutex are what it guards.
type guard struct {
	mutex   string
	guarded map[string]bool
}

// TestGuardedMethodsSayTheirLock shows that a method which uses guarded fields and takes no lock is named …Locked, or
// its comment says the lock or the goroutine. The number counts the methods of a type which do neither.
func TestGuardedMethodsSayTheirLock(t *testing.T) {
	t.Parallel()
	guards := make(map[string]guard)
	for _, f := range goFiles(t) {
		if !f.test {
			eachStruct(f, func(name string, s *ast.StructType) {
				if g := guardOf(s); len(g.guarded) > 0 {
					guards[f.dir+"."+name] = g
				}
			})
		}
	}
	counts := make(map[string]int)
	for _, f := range goFiles(t) {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || f.test || fn.Recv == nil || len(fn.Recv.List[0].Names) == 0 || fn.Body == nil {
				continue
			}
			owner := f.dir + "." + receiver(fn)
			if g, ok := guards[owner]; ok && g.needs(fn) && !ownerWords.MatchString(fn.Doc.Text()) {
				counts[owner]++
			}
		}
	}
	ratchet(t, ruleGuarded, counts, "guarded methods that do not say so: name them …Locked, or say who holds the lock")
}

// guardOf returns a struct's mutex and the fields below it. Atomic ones guard themselves.
func guardOf(s *ast.StructType) guard {
	g := guard{guarded: make(map[string]bool)}
	for _, field := range s.Fields.List {
		kind := exprName(field.Type)
		if kind == "sync.Mutex" || kind == "sync.RWMutex" {
			g.mutex = strings.TrimPrefix(kind, "sync.")
			if len(field.Names) > 0 {
				g.mutex = field.Names[0].Name
			}
			continue
		}
		if g.mutex == "" || strings.HasPrefix(kind, "atomic.") {
			continue
		}
		for _, name := range field.Names {
			g.guarded[name.Name] = true
		}
	}
	return g
}

// needs reports whether a method uses guarded fields, leaves the mutex alone and has a name that does not say so.
func (g guard) needs(fn *ast.FuncDecl) bool {
	if strings.HasSuffix(fn.Name.Name, "Locked") {
		return false
	}
	uses, locks := false, false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == fn.Recv.List[0].Names[0].Name {
				uses = uses || g.guarded[s.Sel.Name]
				locks = locks || s.Sel.Name == g.mutex || s.Sel.Name == "Lock" || s.Sel.Name == "RLock"
			}
		}
		return true
	})
	return uses && !locks
}
