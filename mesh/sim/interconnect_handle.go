package sim

import (
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/mesh/spf"
)

// handleHello is handle_hello in hello.py and neighbor_refresh in node.py.
func (q *interconnect) handleHello(m qdMessage, link mesh.LinkID) {
	id := m.text("id")
	if id == q.id {
		return
	}
	q.hellos[id] = q.now
	i := slices.IndexFunc(q.links, func(l qdLink) bool { return l.id == link })
	if seen, _ := m.list("seen"); i < 0 || !slices.Contains(seen, q.id) {
		return
	}
	n := q.node(id)
	if n.link != link {
		n.link, n.next, n.needLS = link, nil, true
		if _, ok := q.own[id]; !ok {
			q.own[id], q.ownChanged = q.links[i].cost, true
		}
	}
	n.refreshed = q.now
	if q.updateInstance(n, m.int("instance")) {
		q.recompute, n.needLS = true, true
	}
}

// handleRA is ra_received in node.py.
func (q *interconnect) handleRA(m qdMessage) {
	if m.text("id") == q.id {
		return
	}
	n := q.node(m.text("id"))
	if q.updateInstance(n, m.int("instance")) {
		q.recompute, n.needLS = true, true
	}
	n.seen = q.now
	if n.seq < m.int("ls_seq") {
		q.sendLSR(n)
	}
	if n.mobileSeq < m.int("mobile_seq") {
		n.needMA = true
	}
}

// handleLSU is link_state_received in node.py.
func (q *interconnect) handleLSU(m qdMessage) {
	n := q.node(m.text("id"))
	v, _ := m.body.Get("ls")
	ls := v.(wire.Map)
	if integer(ls, "ls_seq") <= n.seq {
		return
	}
	n.seq, n.seen, n.peers, q.recompute = integer(ls, "ls_seq"), q.now, make(map[string]int), true
	peers, _ := ls.Get("peers")
	for _, p := range peers.(wire.Map) {
		n.peers[p.Key.(string)] = int(toInt(p.Value))
		if p.Key != q.id {
			q.node(p.Key.(string))
		}
	}
}

func (q *interconnect) sendAbsolute(n *qdNode) {
	var exist []string
	hints := wire.List{}
	for _, key := range sortedKeys(q.addresses) {
		if !slices.Contains(q.added, key) {
			exist, hints = append(exist, key), append(hints, int32(q.addresses[key]))
		}
	}
	for _, key := range q.gone {
		exist, hints = append(exist, key), append(hints, int32(addressing.DistributionBalanced))
	}
	q.unicast(n.id, q.encode("amqp:/_topo/0/"+n.id+"/qdrouter.ma", "MAU", q.symbols("mobile_seq", q.mobileSeq, "exist",
		list(exist), "hints", hints)))
}

// handleMAU is qcm_mobile_sync_on_mau_CT in mobile.c.
func (q *interconnect) handleMAU(m qdMessage) {
	n := q.nodes[m.text("id")]
	if n == nil {
		return
	}
	seq := m.int("mobile_seq")
	exist, absolute := m.list("exist")
	if !absolute && n.mobileSeq != seq-1 {
		if !n.requestedMA {
			q.sendMAR(n)
			n.requestedMA = true
		}
		return
	}
	n.requestedMA, n.mobileSeq = false, seq
	if absolute {
		clear(n.addresses)
	}
	add, _ := m.list("add")
	del, _ := m.list("del")
	for _, key := range append(exist, add...) {
		n.addresses[key] = true
	}
	for _, key := range del {
		delete(n.addresses, key)
	}
}

// publish emits what has changed for the users of the tables. A path whose link is gone is none.
func (q *interconnect) publish() {
	for _, id := range sortedKeys(q.nodes) {
		n := q.nodes[id]
		if n.published.id == "" {
			n.published = peer{id: id, addresses: make(map[string]mesh.Event)}
			q.events = append(q.events, mesh.Event{Kind: mesh.EventRouterUp, Router: n.maskbit, ID: id})
		}
	}
	for _, id := range sortedKeys(q.nodes) {
		q.publishNode(q.nodes[id])
	}
}

func (q *interconnect) publishNode(n *qdNode) {
	p := &n.published
	e := mesh.Event{Router: n.maskbit, ID: n.id}
	link := q.way(n)
	if link == 0 || n.cost == 0 {
		q.hide(n)
		return
	}
	hop := n
	if n.next != nil {
		hop = n.next
	}
	if path := (mesh.Path{NextHop: link, Router: hop.maskbit, Cost: n.cost}); !p.reached || p.path.NextHop != link ||
		p.path.Cost != n.cost {
		e.Kind, e.Path = mesh.EventPathUp, path
		p.reached, p.path = true, path
		q.events = append(q.events, e)
	}
	origins := spf.NewSet(maskbits)
	origins.Add(0)
	for _, id := range n.origins {
		if o := q.nodes[id]; o != nil && o.maskbit < maskbits {
			origins.Add(o.maskbit)
		}
	}
	if !origins.Equal(p.origins) {
		p.origins = origins
		q.events = append(q.events, mesh.Event{Kind: mesh.EventOrigins, Router: n.maskbit, ID: n.id, Origins: origins})
	}
	for _, key := range sortedKeys(n.addresses) {
		if _, known := p.addresses[key]; !known {
			p.addresses[key] = mesh.Event{}
			q.events = append(q.events, mesh.Event{Kind: mesh.EventAddressUp, Router: n.maskbit, ID: n.id, Key: key})
		}
	}
	for _, key := range sortedKeys(p.addresses) {
		if !n.addresses[key] {
			delete(p.addresses, key)
			q.events = append(q.events, mesh.Event{Kind: mesh.EventAddressDown, Router: n.maskbit, ID: n.id, Key: key})
		}
	}
}

func (q *interconnect) hide(n *qdNode) {
	p := &n.published
	if p.reached {
		p.reached, p.origins = false, nil
		q.events = append(q.events, mesh.Event{Kind: mesh.EventPathDown, Router: n.maskbit, ID: n.id})
	}
	for _, key := range sortedKeys(p.addresses) {
		q.events = append(q.events, mesh.Event{Kind: mesh.EventAddressDown, Router: n.maskbit, ID: n.id, Key: key})
	}
	clear(p.addresses)
}

func (q *interconnect) unpublish(n *qdNode) {
	if n.published.id != "" {
		q.hide(n)
		q.events = append(q.events, mesh.Event{Kind: mesh.EventRouterDown, Router: n.maskbit, ID: n.id})
	}
}
