package forwarding

import (
	"maps"
	"slices"
	"sync"

	"github.com/postroad/postroad/router/books"
)

// Roll lists the endpoints whose counters are summed.
type Roll struct {
	Ledger *books.Ledger
	mu     sync.Mutex // a leaf
	Ends   map[*Endpoint]struct{}
}

// Enter adds an endpoint.
func (o *Roll) Enter(c *Endpoint) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Ends[c] = struct{}{}
}

// List returns the endpoints as they are now, in no order.
func (o *Roll) List() []*Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.Ends))
}
