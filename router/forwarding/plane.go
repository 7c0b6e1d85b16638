package forwarding

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// Plane is what the endpoints of one router have in common: who the router is, the tables of the control loop, and what
// is known of messages beyond one endpoint. Its first block never changes after the start.
type Plane struct {
	ID         string
	nodeName   string // "0/<id>", as in annotations
	node       []byte // the same
	salt       uint32 // of the choice among equal ways
	Began      time.Time
	Identity   *addressing.Router
	Treatments *route.Treatments
	Hold       time.Duration // how long messages wait for a consumer while the mesh converges
	Events     events        // where the control loop hears of links and connections
	Journal    journal
	Overload   *Overload
	NewName    func() string // an unguessable part of an address, or of the name of a link

	Table    *route.Table
	Holders  holders
	Accounts Accounts
	replies  atomic.Int64 // octets of management replies that wait
	Ledger   *books.Ledger
	Pairs    CopyTable
	Numbers  atomic.Uint64                               // given to connections, links and the like, for management
	copies   atomic.Uint64                               // the number of the last message that was numbered
	Stopping atomic.Bool                                 // connections end since the router does
	Parting  atomic.Bool                                 // clients are sent away: nothing is held any more
	Panics   atomic.Uint64                               // from which something was recovered
	Hook     atomic.Pointer[func(PanicPoint, *Endpoint)] // of tests
}

// events takes what endpoints tell the control loop. Put never blocks.
type events interface{ Put(e Event) }

// journal is where endpoints report what people may want to know. Its methods do not block for long.
type journal interface {
	Warn(text string)    // something that a peer did, or that happened to a connection
	Observe(text string) // what was observed of deliveries and links
	// Panicked reports a panic, while its stack still stands.
	Panicked(where string, v any)
}

// NewPlane makes the plane of a router that begins at a time.
func NewPlane(id string, began time.Time) *Plane {
	p := &Plane{ID: id, nodeName: addressing.NodeName(id), node: []byte(addressing.NodeName(id)), salt: route.SaltOf(id),
		Began: began, Ledger: new(books.Ledger), Identity: addressing.NewRouter(id)}
	p.copies.Store(uint64(began.UnixNano())) // larger than any of a former life
	p.Table = route.NewTable()
	return p
}

// Note logs something about a connection.
func (c *Endpoint) Note(format string, args ...any) {
	c.Plane.Journal.Warn(fmt.Sprintf("[C%d] %s", c.Number, fmt.Sprintf(format, args...)))
}
