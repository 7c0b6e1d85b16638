package router

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/mesh/planner"
	"github.com/postroad/postroad/router/transport"
)

// planned keeps the links that the planner makes of the members. Its loop is the only one that computes plans and starts
// and ends planned links.
//
// A link is made when it is planned, this router dials, and there is none with that router yet. It ends
//
//   - when it is not up and not planned any more;
//   - when another one with the same router is up: a configured one, or that of the other router, which dials now;
//   - when it is not planned any more, gossip knows the other router, and all planned links of both are up.
//
// A link that is up with a router of which gossip knows nothing, or that it takes for lost, is kept.
type planned struct {
	gossip  *gossip
	policy  planner.Policy
	costs   planner.Costs
	changed chan struct{} // capacity 1: there is a new snapshot

	// the loop's
	seen    *membership.Snapshot // which plan was made of
	plan    *planner.Plan
	allowed float64 // links that may be begun now
	refill  time.Time

	mu     sync.Mutex // a leaf; the loop writes
	links  map[string]*plannedLink
	wanted map[string]planner.Connector // planned links of this router, whoever dials
}

// Bounds of what gossip can make a router do.
const (
	plannedMost  = 2048 // links that this router dials
	plannedRate  = 16.0 // begun in a second
	plannedBurst = 64.0
	plannedTick  = 250 * time.Millisecond // between two looks at the links
	keyTicks     = 4                      // between two looks at the file of the keys
)

// poke tells the loop that there is a new snapshot. It does not wait.
func (p *planned) poke() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// loop plans until the router stops.
func (p *planned) loop() {
	ticker := time.NewTicker(plannedTick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		p.step(time.Now())
		if n%keyTicks == 0 {
			p.gossip.watchKeys()
		}
		select {
		case <-p.gossip.host.ctx.Done():
			return
		case <-p.changed:
		case <-ticker.C:
		}
	}
}

// step plans for the newest snapshot.
func (p *planned) step(now time.Time) {
	snapshot := p.gossip.snapshot()
	p.replan(snapshot)
	p.reconcile(snapshot, now)
}

// reconcile compares the plan with what there is, and begins and ends links.
func (p *planned) reconcile(snapshot *membership.Snapshot, now time.Time) {
	h := p.gossip.host
	near := p.gossip.mesh.neighborhood()
	p.remember(near)
	for _, peer := range slices.Sorted(maps.Keys(p.links)) {
		l := p.links[peer]
		if why := p.surplus(l, snapshot, near); why != "" {
			h.log(logging.Router).Infof("Planned link to router %s ends: %s", peer, why)
			l.stop(why)
			p.mu.Lock()
			delete(p.links, peer)
			p.mu.Unlock()
		}
	}
	p.allowed = min(p.allowed+now.Sub(p.refill).Seconds()*plannedRate, plannedBurst)
	p.refill = now
	for _, peer := range slices.Sorted(maps.Keys(p.wanted)) {
		want := p.wanted[peer]
		member, known := snapshot.Find(peer)
		if l := p.links[peer]; l != nil {
			l.set(member, want.Cost)
			continue
		}
		if !want.Dial || !known || len(near.with[peer]) > 0 || h.draining.Load() || len(p.links) >= plannedMost {
			continue
		}
		if p.allowed < 1 {
			return // at the next look
		}
		p.allowed--
		p.begin(member, want.Cost)
	}
}

// replan computes the plan of a snapshot, unless it has been.
func (p *planned) replan(snapshot *membership.Snapshot) {
	if snapshot == p.seen && p.plan != nil {
		return
	}
	var members []planner.Member
	for _, m := range snapshot.Present() {
		if m.Role == membership.RoleInterior {
			members = append(members, planner.Member{ID: m.ID, Site: m.Site, Reachable: dialable(m)})
		}
	}
	plan, err := planner.New(members, p.policy)
	if err != nil {
		p.gossip.host.log(logging.Router).Errorf("Gossip: no links are planned: %v", err)
		return
	}
	wanted := make(map[string]planner.Connector)
	for _, c := range plan.Connectors(p.gossip.host.plane.id, planner.Local{Costs: p.costs}) {
		wanted[c.Peer] = c
	}
	p.seen, p.plan = snapshot, plan
	p.mu.Lock()
	p.wanted = wanted
	p.mu.Unlock()
}

