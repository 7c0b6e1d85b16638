package mesh

import (
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh/spf"
)

// LinkID numbers a control link and with it the connection to a neighbor. The router around the Node gives the numbers.
type LinkID uint64

// EventKind says what happened.
type EventKind uint8

// The events. Which fields of Event are set is said for each.
const (
	EventNone EventKind = iota

	// EventSend: write Payload, a whole encoded message, to the control link Link, pre-settled. Link, Payload. Several
	// events may share one Payload, so it must not be changed.
	EventSend

	// EventRouterUp: a router became known and has the number Router from now on. Router, ID. There is no path yet.
	EventRouterUp
	// EventRouterDown: the router is forgotten. Its number will be given to another one. Router, ID. It has neither a path
	// nor addresses any more.
	EventRouterDown

	// EventPathUp: there is a path to the router, or it has changed. Router, ID, Path.
	EventPathUp
	// EventPathDown: there is no path to the router any more. Router, ID. EventAddressDown follows for its addresses.
	EventPathDown
	// EventOrigins: multicast messages are to be forwarded towards the router only from these origins, by number. 0, this
	// router, is always one of them. Upstream is the id of the neighbor through which multicast messages of the router
	// come here, "" if it has no path to this router. Router, ID, Origins, Upstream. Before the first such event after
	// EventPathUp 0 is the only origin, and the neighbor is not known.
	EventOrigins
	// EventRadius: the number of hops to the farthest router changed. Radius.
	EventRadius

	// EventRoutes: where messages may go has changed, the way of EventPathUp with all that a data plane needs to switch by
	// itself. Routes. It follows the events for single paths.
	EventRoutes

	// EventLinkSilent: the neighbor on the link was up and is lost because nothing came from it for too long: the
	// connection is dead, though nobody has closed it. Link, ID.
	EventLinkSilent
	// EventDuplicate: two routers of the mesh have the same id. Both instances and where they are connected: ID,
	// Instance, Place of the one that started earlier, RefusedInstance, RefusedPlace of the other one, which is refused by
	// its neighbors. A place is the id of a router that has it as a neighbor; "" if that is not known. If ID is that of
	// this router, Instance is this router's own, and the other one's place is the router through which it was heard, or
	// which refuses this one; its instance is 0 if it is not known.
	EventDuplicate

	// EventAddressUp: the router has consumers (or link-route containers, or an edge router) for the address Key, or its
	// hint has changed. Router, ID, Key, Hint, HasHint. It comes only while there is a path to the router.
	EventAddressUp
	// EventAddressDown: the opposite of EventAddressUp. Router, ID, Key.
	EventAddressDown

	// EventWithhold: the router has no memory for more messages of the address: senders of it get no credit for the time
	// Lease. Router, ID, Key, Lease.
	EventWithhold

	// EventLog: a line for the log. Level, Module, Text.
	EventLog
)

// Event is something that the router has to do or to know. It is a value.
type Event struct {
	Kind     EventKind
	HasHint  bool
	Hint     addressing.Distribution // of the address, where the other router knows one
	Level    Level
	Router   int // number of the router: 1, 2, …; 0 is this router and occurs in Origins only
	Radius   int
	Link     LinkID
	ID       string // of the router
	Key      string // as addressing.Address.Key makes it
	Path     Path
	Origins  spf.Set
	Upstream string
	Routes   *Routes
	Lease    time.Duration
	Payload  []byte

	Instance, RefusedInstance int64
	Place, RefusedPlace       string
	Module                    Module
	Text                      string
}

// Path is the way to another router.
type Path struct {
	NextHop LinkID   // the link to the next router
	Router  int      // number of the next router; of the router itself if it is a neighbor reached directly
	Cost    int      // sum of the costs on the path
	Hops    int      // number of links on the path
	Equal   []LinkID // all links on which a path of this cost begins, NextHop among them, in ascending order
}

func (p Path) equal(o Path) bool {
	return p.NextHop == o.NextHop && p.Router == o.Router && p.Cost == o.Cost && p.Hops == o.Hops &&
		slices.Equal(p.Equal, o.Equal)
}

// Level is the severity of a log line. The order is that of Interconnect's levels.
type Level uint8

// The levels.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelNotice
	LevelWarning
	LevelError
	LevelCritical
)

var levelNames = [...]string{"trace", "debug", "info", "notice", "warning", "error", "critical"}

// String returns the name of the level in Interconnect's configuration.
func (l Level) String() string { return levelNames[l] }

// Module is the part of Interconnect whose log a line belongs to.
type Module string

// The modules that a Node writes to.
const (
	ModuleRouter Module = "ROUTER"
	ModuleHello  Module = "ROUTER_HELLO"
	ModuleLS     Module = "ROUTER_LS"
	ModuleMA     Module = "ROUTER_MA"
)
