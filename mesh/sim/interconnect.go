package sim

import (
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
)

// interconnect is a model of qdrouterd 1.19 as far as its neighbors can tell. It follows
// python/qpid_dispatch_internal/router/{engine,hello,link,node}.py, src/router_core/modules/mobile_sync/mobile.c and
// the forwarders for control messages in src/router_core/forwarder.c, with their ticks of a second and without any of
// the improvements of package mesh. It shares no code with package mesh, so that the one can prove the other right.
type interconnect struct {
	id       string
	instance int64
	config   mesh.Config
	now      time.Time
	ticking  time.Time
	events   []mesh.Event

	links       []qdLink
	hellos      map[string]time.Time // hello.py
	nodes       map[string]*qdNode   // node.py
	own         map[string]int
	ownSeq      int64
	ownChanged  bool
	recompute   bool
	topologyAt  time.Time
	lastRA      time.Time
	radius      int
	mobileSeq   int64 // mobile.c
	addresses   map[string]addressing.Distribution
	added, gone []string
}

// maskbits is the number of routers that qdrouterd can tell apart (include/qpid/dispatch/bitmask.h).
const maskbits = 128

type qdLink struct {
	id   mesh.LinkID
	cost int
}

// qdNode is another router: RouterNode in node.py, qdr_node_t in the core.
type qdNode struct {
	id          string
	maskbit     int
	instance    int64
	hasInstance bool
	refreshed   time.Time
	link        mesh.LinkID // 0: no neighbor
	seq         int64
	peers       map[string]int
	seen        time.Time
	next        *qdNode // nil: none, or a neighbor reached directly
	cost        int
	origins     []string
	mobileSeq   int64
	needLS      bool
	needMA      bool
	requestedMA bool
	keepAlive   int
	addresses   map[string]bool

	published peer // what events have said
}

func newInterconnect(config mesh.Config, firstTick time.Time) *interconnect {
	if config.HelloMaxAge == 0 {
		config.HelloMaxAge = 3 * time.Second
	}
	if config.RAInterval == 0 {
		config.RAInterval = 30 * time.Second
	}
	if config.RAIntervalFlux == 0 {
		config.RAIntervalFlux = 4 * time.Second
	}
	if config.LSMaxAge == 0 {
		config.LSMaxAge = 60 * time.Second
	}
	return &interconnect{id: config.ID, instance: config.Instance, config: config, ticking: firstTick,
		hellos: make(map[string]time.Time), nodes: make(map[string]*qdNode), own: make(map[string]int),
		addresses: make(map[string]addressing.Distribution)}
}

func (q *interconnect) Start(now time.Time) { q.now = now }

func (q *interconnect) Deadline() time.Time { return q.ticking }

func (q *interconnect) Events() []mesh.Event {
	q.publish()
	events := q.events
	q.events = nil
	return events
}

func (q *interconnect) LinkUp(now time.Time, id mesh.LinkID, cost int, _ string, _ bool) {
	q.now = now
	q.links = append(q.links, qdLink{id, cost})
}

// LinkDown is link_lost in node.py.
func (q *interconnect) LinkDown(now time.Time, id mesh.LinkID) {
	q.now = now
	q.links = slices.DeleteFunc(q.links, func(l qdLink) bool { return l.id == id })
	for _, n := range q.nodes {
		if n.link == id {
			n.link = 0
			q.dropPeer(n.id)
		}
	}
}

func (q *interconnect) dropPeer(id string) {
	if _, ok := q.own[id]; ok {
		delete(q.own, id)
		q.ownChanged = true
	}
}

// Advance is handleTimerTick in engine.py, and the timer of mobile.c.
func (q *interconnect) Advance(now time.Time) {
	q.now = now
	if now.Before(q.ticking) {
		return
	}
	q.ticking = now.Add(time.Second)
	for id, heard := range q.hellos {
		if now.Sub(heard) > q.config.HelloMaxAge {
			delete(q.hellos, id)
		}
	}
	hello := q.encode("amqp:/_local/qdhello", "HELLO", wire.Map{{Key: "id", Value: q.id}, {Key: "pv", Value: int32(1)},
		{Key: "area", Value: "0"}, {Key: "instance", Value: int32(q.instance)},
		{Key: "seen", Value: list(sortedKeys(q.hellos))}})
	for _, l := range q.links {
		q.emit(l.id, hello)
	}
	interval := q.config.RAInterval
	if !q.topologyAt.IsZero() && now.Sub(q.topologyAt) <= 2*q.config.RAIntervalFlux {
		interval = q.config.RAIntervalFlux
	}
	if now.Sub(q.lastRA) >= interval {
		q.sendRA()
	}
	q.trackNodes()
	q.syncMobile()
}

