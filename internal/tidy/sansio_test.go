package tidy

import (
	"go/ast"
	"slices"
	"testing"
)

// sansIO are the packages whose code takes bytes or values and the time, and gives values back. Of them, mesh/sim and
// amqptest are the tests' own tools, and obey as well.
var sansIO = []string{
	"linkroute", "mesh", "mesh/spf", "mesh/planner", "mesh/sim", "addressing",
	"router/books", "router/route", "router/forwarding", "router/control",
	"internal/amqp/buf", "internal/amqp/wire", "internal/amqp/message", "internal/amqp/engine", "internal/amqp/sasl",
}

// ioPackages reach the network, the files, the processes or the user.
var ioPackages = []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall", "log", "log/slog", "io/ioutil"}

// clockCalls are the functions of package time which read the clock or wait for it.
var clockCalls = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
}

// TestProtocolCodeDoesNoIO shows that the sans-IO packages import nothing that does I/O, start no goroutine and read no
// clock.
func TestProtocolCodeDoesNoIO(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test || !slices.Contains(sansIO, f.dir) {
			continue
		}
		for _, path := range f.imports() {
			if slices.Contains(ioPackages, path) {
				t.Errorf("%s imports %s; %s takes bytes and values, and does no I/O", f.path, path, f.dir)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine; in %s the caller decides who runs", f.position(n), f.dir)
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clockCalls, n.Sel.Name) {
					t.Errorf("%s uses time.%s; in %s the time comes in as an argument", f.position(n), n.Sel.Name, f.dir)
				}
			}
			return true
		})
	}
}

// TestSansIOPackagesExist shows that the list above has not outlived a package that moved.
func TestSansIOPackagesExist(t *testing.T) {
	t.Parallel()
	dirs := make(map[string]bool)
	for _, f := range goFiles(t) {
		dirs[f.dir] = true
	}
	for _, dir := range sansIO {
		if !dirs[dir] && dir != "linkroute" { // link routes are not built yet
			t.Errorf("package %s is named here and does not exist", dir)
		}
	}
}

// TestTestsDoNotSleep shows that no test waits for real time to pass: it uses a deadline in virtual time, as
// testing/synctest gives it, or an event.
func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if !f.test || slices.Contains(f.imports(), "testing/synctest") {
			continue
		}
		eachCall(f, func(call *ast.CallExpr, receiver, name string) {
			if receiver == "time" && name == "Sleep" {
				t.Errorf("%s sleeps; wait for an event, or run the test in testing/synctest", f.position(call))
			}
		})
	}
}

// TestNoTestIsSkipped shows that a test that cannot run fails, and says what it lacks.
func TestNoTestIsSkipped(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if !f.test || slices.Contains(f.imports(), "pgregory.net/rapid") { // rapid skips a step, not a test
			continue
		}
		eachCall(f, func(call *ast.CallExpr, receiver, name string) {
			testing := slices.Contains([]string{"t", "tb", "b", "f"}, receiver)
			if testing && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name) {
				t.Errorf("%s skips a test; let it fail and say what is missing", f.position(call))
			}
		})
	}
}

// eachCall calls f for every call of a method or of another package's function, with the names before and after the
// dot.
func eachCall(f *goFile, visit func(call *ast.CallExpr, receiver, name string)) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
			receiver := ""
			if ident, ok := selector.X.(*ast.Ident); ok {
				receiver = ident.Name
			}
			visit(call, receiver, selector.Sel.Name)
		}
		return true
	})
}