// dialable tells whether a member accepts connections for AMQP.
func dialable(m membership.Member) bool {
	return slices.ContainsFunc(m.Endpoints, func(e membership.Endpoint) bool {
		return e.Transport == config.WayAMQPS || e.Transport == config.WayQUIC || e.Transport == config.WayAMQP
	})
}

// adjacency is a connection with a neighbor.
type adjacency struct {
	connector *connector // of this router, nil for one that was accepted
	planned   bool       // by either router, and not configured
	up        bool
}

// neighborhood is what the mesh says of links at one moment.
type neighborhood struct {
	with map[string][]adjacency // by router id
}

// up tells whether there is a link that is up.
func (n *neighborhood) up(peer string) bool {
	return slices.ContainsFunc(n.with[peer], func(a adjacency) bool { return a.up })
}

// Mesh is what the planning of links goes by besides gossip.
type Mesh interface {
	// neighborhood looks at the links.
	neighborhood() *neighborhood
	// neighborsOf are the routers that another one says it has for neighbors.
	neighborsOf(id string) map[string]bool
}

// remember notes which planned links are up, for the log.
func (p *planned) remember(near *neighborhood) {
	for peer, l := range p.links {
		up := slices.ContainsFunc(near.with[peer], func(a adjacency) bool { return a.up && a.connector == l.connector })
		p.mu.Lock()
		l.up = up
		p.mu.Unlock()
	}
}

// surplus tells why a link is to end, "" if it is not.
func (p *planned) surplus(l *plannedLink, snapshot *membership.Snapshot, near *neighborhood) string {
	want, wanted := p.wanted[l.peer]
	wanted = wanted && want.Dial
	for _, a := range near.with[l.peer] {
		if a.connector != l.connector && a.up && (!a.planned || !wanted) {
			return "there is another one"
		}
	}
	switch m, known := snapshot.Find(l.peer); {
	case wanted:
		return ""
	case !l.up:
		return "it is not planned any more"
	case !known || m.Lost:
		return "" // who gossip does not know may live
	}
	if _, planned := p.wanted[l.peer]; planned { // the other router will dial
		return ""
	}
	for peer := range p.wanted {
		if !near.up(peer) {
			return ""
		}
	}
	theirs := p.gossip.mesh.neighborsOf(l.peer)
	for _, other := range p.plan.Neighbors(l.peer) {
		peer := other.A
		if peer == l.peer {
			peer = other.B
		}
		if !theirs[peer] {
			return ""
		}
	}
	return "others have taken its place"
}

// begin starts a planned link.
func (p *planned) begin(m membership.Member, cost int) {
	h := p.gossip.host
	l := &plannedLink{gossip: p.gossip, peer: m.ID, connector: &connector{host: h, status: "CONNECTING"}}
	l.connector.guide = l
	l.connector.ctx, l.cancel = context.WithCancel(h.ctx)
	l.set(m, cost)
	p.mu.Lock()
	p.links[m.ID] = l
	p.mu.Unlock()
	h.log(logging.Router).Infof("Planned link to router %s begins, with cost %d", m.ID, cost)
	h.serving.Go(l.connector.serve)
}

// plannedLink is a link that this router dials since it is planned.
type plannedLink struct {
	gossip    *gossip
	peer      string
	connector *connector
	cancel    context.CancelFunc
	up        bool // guarded by planned.mu

	mu        sync.Mutex // a leaf
	endpoints []membership.Endpoint
	cost      int
}

// set says where the other router is, and what the link costs from the next connection on.
func (l *plannedLink) set(m membership.Member, cost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(m.Endpoints) > 0 {
		l.endpoints = m.Endpoints
	}
	l.cost = cost
}

