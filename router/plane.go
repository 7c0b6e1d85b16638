package router

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/route"
)

// Plane is what the endpoints of one router have in common: who the router is, the tables that the control loop
// publishes, and what is known of messages beyond one endpoint. Its first block never changes after the start.
type Plane struct {
	id         string
	nodeName   string // "0/<id>", as in annotations
	node       []byte // the same
	salt       uint32 // of the choice among equal ways
	began      time.Time
	identity   *addressing.Router
	treatments *route.Treatments
	hold       time.Duration // how long messages wait for a consumer while the mesh converges
	events     events        // where the control loop hears of links and connections
	journal    journal
	overload   *overload
	newName    func() string // an unguessable part of an address, or of the name of a link

	table    *route.Table
	holders  holders
	ledger   *books.Ledger
	pairs    copyTable
	numbers  atomic.Uint64                               // given to connections, links and the like, for management
	copies   atomic.Uint64                               // the number of the last message that was numbered
	stopping atomic.Bool                                 // connections end since the router does
	parting  atomic.Bool                                 // clients are sent away: nothing is held any more
	panics   atomic.Uint64                               // from which something was recovered
	hook     atomic.Pointer[func(panicPoint, *Endpoint)] // of tests
}

// events takes what endpoints tell the control loop. put never blocks.
type events interface{ put(e event) }

// journal is where endpoints report what people may want to know. Its methods do not block for long.
type journal interface {
	warn(text string)    // something that a peer did, or that happened to a connection
	observe(text string) // what was observed of deliveries and links
	// panicked reports a panic, while its stack still stands.
	panicked(where string, v any)
}

// newPlane makes the plane of a router that begins at a time.
func newPlane(id string, began time.Time) *Plane {
	p := &Plane{id: id, nodeName: addressing.NodeName(id), node: []byte(addressing.NodeName(id)), salt: route.SaltOf(id),
		began: began, ledger: new(books.Ledger), identity: addressing.NewRouter(id)}
	p.copies.Store(uint64(began.UnixNano())) // larger than any of a former life
	p.table = route.NewTable()
	return p
}

// note logs something about a connection.
func (c *Endpoint) note(format string, args ...any) {
	c.plane.journal.warn(fmt.Sprintf("[C%d] %s", c.number, fmt.Sprintf(format, args...)))
}
