package router

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroad/postroad/router/forwarding"
)

// propertyWorld is one seed of the property test: a network, its clients, and the book of what they know.
type propertyWorld struct {
	t         *testing.T
	seed      uint64
	n         *network
	book      *book
	uids      atomic.Uint32 // numbers of links
	steps     atomic.Int64  // that clients have done
	cutting   bool          // clients vanish without a word
	loyal     bool          // consumers stay
	eager     bool          // most consumers settle at once
	addresses []string
	actors    []*actor
	plagues   []*plague // by step
	running   sync.WaitGroup

	mu      sync.Mutex
	down    map[*Router]bool
	lines   []*line
	story   []string
	reports int
}

// plague is something that happens to the network when the clients have done some steps.
type plague struct {
	at   int64
	once sync.Once
	do   func(*rand.Rand)
}

// propertySteps is how many things each client does.
const propertySteps = 40

// emptyWorld has neither routers nor clients.
func emptyWorld(t *testing.T, seed uint64) *propertyWorld {
	w := &propertyWorld{t: t, seed: seed, down: make(map[*Router]bool)}
	w.book = &book{parcels: make(map[parcelID]*parcel), places: make(map[string]*place),
		order: make(map[way]*passed), report: w.report}
	return w
}

// newPropertyWorld makes the network and the clients of a seed.
func newPropertyWorld(t *testing.T, seed uint64) *propertyWorld {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := emptyWorld(t, seed)
	count := 1 + rng.IntN(5)
	shapes := []func(testing.TB, int) *network{chain, star, fullMesh, ring}
	shape := rng.IntN(len(shapes))
	if shape == 3 && count < 3 {
		shape = 0
	}
	w.n = shapes[shape](t, count)
	w.cutting = rng.IntN(3) > 0
	w.loyal = rng.IntN(3) == 0
	w.book.several = count > 1
	w.eager = rng.IntN(3) > 0
	w.addresses = []string{"closest/a", "closest/b", "balanced/a", "balanced/b"}
	if seed%3 > 0 { // without, pre-settled messages can be counted
		w.addresses = append(w.addresses, "multicast/a")
	}
	if seed%2 > 0 {
		w.addresses = append(w.addresses, "twice/a")
	}
	for i := range 4 + rng.IntN(8) {
		w.actors = append(w.actors, &actor{w: w, number: i})
	}
	total := int64(len(w.actors) * propertySteps)
	if count > 1 && rng.IntN(2) == 0 {
		for range 1 + rng.IntN(2) {
			p := &plague{at: 1 + rng.Int64N(total)}
			p.do = w.cutLink
			if rng.IntN(2) == 0 {
				p.do = w.killRouter
			}
			w.plagues = append(w.plagues, p)
		}
	}
	w.tell("%d routers, shape %d, %d clients, cutting %v, loyal %v, %d plagues", count, shape, len(w.actors), w.cutting,
		w.loyal, len(w.plagues))
	return w
}

// tell adds a line to the story that is shown when the seed fails.
func (w *propertyWorld) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.story = append(w.story, time.Now().Format("05.000000 ")+fmt.Sprintf(format, args...))
}

// report fails the seed. What follows the first few reports is seldom news.
func (w *propertyWorld) report(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := fmt.Sprintf(format, args...)
	w.story = append(w.story, time.Now().Format("05.000000 ")+"WRONG: "+s)
	if w.reports++; w.reports <= 10 {
		w.t.Error(s)
	}
}

// over says how to run a seed that failed again, and ends what is left.
func (w *propertyWorld) over() {
	w.mu.Lock()
	lines := w.lines
	story := w.story
	w.mu.Unlock()
	for _, l := range lines {
		l.abort(true)
	}
	for r := range w.down {
		w.n.forget(r)
	}
	if w.t.Failed() {
		w.t.Log(story[0])
		for _, s := range story[max(1, len(story)-400):] {
			w.t.Log(s)
		}
		w.t.Logf("go test ./router -run %s -seed %d -count 10", strings.Split(w.t.Name(), "/")[0], w.seed)
	}
}

// keep notes a connection, to be ended at the end.
func (w *propertyWorld) keep(l *line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, l)
}

func (w *propertyWorld) isDown(r *Router) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down[r]
}

// alive lists the routers that run.
func (w *propertyWorld) alive() (list []*Router) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.n.routers {
		if !w.down[r] {
			list = append(list, r)
		}
	}
	return list
}

// address chooses an address.
func (w *propertyWorld) address(rng *rand.Rand) string {
	return w.addresses[rng.IntN(len(w.addresses))]
}

// play has all clients do their steps.
func (w *propertyWorld) play() {
	for _, a := range w.actors {
		w.running.Go(a.play)
	}
	w.running.Wait()
}

// stepped counts a client's step and lets come what is due.
func (w *propertyWorld) stepped() {
	n := w.steps.Add(1)
	for i, p := range w.plagues {
		if n >= p.at {
			p.once.Do(func() { p.do(rand.New(rand.NewPCG(w.seed, uint64(1000+i)))) })
		}
	}
}

// killRouter ends a router as if its process had died, or in order. One is left in any case.
func (w *propertyWorld) killRouter(rng *rand.Rand) {
	alive := w.alive()
	r, hard := alive[rng.IntN(len(alive))], rng.IntN(3) > 0
	if len(alive) > 1 {
		w.endRouter(r, hard)
	}
}

// endRouter ends a router, hard or in order.
func (w *propertyWorld) endRouter(r *Router, hard bool) {
	w.tell("router %s ends, hard %v", r.ID(), hard)
	w.book.disturb()
	w.mu.Lock()
	w.down[r] = true
	w.mu.Unlock()
	if hard {
		r.host.Cancel()
		for _, l := range r.listeners {
			l.Close()
		}
		for _, c := range r.endpoints() {
			c.Driver.Abort()
		}
	}
	r.Stop()
	w.tell("router %s has ended", r.ID())
}

// cutLink cuts a connection between two routers.
func (w *propertyWorld) cutLink(rng *rand.Rand) {
	alive := w.alive()
	r := alive[rng.IntN(len(alive))]
	var between []*forwarding.Endpoint
	for _, c := range r.endpoints() {
		if c.Terms.Role == forwarding.RoleInterRouter {
			between = append(between, c)
		}
	}
	if c, ok := anyOf(rng, between); ok {
		w.tell("a connection between %s and %s is cut", r.ID(), c.Near.ID)
		w.book.disturb()
		c.Driver.Abort()
	}
}
