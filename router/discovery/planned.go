package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/mesh/planner"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/transport"
)

// planned keeps the links that follow from the members. Its loop alone computes plans, and begins and ends planned
// links.
//
// A link begins when it is planned, this router dials, and there is no link with that router yet. It ends
//
//   - when it is not up and not planned any more;
//   - when another one with the same router is up: a configured one, or that of the other router, which dials now;
//   - when it is not planned any more, gossip knows the other router, and all planned links of both are up.
//
// A link that is up is kept when gossip does not know the other router, or takes it for lost.
type planned struct {
	gossip  *Gossip
	Policy  planner.Policy
	costs   planner.Costs
	changed chan struct{} // capacity 1: there is a new snapshot

	// the loop's
	seen    *membership.Snapshot // of which plan was made
	plan    *planner.Plan
	allowed float64   // number of links that may begin now
	refill  time.Time // when allowed was last raised

	Mu     sync.Mutex                   // a leaf; only the loop writes what follows
	Links  map[string]*PlannedLink      // that this router dials, by the id of the other router
	Wanted map[string]planner.Connector // planned links of this router, whoever dials
}

// Bounds of what gossip can make a router do.
const (
	plannedMost  = 2048                   // links that this router dials
	PlannedRate  = 16.0                   // links that begin in a second
	PlannedBurst = 64.0                   // links that begin at once, after a quiet time
	plannedTick  = 250 * time.Millisecond // between two looks at the links
	keyTicks     = 4                      // ticks between two looks at the file of the keys
)

// Poke tells the loop that there is a new snapshot. It does not wait.
func (p *planned) Poke() {
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
		case <-p.gossip.Host.Ctx.Done():
			return
		case <-p.changed:
		case <-ticker.C:
		}
	}
}

// step plans for the newest snapshot, and begins and ends links.
func (p *planned) step(now time.Time) {
	snapshot := p.gossip.Snapshot()
	p.Replan(snapshot)
	p.Reconcile(snapshot, now)
}

// Reconcile compares the plan with the links that there are, and begins and ends links. Only the loop, or a test
// without one, calls it.
func (p *planned) Reconcile(snapshot *membership.Snapshot, now time.Time) {
	h := p.gossip.Host
	near := p.gossip.mesh.Neighborhood()
	p.remember(near)
	for _, peer := range slices.Sorted(maps.Keys(p.Links)) {
		l := p.Links[peer]
		if why := p.surplus(l, snapshot, near); why != "" {
			h.Log(logging.Router).Infof("Planned link to router %s ends: %s", peer, why)
			l.stop(why)
			p.Mu.Lock()
			delete(p.Links, peer)
			p.Mu.Unlock()
		}
	}
	p.allowed = min(p.allowed+now.Sub(p.refill).Seconds()*PlannedRate, PlannedBurst)
	p.refill = now
	for _, peer := range slices.Sorted(maps.Keys(p.Wanted)) {
		want := p.Wanted[peer]
		member, known := snapshot.Find(peer)
		if l := p.Links[peer]; l != nil {
			l.Set(member, want.Cost)
			continue
		}
		if !want.Dial || !known || len(near.With[peer]) > 0 || h.Draining.Load() || len(p.Links) >= plannedMost {
			continue
		}
		if p.allowed < 1 {
			return // at the next look
		}
		p.allowed--
		p.begin(member, want.Cost)
	}
}

// Replan computes the plan of a snapshot, unless the last plan was made of it. Only the loop, or a test without one,
// calls it.
func (p *planned) Replan(snapshot *membership.Snapshot) {
	if snapshot == p.seen && p.plan != nil {
		return
	}
	var members []planner.Member
	for _, m := range snapshot.Present() {
		if m.Role == membership.RoleInterior {
			members = append(members, planner.Member{ID: m.ID, Site: m.Site, Reachable: dialable(m)})
		}
	}
	plan, err := planner.New(members, p.Policy)
	if err != nil {
		p.gossip.Host.Log(logging.Router).Errorf("Gossip: no links are planned: %v", err)
		return
	}
	wanted := make(map[string]planner.Connector)
	for _, c := range plan.Connectors(p.gossip.Host.Plane.ID, planner.Local{Costs: p.costs}) {
		wanted[c.Peer] = c
	}
	p.seen, p.plan = snapshot, plan
	p.Mu.Lock()
	p.Wanted = wanted
	p.Mu.Unlock()
}

// dialable reports whether a member accepts connections for AMQP.
func dialable(m membership.Member) bool {
	return slices.ContainsFunc(m.Endpoints, func(e membership.Endpoint) bool {
		return e.Transport == config.WayAMQPS || e.Transport == config.WayQUIC || e.Transport == config.WayAMQP
	})
}

// remember stores which planned links are up.
func (p *planned) remember(near *Neighborhood) {
	for peer, l := range p.Links {
		up := slices.ContainsFunc(near.With[peer], func(a Adjacency) bool { return a.Up && a.Connector == l.Connector })
		p.Mu.Lock()
		l.up = up
		p.Mu.Unlock()
	}
}

