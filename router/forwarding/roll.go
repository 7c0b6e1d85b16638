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

// Leave keeps the counters of an endpoint that is over. What it counts later goes where it belongs at once.
func (o *Roll) Leave(c *Endpoint) {
	o.Ledger.Locked(func() {
		o.mu.Lock()
		_, ok := o.Ends[c]
		delete(o.Ends, c)
		o.mu.Unlock()
		if ok {
			c.closeBooks(o.Ledger)
		}
	})
}

// closeBooks gives the ledger, which is locked, all that the endpoint has counted.
func (c *Endpoint) closeBooks(ledger *books.Ledger) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	ledger.Close(&c.Counted.Past, &c.Counted.Shares,
		books.Failure{Role: c.Terms.Role.String(), Dialed: c.Dialed, Reason: c.Ending.failure})
	c.Counted.closed = true
}

// List returns the endpoints as they are now, in no order.
func (o *Roll) List() []*Endpoint {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.Ends))
}
