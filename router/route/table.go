package route

import (
	"iter"
	"sync"
	"sync/atomic"
)

// Table maps keys to addresses and node names to routers. The control loop writes it; its methods are safe for
// concurrent use.
type Table struct {
	mu      sync.RWMutex // a leaf
	byKey   map[string]*Address
	routers map[string]*Router // by node name
	Radius  atomic.Int32       // largest number of hops to any router
	Added   atomic.Uint64      // addresses that were added, ever
	// Topology is mesh.Node.Topology of the next hops and origins as they are published, 0 while they change.
	Topology atomic.Uint64
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{byKey: make(map[string]*Address), routers: make(map[string]*Router)}
}

// Add adds an address, and another one, or nil, that is to be found at the same moment.
func (t *Table) Add(a, with *Address) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Added.Add(1)
	t.byKey[a.Key] = a
	if with != nil {
		t.byKey[with.Key] = with
	}
}

// Remove removes an address, and another one, or nil, at the same moment. Who still has one of them sees that it is gone.
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

// wanderings is how many routers a message may pass while few are known.
const wanderings = 16

// Longest is how many routers a message may have passed: each one once. While the mesh converges, some may not be known
// here yet.
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

// Len is the number of addresses.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byKey)
}

// All yields the addresses with their keys. Nobody can change the table meanwhile.
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

// Number returns the mesh's number of a router by its node name.
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

// Upstream returns the id of the neighbor through which the multicast messages of a router come, given by its node name;
// nil when none is known.
func (t *Table) Upstream(node []byte) *string {
	r := t.Router(node)
	if r == nil {
		return nil
	}
	return r.Upstream.Load()
}