// surplus returns why a link is to end, "" if it is to stay.
func (p *planned) surplus(l *PlannedLink, snapshot *membership.Snapshot, near *Neighborhood) string {
	want, wanted := p.Wanted[l.Peer]
	wanted = wanted && want.Dial
	for _, a := range near.With[l.Peer] {
		if a.Connector != l.Connector && a.Up && (!a.Planned || !wanted) {
			return "there is another one"
		}
	}
	switch m, known := snapshot.Find(l.Peer); {
	case wanted:
		return ""
	case !l.up:
		return "it is not planned any more"
	case !known || m.Lost:
		return "" // a router that gossip does not know may live
	}
	if _, planned := p.Wanted[l.Peer]; planned { // the other router will dial
		return ""
	}
	for peer := range p.Wanted {
		if !near.Up(peer) {
			return ""
		}
	}
	theirs := p.gossip.mesh.NeighborsOf(l.Peer)
	for _, other := range p.plan.Neighbors(l.Peer) {
		peer := other.A
		if peer == l.Peer {
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
	h := p.gossip.Host
	l := &PlannedLink{Gossip: p.gossip, Peer: m.ID, Connector: &conn.Connector{Host: h, Status: "CONNECTING"}}
	l.Connector.Guide = l
	l.Connector.Ctx, l.cancel = context.WithCancel(h.Ctx)
	l.Set(m, cost)
	p.Mu.Lock()
	p.Links[m.ID] = l
	p.Mu.Unlock()
	h.Log(logging.Router).Infof("Planned link to router %s begins, with cost %d", m.ID, cost)
	h.Serving.Go(l.Connector.Serve)
}

// PlannedLink is a link that this router dials because it is planned. It is the guide of its connector.
type PlannedLink struct {
	Gossip    *Gossip
	Peer      string // id of the other router
	Connector *conn.Connector
	cancel    context.CancelFunc
	up        bool // guarded by planned.Mu

	mu        sync.Mutex // a leaf
	endpoints []membership.Endpoint
	cost      int
}

// Set says where the other router can be dialed, and what the link costs. Both count from the next connection on. A
// member without endpoints leaves the former ones. It is safe for concurrent use.
func (l *PlannedLink) Set(m membership.Member, cost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(m.Endpoints) > 0 {
		l.endpoints = m.Endpoints
	}
	l.cost = cost
}

// stop ends the link when what is under way on it has arrived. It does not wait. The other router hears why.
func (l *PlannedLink) stop(why string) {
	l.cancel()
	h := l.Gossip.Host
	for _, c := range h.Conns() {
		if c.Connector == l.Connector {
			h.Serving.Go(func() { h.Fade(c.E, why) })
		}
	}
}

// Aim sets what the next connection is made with. The connector calls it.
func (l *PlannedLink) Aim(c *conn.Connector) error {
	cfg := config.NewConnector()
	cfg.Name, cfg.Role = "planned-to-"+l.Peer, config.RoleInterRouter
	cfg.SSLProfile = l.Gossip.Entity.SSLProfile
	cfg.VerifyHostname = false // the certificate is for the id of the router
	l.mu.Lock()
	cfg.Cost = l.cost
	if len(l.endpoints) > 0 {
		cfg.Host, cfg.Port = l.endpoints[0].Host, strconv.Itoa(int(l.endpoints[0].Port))
	}
	l.mu.Unlock()
	made, err := l.Gossip.Host.NewConnector(&cfg)
	if err != nil {
		return err
	}
	made.Settings.Peer, made.Settings.Planned = l.Peer, true
	made.Settings.Measured = l.Gossip.Planned.costs.Basis == planner.CostRTT
	c.Entity, c.Settings, c.Profile = &cfg, made.Settings, made.Profile
	return nil
}

// Dial connects to the endpoint of the other router that answers first, and checks the certificate there. The connector
// calls it.
func (l *PlannedLink) Dial(ctx context.Context) (transport.Conn, error) {
	g := l.Gossip
	ways := []string{config.WayAMQP}
	if g.Profile != nil {
		ways = []string{config.WayAMQPS, config.WayQUIC}
	}
	l.mu.Lock()
	endpoints := g.only(l.endpoints, ways...)
	l.mu.Unlock()
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("router %s has no endpoint of %s", l.Peer, strings.Join(ways, " or "))
	}
	type reached struct {
		nc transport.Conn
		at membership.Endpoint
	}
	to, err := membership.DialFirst(ctx, endpoints, func(ctx context.Context, e membership.Endpoint) (reached, error) {
		nc, err := g.connect(ctx, e)
		if err == nil {
			if err = g.certified(nc.TLS(), l.Peer); err != nil {
				_ = nc.Abort()
			}
		}
		return reached{nc, e}, err
	}, func(r reached) { _ = r.nc.Abort() })
	if err != nil {
		return nil, err
	}
	c := l.Connector
	c.Entity.Host, c.Entity.Port = to.at.Host, strconv.Itoa(int(to.at.Port))
	if to.at.Transport == config.WayQUIC {
		c.Entity.Transport = config.TransportQUIC
	}
	c.Settings.Host = to.at.Host
	return to.nc, nil
}
