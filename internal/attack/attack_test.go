package attack

import (
	"os"
	"testing"

	_ "github.com/postroad/postroad/router" // what is tested: with a change of it, a result in the cache is none any more
)

func TestMain(m *testing.M) {
	code := m.Run()
	Clean()
	os.Exit(code)
}

// running are the attacks that are made at a time: each of them takes a processor.
var running = make(chan struct{}, 2)

// withstand makes an attack and fails the test for each promise that the router breaks. When that may be the doing of a
// busy machine, the attack is made once more.
func withstand(t *testing.T, a Attack) {
	t.Helper()
	if !a.Mesh { // with a neighbor there are two routers already
		t.Parallel()
		running <- struct{}{}
		defer func() { <-running }()
	}
	report, err := a.Run(t.Context())
	if err == nil && report.Doubtful() {
		t.Log(report, report.Wrong)
		report, err = a.Run(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, wrong := range report.Wrong {
		t.Error(wrong)
	}
}

// limited is an attack on a router with a memory limit.
func limited(a Attack) Attack {
	a.Limit = memoryLimit
	return a
}

// underFire is an attack during which the router is told to end.
func underFire(a Attack) Attack {
	a.UnderFire = true
	return a
}
