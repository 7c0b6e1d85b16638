package contract

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/lab"
	_ "github.com/postroad/postroad/router" // what is tested: with a change of it, a result in the cache is none any more
)

var (
	update  = flag.Bool("update", false, "rewrite what docs/contract.md says of the system under test")
	pending = flag.Bool("pending", false, "run the cells of events that are marked as not yet, too")
)

// parallel is how many cells run at the same time unless -parallel says otherwise: they wait most of the time.
const parallel = "12"

// The limits of one wait. What a cell waits for comes in milliseconds from Postroad, a few times after a second; the
// limit is for a busy machine. Of another system it is not known that it comes at all.
const (
	waitLimit   = 40 * time.Second
	recordLimit = 20 * time.Second
)

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", parallel)
	}
	code := m.Run()
	if underTest().Promises() {
		if path, err := program(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

// underTest is the system that the suite is held against.
func underTest() System {
	if os.Getenv(QdrouterdVariable) != "" {
		return Qdrouterd{}
	}
	return Postroad{}
}

// event is a row of the table.
type event struct {
	name, slug string
	// several says that it takes several routers: there is no cell with one.
	several bool
	// single says that it is about one router: there is no cell with several.
	single bool
	// plan is the network that it takes for itself; nil if it shares one with other cells, as it harms nobody.
	plan  func(routers int) Plan
	held  bool // shared, and with a long reroute-hold
	cells [columns]cell
	// notYet is the reason for which there are no cells, or for which they are not run.
	notYet string
}

// skipped reports whether the cells of an event are not run.
func (e *event) skipped() bool { return e.notYet != "" && !*pending }

// cell is what a column of a row does and promises.
type cell struct {
	promise string      // in the words of the cell
	run     func(*Cell) // nil where the event means nothing for the column
	gap     string      // what the contract promises beyond, and is not there yet
	notYet  string      // the reason for which it is not run
	prefix  string      // of the addresses, if it is not that of the column
}

// runs reports whether a cell is run.
func (c *cell) runs() bool { return c.run != nil && (c.notYet == "" || *pending) }

// same is a row whose columns do and promise the same.
func same(promise string, run func(*Cell)) [columns]cell {
	return [columns]cell{{promise: promise, run: run}, {promise: promise, run: run}, {promise: promise, run: run}}
}

// result is what became of a cell.
type result struct {
	event    *event
	column   column
	several  bool
	observed string
}

// results are those of all cells.
var results struct {
	sync.Mutex
	list []result
}

// longHold is a reroute-hold that no cell waits for.
const longHold = time.Minute

// ids are the routers of a topology.
func ids(routers int) []string { return []string{"A", "B", "C"}[:routers] }

// TestContract runs every cell of the table, and compares the table in the documentation with what they observed.
func TestContract(t *testing.T) {
	s := underTest()
	if _, err := s.Program(); err != nil {
		t.Fatal(err)
	}
	count := 0
	t.Run("one", func(t *testing.T) { count += topology(t, s, 1) })
	t.Run("three", func(t *testing.T) { count += topology(t, s, 3) })
	if len(results.list) != count {
		t.Logf("%d of %d cells ran: the table is not compared", len(results.list), count)
		return
	}
	document(t, s)
}

// topology runs the cells with so many routers and returns how many there are.
func topology(t *testing.T, s System, routers int) (count int) {
	plain := &shared{system: s, plan: chain(false, ids(routers)...)}
	long := chain(false, ids(routers)...)
	long.RerouteHold = longHold
	held := &shared{system: s, plan: long}
	t.Cleanup(func() {
		for _, n := range []*shared{plain, held} {
			if n.network != nil {
				if err := n.network.End(); err != nil && s.Promises() {
					t.Error(err)
				}
			}
		}
	})
	for i := range events {
		e := &events[i]
		if e.several && routers == 1 || e.single && routers > 1 || e.skipped() {
			continue
		}
		for col := range columns {
			if !e.cells[col].runs() {
				continue
			}
			count++
			t.Run(e.slug+"/"+col.String(), func(t *testing.T) {
				t.Parallel()
				network := plain
				switch {
				case e.held:
					network = held
				case e.plan != nil:
					network = &shared{system: s, plan: e.plan(routers)}
					t.Cleanup(func() {
						if n := network.network; n != nil {
							if err := n.End(); err != nil && s.Promises() {
								t.Error(err)
							}
						}
					})
				}
				runCell(t, s, network.get(t), e, col)
			})
		}
	}
	return count
}

// runCell runs a cell and holds what it observes against what it promises.
func runCell(t *testing.T, s System, n *Network, e *event, col column) {
	c := &Cell{T: t, Network: n, column: col, promises: s.Promises(), number: numbers.Add(1), wait: waitLimit, prefix: e.cells[col].prefix}
	if !s.Promises() {
		c.wait = recordLimit
	}
	observed := c.observe(e.cells[col].run)
	results.Lock()
	results.list = append(results.list, result{e, col, len(n.Plan.Routers) > 1, observed})
	results.Unlock()
	switch promise := e.cells[col].promise; {
	case observed == promise:
	case s.Promises():
		t.Errorf("%s: observed %q, the contract promises %q\n%s", e.name, observed, promise, n.Logs(lab.Brief))
	default:
		t.Logf("%s: observed %q, the contract promises %q", e.name, observed, promise)
	}
}

// shared is a network that starts when the first cell asks for it.
type shared struct {
	system  System
	plan    Plan
	once    sync.Once
	network *Network
	err     error
}

// get returns the network, started.
func (n *shared) get(t *testing.T) *Network {
	t.Helper()
	n.once.Do(func() { n.network, n.err = Start(n.system, n.plan) })
	if n.err != nil {
		t.Fatalf("the network did not start: %v", n.err)
	}
	return n.network
}

// TestEveryEventOfTheContractIsHere shows that no row has been lost: a row has cells, or a reason why it has none.
func TestEveryEventOfTheContractIsHere(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, e := range events {
		if seen[e.slug] {
			t.Errorf("two events are called %s", e.slug)
		}
		seen[e.slug] = true
		cells := 0
		for _, c := range e.cells {
			if c.run != nil {
				cells++
			}
			if (c.run == nil) != (c.promise == "") {
				t.Errorf("%s has a cell with only one of a promise and a test", e.slug)
			}
		}
		if cells == 0 && e.notYet == "" {
			t.Errorf("%s has no cells, and no reason for that", e.slug)
		}
	}
	for _, name := range []string{"no consumer", "consumer link ends", "consumer dies, message written",
		"consumer dies inside", "sender dies inside", "transit", "egress", "ingress", "silent failure", "flaps",
		"partition", "heal", "slow consumer", "SIGTERM, a consumer's", "SIGTERM, a transit", "configuration reload", "certificate rotation",
		"memory pressure", "too large", "malformed", "not allowed", "ttl"} {
		found := false
		for _, e := range events {
			found = found || strings.Contains(e.name, name)
		}
		if !found {
			t.Errorf("no event is about %q", name)
		}
	}
}

// explain says how a run of the suite is repeated.
func explain(s System) string {
	if s.Promises() {
		return "go test -count=1 ./internal/contract -update"
	}
	return fmt.Sprintf("%s=… go test -count=1 ./internal/contract -update", QdrouterdVariable)
}
