package route

import (
	"iter"
	"sync"
	"sync/atomic"
)

// Table maps keys to addresses and node names to routers. The control loop alone writes it. Its methods are safe for
// concurrent use, and take time that does not depend on its size, but for All.
type Table struct {
	mu      sync.RWMutex // a leaf
	byKey   map[string]*Address
	routers map[string]*Router // by node name
	Radius  atomic.Int32       // largest number of hops to any router
	Added   atomic.Uint64      // how often addresses were added
	// Topology is mesh.Node.Topology of the published next hops and origins, and 0 while these change.
	Topology atomic.Uint64
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{byKey: make(map[string]*Address), routers: make(map[string]*Router)}
}

// Add adds an address. with, unless it is nil, is another one that readers find from the same moment on.
func (t *Table) Add(a, with *Address) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Added.Add(1)
	t.byKey[a.Key] = a
	if with != nil {
		t.byKey[with.Key] = with
	}
}

// Remove removes an address and, at the same moment, with, unless that is nil. Whoever still has one of them sees in
// Gone that it was removed.
func (t *Table) Remove(a, with *Address) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range [...]*Address{a, with} {
		if x != nil && !x.Gone.Swap(true) {
			delete(t.byKey, x.Key)
		}
	}
}

// AddRouter adds a router.
func (t *Table) AddRouter(r *Router) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.routers[r.Node] = r
}

// RemoveRouter removes a router.
func (t *Table) RemoveRouter(r *Router) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.routers, r.Node)
}

// wanderings is how many routers a message may pass at least, however few are known.
const wanderings = 16

// Longest returns how many routers a message may have passed; one that has passed more wanders. While the mesh
// converges, some routers may not be known here yet, so that the number is never below wanderings.
func (t *Table) Longest() int {
	if r := int(t.Radius.Load()) + 1; r > wanderings {
		return r
	}
	return wanderings
}

// Get returns the address of a key, or nil.
func (t *Table) Get(key []byte) *Address {
	t.mu.RLock()
	a := t.byKey[string(key)]
	t.mu.RUnlock()
	return a
}

// Len returns the number of addresses.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byKey)
}

// All yields the addresses with their keys, in no order. It has the table locked meanwhile: the loop must not call a
// method of the table.
func (t *Table) All() iter.Seq2[string, *Address] {
	return func(yield func(string, *Address) bool) {
		t.mu.RLock()
		defer t.mu.RUnlock()
		for key, a := range t.byKey {
			if !yield(key, a) {
				return
			}
		}
	}
}

// Number returns the number that the mesh gives to a router, by the router's node name. It reports false for an unknown
// router.
func (t *Table) Number(node []byte) (int, bool) {
	r := t.Router(node)
	if r == nil {
		return 0, false
	}
	return r.Number, true
}

// Router returns a router by its node name, or nil.
func (t *Table) Router(node []byte) *Router {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.routers[string(node)]
}

// Upstream returns the id of the neighbor that the multicast messages of a router come through, by the router's node
// name; nil when none is known.
func (t *Table) Upstream(node []byte) *string {
	r := t.Router(node)
	if r == nil {
		return nil
	}
	return r.Upstream.Load()
}