// stop ends the link, when what is under way on it has arrived. It does not wait for that.
func (l *plannedLink) stop(why string) {
	l.cancel()
	h := l.gossip.host
	for _, c := range h.conns() {
		if c.connector == l.connector {
			h.serving.Go(func() { h.fade(c.e, why) })
		}
	}
}

// fadeTime is how long messages that are under way on a planned link get when it ends.
const fadeTime = 10 * time.Second

// fade ends a connection with a neighbor so that nothing is lost or handed back. Without its control links it is no
// adjacency any more for either router: both send on other ways, while its data links bring to an end what they have.
func (h *host) fade(c *Endpoint, why string) {
	ctx, cancel := context.WithTimeout(h.ctx, fadeTime)
	defer cancel()
	c.leaveMesh()
	began := time.Now()
	_ = await(ctx, func() error { return c.busy(time.Now(), began) }) // what is left then is failed
	c.close(&wire.Error{Condition: wire.ErrConnectionForced, Description: "the link is not planned: " + why})
}

// aim makes what the next connection is to be made with.
func (l *plannedLink) aim(c *connector) error {
	cfg := config.NewConnector()
	cfg.Name, cfg.Role = "planned-to-"+l.peer, config.RoleInterRouter
	cfg.SSLProfile = l.gossip.cfg.SSLProfile
	cfg.VerifyHostname = false // the certificate is for the id of the router
	l.mu.Lock()
	cfg.Cost = l.cost
	if len(l.endpoints) > 0 {
		cfg.Host, cfg.Port = l.endpoints[0].Host, strconv.Itoa(int(l.endpoints[0].Port))
	}
	l.mu.Unlock()
	made, err := l.gossip.host.newConnector(&cfg)
	if err != nil {
		return err
	}
	made.settings.peer, made.settings.planned = l.peer, true
	made.settings.measured = l.gossip.planned.costs.Basis == planner.CostRTT
	c.cfg, c.settings, c.profile = &cfg, made.settings, made.profile
	return nil
}

// dial connects to that of the other router's endpoints which answers first, and checks that it is there.
func (l *plannedLink) dial(ctx context.Context) (transport.Conn, error) {
	g := l.gossip
	ways := []string{config.WayAMQP}
	if g.profile != nil {
		ways = []string{config.WayAMQPS, config.WayQUIC}
	}
	l.mu.Lock()
	endpoints := g.only(l.endpoints, ways...)
	l.mu.Unlock()
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("router %s has no endpoint of %s", l.peer, strings.Join(ways, " or "))
	}
	type reached struct {
		nc transport.Conn
		at membership.Endpoint
	}
	to, err := membership.DialFirst(ctx, endpoints, func(ctx context.Context, e membership.Endpoint) (reached, error) {
		nc, err := g.connect(ctx, e)
		if err == nil {
			if err = g.certified(nc.TLS(), l.peer); err != nil {
				_ = nc.Abort()
			}
		}
		return reached{nc, e}, err
	}, func(r reached) { _ = r.nc.Abort() })
	if err != nil {
		return nil, err
	}
	c := l.connector
	c.cfg.Host, c.cfg.Port = to.at.Host, strconv.Itoa(int(to.at.Port))
	if to.at.Transport == config.WayQUIC {
		c.cfg.Transport = config.TransportQUIC
	}
	c.settings.host = to.at.Host
	return to.nc, nil
}

// remotePlanned tells whether the router that has dialed says that its link is planned, and not configured.
func remotePlanned(open *wire.Open) bool { return remoteSays(open, plannedProperty) }

// remoteSays tells whether a property of an open is true.
func remoteSays(open *wire.Open, property string) bool {
	if open == nil || open.Properties == nil {
		return false
	}
	v, _, err := wire.DecodeValue(open.Properties)
	m, ok := v.(wire.Map)
	if err != nil || !ok {
		return false
	}
	value, _ := m.Get(property)
	said, _ := value.(bool)
	return said
}

// What an open between routers says: that the link is planned by whoever has dialed, and that its cost is to follow from
// the round-trip time, at both ends.
const (
	plannedProperty  = "postroad.planned"
	measuredProperty = "postroad.measured"
)