// trackNodes is tick in node.py.
func (q *interconnect) trackNodes() {
	for _, id := range sortedKeys(q.nodes) {
		q.expire(q.nodes[id])
	}
	if q.ownChanged || q.recompute {
		q.topologyAt = q.now
	}
	announce := q.ownChanged
	if q.ownChanged {
		q.ownChanged, q.recompute = false, true
		q.ownSeq++
	}
	if q.recompute {
		q.recompute = false
		q.computeRoutes()
	}
	for _, id := range sortedKeys(q.nodes) {
		n := q.nodes[id]
		if n.needLS && (n.link != 0 || n.next != nil) {
			n.needLS = false
			q.sendLSR(n)
		}
		if n.needMA && (n.link != 0 || n.next != nil) {
			n.needMA = false
			q.sendMAR(n)
		}
	}
	if announce {
		q.sendRA()
	}
}

// expire is one turn of _do_expirations in node.py.
func (q *interconnect) expire(n *qdNode) {
	if n.link != 0 && q.now.Sub(n.refreshed) > q.config.HelloMaxAge {
		n.link = 0
		q.dropPeer(n.id)
	}
	if q.now.Sub(n.seen) > q.config.LSMaxAge && len(n.peers) > 0 {
		n.peers, n.seq = nil, 0
		q.recompute = true
	}
	if len(n.peers) > 0 || n.link != 0 {
		return
	}
	for _, o := range q.nodes {
		if _, named := o.peers[n.id]; named && o != n {
			return
		}
	}
	if n.keepAlive++; n.keepAlive > 2 {
		n.addresses = nil
		delete(q.nodes, n.id)
		q.unpublish(n)
		for _, o := range q.nodes {
			if o.next == n {
				o.next = nil
			}
		}
	}
}

func (q *interconnect) node(id string) *qdNode {
	if n := q.nodes[id]; n != nil {
		return n
	}
	bits := make(map[int]bool)
	for _, n := range q.nodes {
		bits[n.maskbit] = true
	}
	bit := 1
	for bits[bit] {
		bit++
	}
	n := &qdNode{id: id, maskbit: bit, needLS: true, addresses: make(map[string]bool)}
	q.nodes[id] = n
	return n
}

// updateInstance is update_instance in node.py.
func (q *interconnect) updateInstance(n *qdNode, instance int64) bool {
	if !n.hasInstance {
		n.hasInstance, n.instance = true, instance
		return false
	}
	if n.instance == instance {
		return false
	}
	n.instance = instance
	n.peers, n.seq, n.mobileSeq = nil, 0, 0
	clear(n.addresses)
	return true
}

func (q *interconnect) AddAddress(now time.Time, key string, hint addressing.Distribution) {
	q.now = now
	if _, known := q.addresses[key]; known {
		return
	}
	q.addresses[key] = hint
	if i := slices.Index(q.gone, key); i >= 0 {
		q.gone = slices.Delete(q.gone, i, i+1)
	} else {
		q.added = append(q.added, key)
	}
}

func (q *interconnect) RemoveAddress(now time.Time, key string) {
	q.now = now
	if _, known := q.addresses[key]; !known {
		return
	}
	delete(q.addresses, key)
	if i := slices.Index(q.added, key); i >= 0 {
		q.added = slices.Delete(q.added, i, i+1)
	} else {
		q.gone = append(q.gone, key)
	}
}

// syncMobile is qcm_mobile_sync_on_timer_CT in mobile.c.
func (q *interconnect) syncMobile() {
	if len(q.added)+len(q.gone) == 0 {
		return
	}
	q.mobileSeq++
	hints := wire.List{}
	for _, key := range q.added {
		hints = append(hints, int32(q.addresses[key]))
	}
	q.multicast(q.encode("_topo/0/all/qdrouter.ma", "MAU", q.symbols("mobile_seq", q.mobileSeq, "hints", hints, "add",
		list(q.added), "del", list(q.gone))), nil)
	q.added, q.gone = nil, nil
	q.sendRA()
}
