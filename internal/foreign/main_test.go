package foreign

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The networks which most tests share; they start when the first test asks for them.
var (
	one   = &sharedNetwork{name: "one router", topology: Chain("A")}
	chain = &sharedNetwork{name: "chain of three", topology: Chain("A", "B", "C")}
)

// sharedNetwork is a network that lives until the last test has ended.
type sharedNetwork struct {
	name     string
	topology Topology
	once     sync.Once
	network  *Network
	err      error
}

// get returns the network, started, and makes the test explain it if it fails.
func (s *sharedNetwork) get(t *testing.T) *Network {
	t.Helper()
	s.once.Do(func() {
		if s.network, s.err = StartNetwork(s.topology); s.err != nil {
			t.Error(s.err)
		}
	})
	if s.err != nil {
		t.Fatalf("%s did not start; the test that came first says why", s.name)
	}
	s.network.Explain(t)
	return s.network
}

// ownNetwork starts a network for one test, which may do with it what it likes, and stops it at the test's end.
func ownNetwork(t *testing.T, topology Topology) *Network {
	t.Helper()
	n, err := StartNetwork(topology)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	n.Explain(t)
	return n
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range []*sharedNetwork{one, chain, patientOne, patientChain, hastyOne} {
		if s.network == nil {
			continue
		}
		// Every router ends with exit code 0 on SIGTERM, and none has ended before.
		if err := s.network.Stop(); err != nil {
			fmt.Fprintf(os.Stderr, "FAIL: %s: %v\n", s.name, err)
			code = 1
		}
	}
	os.Exit(code)
}

// routes runs a subtest on each shared network, with the router at which messages enter and the one at which they
// leave.
func routes(t *testing.T, test func(t *testing.T, n *Network, ingress, egress string)) {
	for _, s := range []*sharedNetwork{one, chain} {
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			n := s.get(t)
			test(t, n, n.IDs()[0], n.IDs()[len(n.IDs())-1])
		})
	}
}

// pairs runs a subtest for every library as sender with every library as receiver.
func pairs(t *testing.T, test func(t *testing.T, sender, receiver Library)) {
	for _, sender := range Libraries() {
		for _, receiver := range Libraries() {
			t.Run(fmt.Sprintf("%s-to-%s", sender, receiver), func(t *testing.T) {
				t.Parallel()
				test(t, sender, receiver)
			})
		}
	}
}

// address returns an address of the test's own, below a prefix that decides its distribution.
func address(t *testing.T, prefix string) string {
	return prefix + "/" + strings.ReplaceAll(t.Name(), "#", "-")
}

// interconnectDiffers reports whether the router under test is excused from what the test was about to demand, because
// Interconnect is known to do otherwise. It leaves a note in the test's output.
func interconnectDiffers(t *testing.T, how string) bool {
	t.Helper()
	if Foreign() {
		t.Logf("known difference of Interconnect: %s", how)
	}
	return Foreign()
}

// wantSent checks that all messages of a sender had one outcome.
func wantSent(t *testing.T, sent Result, outcome string, count int) {
	t.Helper()
	if len(sent.Outcomes) != 1 || sent.Outcomes[outcome] != count || sent.Count != count {
		t.Errorf("sender saw %d outcomes %v, want %d times %s", sent.Count, sent.Outcomes, count, outcome)
	}
}

// wantReceived checks that a receiver got so many messages, each once, intact and in order, of so many bytes in all.
func wantReceived(t *testing.T, got Result, count, bytes int) {
	t.Helper()
	if got.Count != count || got.Bytes != bytes {
		t.Errorf("receiver got %d messages of %d bytes, want %d of %d", got.Count, got.Bytes, count, bytes)
	}
	if got.Duplicates != 0 || got.Corrupt != 0 || got.Misordered != 0 {
		t.Errorf("receiver got %d duplicates, %d corrupt and %d misordered messages, want none",
			got.Duplicates, got.Corrupt, got.Misordered)
	}
}

// sumOfSizes returns the bytes of count bodies whose sizes are used in turn.
func sumOfSizes(count int, sizes ...int) int {
	sum := 0
	for i := range count {
		sum += sizes[i%len(sizes)]
	}
	return sum
}

// next returns the library after l in a cycle through all of them.
func next(l Library) Library {
	all := Libraries()
	return all[(slices.Index(all, l)+1)%len(all)]
}
