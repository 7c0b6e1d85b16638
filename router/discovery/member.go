package discovery

import (
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/mesh"
)

// Rows returns the members as management shows them; none before Start.
func (g *Gossip) Rows() (list []management.Member) {
	s := g.Snapshot()
	if s == nil {
		return nil
	}
	near := g.mesh.Neighborhood()
	wanted := g.Planned.Peers()
	for _, m := range s.Members {
		row := management.Member{
			ID: m.ID, Site: m.Site, Role: m.Role.String(), Relays: m.Relays, Lost: m.Lost, Since: m.Since.Unix(),
			Instance: m.Instance, Self: m.ID == g.Host.Plane.ID, Planned: wanted[m.ID], Linked: near.Up(m.ID),
		}
		for _, e := range m.Endpoints {
			row.Endpoints = append(row.Endpoints, e.String())
		}
		list = append(list, row)
	}
	return list
}

// Peers returns the ids of the routers with which this one has planned links, whoever dials.
func (p *planned) Peers() map[string]bool {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	peers := make(map[string]bool, len(p.Wanted))
	for id := range p.Wanted {
		peers[id] = true
	}
	return peers
}

// Measure returns counters for metrics; nil before Start. links are those to neighbors.
func (g *Gossip) Measure(links []mesh.LinkStatus) *metrics.Gossip {
	s := g.Snapshot()
	if s == nil {
		return nil
	}
	c := g.Members.Counters()
	out := &metrics.Gossip{Members: len(s.Present()), Refused: g.refusals(), PacketsIn: c.PacketsIn,
		PacketsOut: c.PacketsOut, DroppedPackets: c.DroppedIn + c.DroppedOut}
	out.Lost = len(s.Members) - out.Members
	wanted := g.Planned.Peers()
	out.PlannedLinks = len(wanted)
	for _, l := range links {
		if l.Up && wanted[l.Router] {
			delete(wanted, l.Router)
			out.PlannedUp++
		}
	}
	return out
}
