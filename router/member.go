package router

import (
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/internal/metrics"
)

// rows are the members as management shows them.
func (g *gossip) rows() (list []management.Member) {
	s := g.snapshot()
	if s == nil {
		return nil
	}
	near := g.mesh.neighborhood()
	wanted := g.planned.peers()
	for _, m := range s.Members {
		row := management.Member{
			ID: m.ID, Site: m.Site, Role: m.Role.String(), Relays: m.Relays, Lost: m.Lost, Since: m.Since.Unix(),
			Instance: m.Instance, Self: m.ID == g.host.plane.id, Planned: wanted[m.ID], Linked: near.up(m.ID),
		}
		for _, e := range m.Endpoints {
			row.Endpoints = append(row.Endpoints, e.String())
		}
		list = append(list, row)
	}
	return list
}

// peers returns the routers with which this one has planned links.
func (p *planned) peers() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	peers := make(map[string]bool, len(p.wanted))
	for id := range p.wanted {
		peers[id] = true
	}
	return peers
}

// measure counts for metrics; nil without gossip. The lock of the control loop is held.
func (g *gossip) measure(k *control) *metrics.Gossip {
	s := g.snapshot()
	if s == nil {
		return nil
	}
	c := g.members.Counters()
	out := &metrics.Gossip{Members: len(s.Present()), Refused: g.refusals(), PacketsIn: c.PacketsIn,
		PacketsOut: c.PacketsOut, DroppedPackets: c.DroppedIn + c.DroppedOut}
	out.Lost = len(s.Members) - out.Members
	wanted := g.planned.peers()
	out.PlannedLinks = len(wanted)
	for _, l := range k.mesh.Links() {
		if l.Up && wanted[l.Router] {
			delete(wanted, l.Router)
			out.PlannedUp++
		}
	}
	return out
}
