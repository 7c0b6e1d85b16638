package router

import (
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/mesh"
)

func (s *linkStats) outcomes() metrics.Outcomes {
	return metrics.Outcomes{Deliveries: s.deliveries, Octets: s.octets, Accepted: s.accepted, Rejected: s.rejected,
		Released: s.released, Modified: s.modified, Presettled: s.presettled, None: s.none}
}

func (t *counts) deliveries() metrics.Deliveries {
	return metrics.Deliveries{Ingress: t.in.outcomes(), Egress: t.out.outcomes(), Transit: t.toRouters.outcomes(),
		DroppedPresettled: t.dropped(), Redirected: t.in.redirected + t.fromRouters.redirected,
		ToSelf: t.toSelf, FromSelf: t.fromSelf}
}

func directionName(outgoing bool) string {
	if outgoing {
		return "out"
	}
	return "in"
}

// Snapshot implements [metrics.Source].
func (r *Router) Snapshot() metrics.Snapshot {
	s := metrics.Snapshot{ID: r.plane.id, Mode: string(r.mode), Version: r.version}
	sum := r.sum(true)
	for at, n := range sum.connections {
		at.Count = n
		s.Connections = append(s.Connections, at)
	}
	for f, n := range sum.failed {
		s.ConnectionsFailed = append(s.ConnectionsFailed, metrics.Failures{Role: f.role.String(),
			Direction: directionName(f.dialed), Reason: f.reason, Count: n})
	}
	if n := r.plane.overload.refused.Load(); n > 0 {
		s.ConnectionsFailed = append(s.ConnectionsFailed, metrics.Failures{Role: RoleNormal.String(),
			Direction: directionName(false), Reason: failedOverload, Count: n})
	}
	s.ConnectionPanics = r.plane.panics.Load()
	s.OpenHandles, s.Sessions = sum.handles, sum.sessions
	s.UnsettledIn, s.UnsettledOut = sum.unsettled[0], sum.unsettled[1]
	s.Links = sum.linkCounts()
	for role, held := range sum.held {
		s.Held = append(s.Held, metrics.Held{Role: Role(role).String(), Octets: held})
	}
	s.HeldBudget, s.Overload = r.plane.overload.budget, int(r.plane.overload.level.Load())
	s.Waiting = sum.waiting
	t := &sum.totals
	s.Deliveries = t.deliveries()
	all := t.incoming()
	s.Delayed1s, s.Delayed10s = all.delayed1, all.delayed10
	s.DelayedOut1s, s.DelayedOut10s = t.out.delayed1+t.toRouters.delayed1, t.out.delayed10+t.toRouters.delayed10
	s.AcceptedTotal, s.RejectedTotal, s.ReleasedTotal = all.accepted, all.rejected, all.released
	s.ModifiedTotal, s.PresettledTotal = all.modified, t.in.presettled
	s.IngressRouteContainer, s.EgressRouteContainer = t.brokersIn, t.brokersOut
	s.RerouteHeld, s.Expired, s.Duplicates = all.held, all.expired, all.duplicates
	s.BuffersInFlight, s.BytesInFlight = int(buf.Outstanding()), int(buf.OutstandingOctets())
	r.snapshotAddresses(&s, sum.addresses)
	r.snapshotMesh(&s)
	return s
}

// linkCounts joins the kinds of links that have one name.
func (s *sheet) linkCounts() []metrics.Links {
	var list []metrics.Links
	for kind := range linkKinds {
		for direction := range 2 {
			n, name := &s.links[kind][direction], linkKind(kind).String()
			at := len(list) - 2
			if kind == 0 || at < 0 || list[at].Type != name {
				at = len(list)
				list = append(list, metrics.Links{Type: name, Direction: directionName(direction == 1)})
			}
			l := &list[at]
			l.Count += n.links
			l.Credit += n.credit
			l.Blocked += n.blocked
			l.Stuck += n.stuck
			l.Queued += n.queued
		}
	}
	return list
}

func (r *Router) snapshotAddresses(s *metrics.Snapshot, sums map[*address]*counts) {
	k := r.control
	k.mu.Lock()
	s.ConnectionsOpened = k.totals.opened
	s.Attaches, s.AttachesRefused = k.totals.attaches, k.totals.refused
	s.AddressesKnown = len(r.plane.table.byKey)
	for _, a := range r.plane.table.byKey {
		if len(a.locals) > 0 && a.announced {
			s.MobileLocal++
		}
		if len(a.remotes) > 0 && a.key[0] == 'M' {
			s.MobileRemote++
		}
	}
	k.mu.Unlock()
	byName := make(map[string]*counts, len(sums))
	for a, t := range sums {
		if a.key[0] == 'R' || a.gone.Load() {
			continue
		}
		if sum := byName[a.text]; sum != nil { // a local and a mobile address of one name, or phases of one
			sum.merge(t)
		} else {
			byName[a.text] = t
		}
	}
	s.Addresses = make([]metrics.Address, 0, len(byName))
	for name, t := range byName {
		s.Addresses = append(s.Addresses, metrics.Address{Name: name, Deliveries: t.deliveries()})
	}
}

func (r *Router) snapshotMesh(s *metrics.Snapshot) {
	k := r.control
	if k.mesh == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	m := &s.Mesh
	size := k.mesh.Size()
	m.Routers, m.Reachable = size.Routers, size.Reachable
	m.LinkStates, m.Edges, m.Addresses = size.LinkStates, size.Edges, size.Addresses
	at := make(map[string]int) // several links to one neighbor are one adjacency
	for _, l := range k.mesh.Links() {
		i, known := at[l.Router]
		switch {
		case l.Router == "":
		case !known:
			at[l.Router] = len(m.Neighbors)
			m.Neighbors = append(m.Neighbors, metrics.Neighbor{ID: l.Router, Cost: l.Cost, Up: l.Up, RTT: l.RTT})
		case l.Active:
			m.Neighbors[i] = metrics.Neighbor{ID: l.Router, Cost: l.Cost, Up: l.Up, RTT: l.RTT}
		}
	}
	n := k.mesh.Counters()
	m.PathComputations = n.PathComputations
	m.PathTime = metrics.Histogram{Bounds: mesh.PathTimeBounds[:], Counts: n.PathTime.Counts[:], Sum: n.PathTime.Sum}
	m.LastTopologyChange = k.mesh.LastTopologyChange()
	m.Gossip = r.gossip.measure(k)
	m.Forwarded = n.Forwarded
	for reason, count := range n.Dropped {
		m.Dropped = append(m.Dropped, metrics.Dropped{Reason: mesh.DropReason(reason).String(), Count: count})
	}
	for o := mesh.OpcodeHello; o <= mesh.OpcodeMAU; o++ {
		m.ControlMessages = append(m.ControlMessages,
			metrics.ControlMessages{Opcode: o.String(), Direction: "in", Count: n.Received[o]},
			metrics.ControlMessages{Opcode: o.String(), Direction: "out", Count: n.Sent[o]})
	}
}
