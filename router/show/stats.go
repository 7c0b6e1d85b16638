package show

import (
	"maps"
	"slices"

	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/metrics"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/books"
	"github.com/postroad/postroad/router/forwarding"
)

// outcomesOf returns the counters of links as metrics have them.
func outcomesOf(s *books.Stats) metrics.Outcomes {
	return metrics.Outcomes{Deliveries: s.Deliveries, Octets: s.Octets, Accepted: s.Accepted, Rejected: s.Rejected,
		Released: s.Released, Modified: s.Modified, Presettled: s.Presettled, None: s.None}
}

// deliveriesOf returns sums of counters as metrics have them.
func deliveriesOf(t *books.Counts) metrics.Deliveries {
	return metrics.Deliveries{Ingress: outcomesOf(&t.In), Egress: outcomesOf(&t.Out), Transit: outcomesOf(&t.ToRouters),
		DroppedPresettled: t.Dropped(), Redirected: t.In.Redirected + t.FromRouters.Redirected,
		ToSelf: t.ToSelf, FromSelf: t.FromSelf}
}

// directionName returns the label of a direction.
func directionName(outgoing bool) string {
	if outgoing {
		return "out"
	}
	return "in"
}

// Snapshot implements [metrics.Source].
func (v *View) Snapshot() metrics.Snapshot {
	s := metrics.Snapshot{ID: v.Plane.ID, Mode: string(v.Mode), Version: v.Version}
	sum := v.Sum(true)
	for at, n := range sum.connections {
		at.Count = n
		s.Connections = append(s.Connections, at)
	}
	for f, n := range sum.Failed {
		s.ConnectionsFailed = append(s.ConnectionsFailed, metrics.Failures{Role: f.Role,
			Direction: directionName(f.Dialed), Reason: f.Reason, Count: n})
	}
	if n := v.Plane.Overload.Refused.Load(); n > 0 {
		s.ConnectionsFailed = append(s.ConnectionsFailed, metrics.Failures{Role: forwarding.RoleNormal.String(),
			Direction: directionName(false), Reason: books.FailedOverload, Count: n})
	}
	s.ConnectionPanics = v.Plane.Panics.Load()
	s.OpenHandles, s.Sessions = sum.handles, sum.sessions
	s.UnsettledIn, s.UnsettledOut = sum.unsettled[0], sum.unsettled[1]
	s.Links = sum.linkCounts()
	for role, held := range sum.held {
		s.Held = append(s.Held, metrics.Held{Role: forwarding.Role(role).String(), Octets: held})
	}
	s.HeldBudget, s.Overload = v.Plane.Overload.Budget, int(v.Plane.Overload.Level.Load())
	s.Waiting = sum.waiting
	t := &sum.Totals
	s.Deliveries = deliveriesOf(t)
	all := t.Incoming()
	s.Delayed1s, s.Delayed10s = all.Delayed1, all.Delayed10
	s.DelayedOut1s, s.DelayedOut10s = t.Out.Delayed1+t.ToRouters.Delayed1, t.Out.Delayed10+t.ToRouters.Delayed10
	s.AcceptedTotal, s.RejectedTotal, s.ReleasedTotal = all.Accepted, all.Rejected, all.Released
	s.ModifiedTotal, s.PresettledTotal = all.Modified, t.In.Presettled
	s.IngressRouteContainer, s.EgressRouteContainer = t.BrokersIn, t.BrokersOut
	s.RerouteHeld, s.Expired, s.Duplicates = all.Held, all.Expired, all.Duplicates
	s.BuffersInFlight, s.BytesInFlight = int(buf.Outstanding()), int(buf.OutstandingOctets())
	v.snapshotAddresses(&s, sum.addresses)
	v.snapshotMesh(&s)
	return s
}

// linkCounts returns the numbers of links for metrics. Kinds of links that have the same name are one.
func (s *sheet) linkCounts() []metrics.Links {
	var list []metrics.Links
	for kind := range linkKinds {
		for direction := range 2 {
			n, name := &s.Links[kind][direction], forwarding.LinkKind(kind).String()
			at := len(list) - 2
			if kind == 0 || at < 0 || list[at].Type != name {
				at = len(list)
				list = append(list, metrics.Links{Type: name, Direction: directionName(direction == 1)})
			}
			l := &list[at]
			l.Count += n.links
			l.Credit += n.credit
			l.Blocked += n.Blocked
			l.Stuck += n.stuck
			l.Queued += n.queued
		}
	}
	return list
}

// snapshotAddresses adds what is known of addresses.
func (v *View) snapshotAddresses(s *metrics.Snapshot, sums map[*books.Tally]*books.Counts) {
	k := v.Control
	k.Mu.Lock()
	s.ConnectionsOpened = k.Totals.Opened
	s.Attaches, s.AttachesRefused = k.Totals.Attaches, k.Totals.Refused
	s.AddressesKnown = len(k.Addresses)
	for _, a := range k.Addresses {
		if len(a.Locals) > 0 && a.Announced {
			s.MobileLocal++
		}
		if len(a.Remotes) > 0 && a.Key[0] == 'M' {
			s.MobileRemote++
		}
	}
	known := slices.Collect(maps.Values(k.Addresses))
	k.Mu.Unlock()
	byName := make(map[string]*books.Counts, len(sums))
	for _, a := range known {
		t := sums[&a.Tally]
		if t == nil || a.Key[0] == 'R' || a.Gone.Load() {
			continue
		}
		if sum := byName[a.Text]; sum != nil { // a local and a mobile address of one name, or phases of one address
			sum.Merge(t)
		} else {
			sum := *t // what is shown now is kept
			byName[a.Text] = &sum
		}
	}
	s.Addresses = make([]metrics.Address, 0, len(byName))
	for name, t := range byName {
		s.Addresses = append(s.Addresses, metrics.Address{Name: name, Deliveries: deliveriesOf(t)})
	}
}

// snapshotMesh adds what is known of the mesh, and of gossip.
func (v *View) snapshotMesh(s *metrics.Snapshot) {
	k := v.Control
	if k.Mesh == nil {
		return
	}
	k.Mu.Lock()
	defer k.Mu.Unlock()
	m := &s.Mesh
	size := k.Mesh.Size()
	m.Routers, m.Reachable = size.Routers, size.Reachable
	m.LinkStates, m.Edges, m.Addresses = size.LinkStates, size.Edges, size.Addresses
	at := make(map[string]int) // several links to one neighbor are one adjacency
	for _, l := range k.Mesh.Links() {
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
	n := k.Mesh.Counters()
	m.PathComputations = n.PathComputations
	m.PathTime = metrics.Histogram{Bounds: mesh.PathTimeBounds[:], Counts: n.PathTime.Counts[:], Sum: n.PathTime.Sum}
	m.LastTopologyChange = k.Mesh.LastTopologyChange()
	if v.Gossip != nil {
		m.Gossip = v.Gossip.Measure(k.Mesh.Links())
	}
	m.Forwarded = n.Forwarded
	for reason, count := range n.Dropped {
		m.Dropped = append(m.Dropped, metrics.Dropped{Reason: mesh.DropReason(reason).String(), Count: count})
	}
	for o := mesh.OpcodeHello; o <= mesh.OpcodeWithhold; o++ {
		m.ControlMessages = append(m.ControlMessages,
			metrics.ControlMessages{Opcode: o.String(), Direction: "in", Count: n.Received[o]},
			metrics.ControlMessages{Opcode: o.String(), Direction: "out", Count: n.Sent[o]})
	}
}
