package tidy

import (
	"slices"
	"strings"
	"testing"
)

// arrows is the table "who may import whom" of docs/architecture.md: for each package the packages of this module that
// its own files may import. A name that ends in /... stands for the package and all below it. A package that is not
// named takes the row of the nearest one above it; one with no row at all may import nothing of this module.
var arrows = map[string][]string{
	"cmd/postroad": {"cmd/postroad/..."},
	"cmd/postroad/bench": {"cmd/postroad/command", "cmd/postroad/connect", "cmd/postroad/output", "cmd/postroad/spawn",
		"cmd/postroad/terminal", "internal/bench", "internal/freeport", "internal/process"},
	"cmd/postroad/command":       {"cmd/postroad/output"},
	"cmd/postroad/configuration": {"cmd/postroad/command", "cmd/postroad/output", "cmd/postroad/run", "internal/config"},
	"cmd/postroad/connect": {"cmd/postroad/command", "cmd/postroad/version", "internal/management/client", "internal/wait",
		"tls"},
	"cmd/postroad/demo": {"cmd/postroad/command", "cmd/postroad/connect", "cmd/postroad/output", "cmd/postroad/spawn",
		"cmd/postroad/terminal", "internal/config", "internal/freeport", "internal/goamqp", "internal/management/client",
		"internal/process", "internal/wait", "topologies"},
	"cmd/postroad/drain": {"cmd/postroad/command", "cmd/postroad/connect", "cmd/postroad/meshview", "cmd/postroad/output",
		"cmd/postroad/terminal", "internal/goamqp", "internal/management/client", "internal/wait"},
	"cmd/postroad/gossipkey": {"cmd/postroad/command", "cmd/postroad/output", "mesh/membership"},
	"cmd/postroad/meshview":  {"cmd/postroad/output", "internal/goamqp", "internal/management/client"},
	"cmd/postroad/message": {"cmd/postroad/command", "cmd/postroad/connect", "cmd/postroad/output",
		"cmd/postroad/terminal", "internal/goamqp", "internal/wait"},
	"cmd/postroad/output": {},
	"cmd/postroad/run": {"cmd/postroad/command", "cmd/postroad/output", "cmd/postroad/version", "internal/config",
		"internal/logging", "router"},
	"cmd/postroad/show": {"cmd/postroad/command", "cmd/postroad/connect", "cmd/postroad/meshview", "cmd/postroad/output",
		"cmd/postroad/terminal", "internal/config", "internal/goamqp", "internal/management/client", "mesh/spf",
		"topologies"},
	"cmd/postroad/spawn":    {"internal/process"},
	"cmd/postroad/terminal": {"cmd/postroad/output"},
	"cmd/postroad/version":  {"cmd/postroad/output"},

	"router": {"addressing", "internal/amqp/...", "internal/config", "internal/logging", "internal/management",
		"internal/metrics", "mesh", "router/books", "router/conn", "router/control", "router/discovery",
		"router/forwarding", "router/route", "router/show", "tls"},
	"router/conn": {"addressing", "internal/amqp/...", "internal/config", "internal/logging", "internal/metrics", "mesh",
		"mesh/membership", "router/books", "router/forwarding", "router/transport", "tls"},
	"router/control": {"addressing", "internal/amqp/wire", "internal/config", "mesh", "router/forwarding", "router/route"},
	"router/discovery": {"internal/config", "internal/logging", "internal/management", "internal/metrics", "mesh",
		"mesh/membership", "mesh/planner", "router/conn", "router/forwarding", "router/transport", "tls",
		"internal/amqp/wire"},
	"router/forwarding": {"addressing", "internal/amqp/buf", "internal/amqp/engine", "internal/amqp/message",
		"internal/amqp/wire", "router/books", "router/route"},
	"router/show": {"addressing", "internal/config", "internal/logging", "internal/management", "internal/metrics", "mesh",
		"internal/amqp/buf", "router/books", "router/control", "router/forwarding"},
	"router/books":     {},
	"router/route":     {"addressing", "mesh/spf", "router/books", "internal/amqp/message", "internal/amqp/wire"},
	"router/transport": {"tls"},
	"linkroute":        {"addressing", "internal/amqp/engine", "internal/amqp/wire"},
	"mesh":             {"mesh/spf", "addressing", "internal/amqp/wire"},
	"mesh/spf":         {},
	"mesh/membership":  {},
	"mesh/planner":     {},
	"mesh/sim":         {"mesh", "mesh/spf", "addressing", "internal/amqp/wire", "topologies"},
	"addressing":       {},
	"tls":              {},
	"topologies":       {"addressing", "internal/config"},

	"internal/amqp/buf":      {},
	"internal/amqp/wire":     {"internal/amqp/buf"},
	"internal/amqp/message":  {"internal/amqp/wire", "internal/amqp/buf"},
	"internal/amqp/engine":   {"internal/amqp/wire", "internal/amqp/buf"},
	"internal/amqp/sasl":     {"internal/amqp/wire", "internal/amqp/buf", "internal/amqp/sasl"},
	"internal/amqp/amqptest": {"internal/amqp/..."},

	"internal/attack":            {"internal/amqp/wire", "internal/freeport", "internal/lab", "internal/process"},
	"internal/attack/bench":      {"internal/attack"},
	"internal/bench":             {"internal/process"},
	"internal/config":            {"addressing", "internal/logging"},
	"internal/console":           {"internal/management"},
	"internal/contract":          {"internal/amqp/...", "internal/freeport", "internal/lab"},
	"internal/foreign":           {"internal/freeport", "internal/goamqp", "internal/lab", "internal/process"},
	"internal/foreign/goclient":  {},
	"internal/freeport":          {},
	"internal/goamqp":            {},
	"internal/lab":               {"internal/goamqp", "internal/management/client", "internal/process"},
	"internal/management":        {"internal/config", "internal/amqp/message", "internal/amqp/wire"},
	"internal/management/client": {"internal/config", "internal/goamqp", "internal/wait"},
	"internal/netlab":            {"internal/bench", "internal/config", "internal/lab", "topologies"},
	"internal/netlab/failover":   {"internal/bench", "internal/netlab", "topologies"},
	"internal/process":           {},
	"internal/wait":              {},
}

