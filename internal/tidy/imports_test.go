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
	"cmd/postroad": {"router", "internal/...", "topologies", "tls", "mesh/spf", "mesh/membership"},
	"router": {"linkroute", "mesh", "mesh/spf", "mesh/membership", "mesh/planner", "addressing", "tls", "router/transport",
		"internal/amqp/...", "internal/config", "internal/logging", "internal/management", "internal/metrics",
		"internal/console"},
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
	"internal/config":        {"addressing", "internal/logging"},
	"internal/management":    {"internal/config", "internal/amqp/message", "internal/amqp/wire"},
	"internal/console":       {"internal/management"},
	"internal/netlab":        {"topologies", "internal/config", "internal/bench"},
	"internal/contract":      {"internal/amqp/...", "internal/foreign"},
	"internal/attack":        {"internal/amqp/wire"},

	"internal/attack/bench":    {"internal/attack"},
	"internal/netlab/failover": {"internal/netlab", "internal/bench", "topologies"},
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

// TestNobodyImportsTheRouter shows that the running router is used by the program only.
func TestNobodyImportsTheRouter(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test || f.dir == "cmd/postroad" {
			continue
		}
		if slices.Contains(f.imports(), modulePath+"/router") {
			t.Errorf("%s imports router; only cmd/postroad and tests may", f.path)
		}
	}
}

// TestCryptoTLSHasOneImporter shows that a router's TLS is set up in one place, package tls. The commands that are
// clients of a router have no ssl profile, but flags of their own.
func TestCryptoTLSHasOneImporter(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.test || f.dir == "cmd/postroad" || f.dir == "tls" || strings.HasPrefix(f.dir, "tls/") {
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