// standardOnly are the packages that need nothing but the standard library.
var standardOnly = []string{"addressing", "mesh/spf", "internal/amqp/buf"}

// row returns the imports which a package is allowed.
func row(dir string) []string {
	for {
		if allowed, ok := arrows[dir]; ok {
			return allowed
		}
		cut := strings.LastIndexByte(dir, '/')
		if cut < 0 {
			return nil
		}
		dir = dir[:cut]
	}
}

// covers reports whether a name of the table stands for the package.
func covers(name, dir string) bool {
	if above, ok := strings.CutSuffix(name, "/..."); ok {
		return dir == above || strings.HasPrefix(dir, above+"/")
	}
	return name == dir
}

// TestImportsFollowTheArrows shows that no package imports another one of this module against the table. Tests may
// import what they like.
func TestImportsFollowTheArrows(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		allowed := row(f.dir)
		for _, path := range f.imports() {
			dir, ours := strings.CutPrefix(path, modulePath+"/")
			if !ours || slices.ContainsFunc(allowed, func(name string) bool { return covers(name, dir) }) {
				continue
			}
			t.Errorf("%s imports %s; %s may import only %v", f.path, dir, f.dir, allowed)
		}
	}
}

// runner is the package of the command that runs a router. Of the program's packages it alone imports the router.
const runner = "cmd/postroad/run"

// TestNobodyImportsTheRouter shows that the running router is used by one command and by tests only.
func TestNobodyImportsTheRouter(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test || f.dir == runner {
			continue
		}
		if slices.Contains(f.imports(), modulePath+"/router") {
			t.Errorf("%s imports router; only %s and tests may", f.path, runner)
		}
	}
}

// TestCryptoTLSHasOneImporter shows that TLS is set up in one place, package tls: that of a router, and that of the
// commands that are clients of one.
func TestCryptoTLSHasOneImporter(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test || f.dir == "tls" || strings.HasPrefix(f.dir, "tls/") {
			continue
		}
		if slices.Contains(f.imports(), "crypto/tls") {
			t.Errorf("%s imports crypto/tls; use package tls of this module", f.path)
		}
	}
}

// TestPureCodeNeedsOnlyTheStandardLibrary shows that the addresses, the graph functions and the buffers depend on
// nothing that was fetched.
func TestPureCodeNeedsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test || !slices.Contains(standardOnly, f.dir) {
			continue
		}
		for _, path := range f.imports() {
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s; %s may import only the standard library", f.path, path, f.dir)
			}
		}
	}
}
