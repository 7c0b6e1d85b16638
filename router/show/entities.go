package show

import (
	"cmp"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/internal/management"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/forwarding"
)

// threads returns how many threads run Go code at a time: Interconnect's worker threads.
func (v *View) threads() int { return runtime.GOMAXPROCS(0) }

// Router implements [management.Source].
func (v *View) Router() management.Router {
	m := management.Router{
		ID: v.Plane.ID, Mode: string(v.Mode), Area: addressing.Area, Version: v.Version, Metadata: v.Config.Router.Metadata,
		HostName: v.HostName, WorkerThreads: int32(v.threads()), UptimeSeconds: uint32(time.Since(v.Plane.Began).Seconds()),
		MemoryUsage: memoryUsage(),
	}
	s := v.Sum(false)
	t, all := &s.Totals, s.Totals.Incoming()
	m.PresettledDeliveries, m.DroppedPresettledDeliveries = t.In.Presettled, t.Dropped()
	m.AcceptedDeliveries, m.RejectedDeliveries = all.Accepted, all.Rejected
	m.ReleasedDeliveries, m.ModifiedDeliveries = all.Released, all.Modified
	m.DeliveriesDelayed1Sec, m.DeliveriesDelayed10Sec = all.Delayed1, all.Delayed10
	m.DeliveriesIngress, m.DeliveriesEgress = t.In.Deliveries, t.Out.Deliveries
	m.DeliveriesTransit = t.ToRouters.Deliveries
	m.DeliveriesIngressRouteContainer, m.DeliveriesEgressRouteContainer = t.BrokersIn, t.BrokersOut
	m.DeliveriesRedirectedToFallback = all.Redirected
	m.ConnectionCount = uint64(s.opened)
	for _, kind := range s.Links {
		for _, n := range kind {
			m.LinkCount += uint64(n.links)
			m.DeliveriesStuck += uint64(n.stuck)
			m.LinksBlocked += uint32(n.Blocked)
		}
	}
	if v.Draining != nil {
		v.Draining(&m)
	}
	m.AddrCount = uint64(v.Plane.Table.Len())
	if v.Control.Mesh != nil {
		v.Control.Mu.Lock()
		m.NodeCount = uint64(v.Control.Mesh.Size().Routers)
		v.Control.Mu.Unlock()
	}
	return m
}

// Connections implements [management.Source].
func (v *View) Connections() iter.Seq[management.Connection] {
	return func(yield func(management.Connection) bool) {
		now, looker := time.Now(), NewLooker()
		defer looker.Stop()
		for _, c := range v.ends() {
			if row, ok := connection(looker, c, now); ok && !yield(row) {
				return
			}
		}
	}
}

// connection returns a connection as management shows it. ok is false for one that has no engine yet, or has ended. Of
// a busy one it returns only what never changes.
func connection(looker *Looker, c *forwarding.Endpoint, now time.Time) (row management.Connection, ok bool) {
	seen := looker.Look(c, func() {
		if ok = c.Engine != nil && !c.Near.Gone.Load(); ok {
			row = connectionRow(c, now)
		}
	})
	if !seen {
		return management.Connection{ID: c.Number, Host: c.Remote, Role: c.Terms.Role.String(), Outgoing: c.Dialed}, true
	}
	return row, ok
}

// connectionRow returns a connection as management shows it. The mutex of the endpoint is held.
func connectionRow(c *forwarding.Endpoint, now time.Time) management.Connection {
	s := &c.Security
	row := management.Connection{
		ID: c.Number, Host: c.Remote, Role: c.Terms.Role.String(), Outgoing: c.Dialed,
		Container: c.Near.ID, Closing: c.Ending.Closing, Opened: c.Peer.Open != nil,
		SASL: s.Mechanism, User: s.User, Authenticated: s.Authenticated,
		UptimeSeconds: uint32(now.Sub(c.Began).Seconds()),
	}
	if c.Peer.Space != "" {
		row.Tenant = c.Peer.Space + "/"
	}
	if c.Peer.Open != nil {
		row.Properties = c.Peer.Open.Properties
	}
	if s.Encrypted {
		row.Encrypted, row.TLS = true, true
		row.TLSProtocol, row.TLSCipher, row.TLSStrength = s.Protocol, s.Cipher, s.Strength
	}
	if !c.Clock.LastDelivery.IsZero() {
		row.HasDelivery, row.SinceDeliverySeconds = true, uint32(now.Sub(c.Clock.LastDelivery).Seconds())
	}
	return row
}

// Links implements [management.Source].
func (v *View) Links() iter.Seq[management.Link] {
	return func(yield func(management.Link) bool) {
		v.Scan(time.Now(), forwarding.ScanAge)
		looker := NewLooker()
		defer looker.Stop()
		for _, c := range v.ends() {
			var rows []management.Link
			for from, seen := 0, true; seen && from >= 0; {
				rows = rows[:0]
				seen = looker.Look(c, func() { rows, from = LinkRows(rows, c, time.Since(v.Plane.Began)+1, from) })
				for _, row := range rows {
					if !yield(row) {
						return
					}
				}
			}
		}
	}
}

// rowsTogether is how many links are looked at together.
const rowsTogether = 500

// LinkRows appends attached links of an endpoint as management shows them, at a time since the router began, from one
// number on. It returns where to go on, or -1. The mutex of the endpoint is held.
func LinkRows(
	rows []management.Link, c *forwarding.Endpoint, at time.Duration, from int,
) (_ []management.Link, next int) {
	for i := from; i < len(c.Links); i++ {
		if i >= from+rowsTogether {
			return rows, i
		}
		l := c.Links[i]
		if l == nil || !l.Attached {
			continue
		}
		s := &l.Stats
		row := management.Link{
			ID: l.Number, Name: l.Name, Type: l.Kind.String(), Outgoing: l.Outgoing, ConnectionID: c.Number,
			Capacity: uint32(l.Capacity), Priority: uint32(l.Priority),
			UndeliveredCount: uint64(l.Queued + l.Watch.Coming), UnsettledCount: uint64(l.Unsettled),
			DeliveryCount: s.Deliveries, PresettledCount: s.Presettled, DroppedPresettledCount: s.Dropped,
			AcceptedCount: s.Accepted, RejectedCount: s.Rejected, ReleasedCount: s.Released, ModifiedCount: s.Modified,
			DeliveriesDelayed1Sec: s.Delayed1, DeliveriesDelayed10Sec: s.Delayed10,
			DeliveriesStuck: uint64(l.Watch.Stuck), SettleRate: l.Watch.Rate.Mean(at),
			CreditAvailable: c.Engine.Credit(l.ID), ZeroCreditSeconds: uint32(c.DryFor(l, at) / time.Second),
		}
		switch {
		case !l.Outgoing:
			row.UnsettledCount = uint64(max(l.InHand, 0))
		case l.Kind == forwarding.LinkEndpoint:
			row.IngressHistogram = slices.Clone(l.Watch.Histogram)
		}
		if l.Address != nil {
			row.OwningAddr = l.Address.Key
		}
		rows = append(rows, row)
	}
	return rows, -1
}

// Addresses implements [management.Source].
func (v *View) Addresses() iter.Seq[management.Address] {
	return func(yield func(management.Address) bool) {
		for _, row := range v.addressRows() {
			if !yield(row) {
				return
			}
		}
	}
}

// addressRows returns the addresses as management shows them, by key.
func (v *View) addressRows() []management.Address {
	sums := v.Sum(true).addresses
	var rows []management.Address
	v.Control.Mu.Lock()
	for key, a := range v.Control.Addresses {
		row := management.Address{Key: key, Distribution: a.Distribution.String(), Priority: int32(a.Priority)}
		for _, l := range a.Locals {
			if l.Node {
				row.InProcess++
			} else {
				row.SubscriberCount++
			}
		}
		for _, m := range a.Remotes {
			row.RemoteCount++
			row.RemoteHostRouters = append(row.RemoteHostRouters, m.Router.ID)
		}
		slices.Sort(row.RemoteHostRouters)
		row.TransitOutstanding, row.TrackedDeliveries = a.Outstanding()
		if s := sums[&a.Tally]; s != nil {
			row.DeliveriesIngress, row.DeliveriesEgress = s.In.Deliveries, s.Out.Deliveries
			row.DeliveriesTransit = s.ToRouters.Deliveries
			row.DeliveriesToContainer, row.DeliveriesFromContainer = s.ToSelf, s.FromSelf
			row.DeliveriesIngressRouteContainer, row.DeliveriesEgressRouteContainer = s.BrokersIn, s.BrokersOut
			row.DeliveriesRedirectedToFallback = s.In.Redirected + s.FromRouters.Redirected
		}
		rows = append(rows, row)
	}
	v.Control.Mu.Unlock()
	slices.SortFunc(rows, func(a, b management.Address) int { return cmp.Compare(a.Key, b.Key) })
	return rows
}

// Policy implements [management.Source].
func (v *View) Policy() management.Policy {
	k := v.Control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	return management.Policy{MaxConnections: 65535, DefaultVhost: "$default",
		ConnectionsProcessed: int64(k.Totals.Opened), ConnectionsCurrent: int64(k.Totals.Opened - k.Totals.Closed)}
}

// LogStats implements [management.Source].
func (v *View) LogStats() iter.Seq[management.LogStats] {
	return func(yield func(management.LogStats) bool) {
		for _, m := range logging.Modules() {
			n := v.Logs.Stats(m)
			row := management.LogStats{Module: m.String(),
				Trace: int64(n[logging.LevelTrace]), Debug: int64(n[logging.LevelDebug]), Info: int64(n[logging.LevelInfo]),
				Notice: int64(n[logging.LevelNotice]), Warning: int64(n[logging.LevelWarning]),
				Error: int64(n[logging.LevelError]), Critical: int64(n[logging.LevelCritical])}
			if !yield(row) {
				return
			}
		}
	}
}

// Log implements [management.Source].
func (v *View) Log(limit int) []management.LogEntry {
	if limit == 0 {
		limit = -1 // all
	}
	var rows []management.LogEntry
	for _, e := range v.Logs.Recent(limit) {
		rows = append(rows, management.LogEntry{Module: e.Module.String(), Level: e.Level.String(), Text: e.Text,
			File: e.File, Line: e.Line, Time: e.Time})
	}
	return rows
}

// Configuration implements [management.Source].
func (v *View) Configuration() iter.Seq[management.ConfigEntity] {
	return func(yield func(management.ConfigEntity) bool) {
		for _, e := range v.Config.Entities() {
			name, _ := e.Attributes["name"].(string)
			identity, _ := e.Attributes["identity"].(string)
			row := management.ConfigEntity{Type: e.Type, Name: name, Identity: identity, Attributes: e.Attributes}
			if !yield(row) {
				return
			}
		}
	}
}

var _ management.Source = (*View)(nil)

// RouterNodes implements [management.Source].
func (v *View) RouterNodes() iter.Seq[management.RouterNode] {
	if v.Control.Mesh == nil {
		return func(func(management.RouterNode) bool) {}
	}
	k := v.Control
	k.Mu.Lock()
	self, others := k.Mesh.Status(), k.Mesh.Routers()
	changed := k.Mesh.LastTopologyChange()
	k.Mu.Unlock()
	rows := []management.RouterNode{nodeRow(self)}
	rows[0].Self = true
	if !changed.IsZero() {
		rows[0].LastTopoChange = changed.Unix()
	}
	for _, s := range others {
		rows = append(rows, nodeRow(s))
	}
	return slices.Values(rows)
}

// nodeRow returns a router of the mesh as management shows it.
func nodeRow(s mesh.RouterStatus) management.RouterNode {
	row := management.RouterNode{
		ID: s.ID, Index: int64(s.Number), ProtocolVersion: s.ProtocolVersion, Instance: s.Instance,
		Neighbor: s.Neighbor, RouterLink: int64(s.Link), NextHop: s.NextHop, ValidOrigins: s.ValidOrigins,
		Cost: int64(s.Cost), RTT: s.RTT.Microseconds(),
	}
	if !s.LastHeard.IsZero() {
		row.Heard, row.HeardSeconds = true, int64(max(time.Since(s.LastHeard), 0)/time.Second)
	}
	for _, p := range s.LinkState {
		row.LinkState = append(row.LinkState, p.ID)
	}
	return row
}

// memoryUsage returns the virtual memory of the process in octets, and 0 where the system does not tell.
func memoryUsage() uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var pages uint64
	if _, err := fmt.Sscan(string(b), &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// Members implements [management.Source].
func (v *View) Members() iter.Seq[management.Member] {
	if v.Gossip == nil {
		return func(func(management.Member) bool) {}
	}
	return slices.Values(v.Gossip.Rows())
}

// BeginDrain implements [management.Source].
func (v *View) BeginDrain() { v.AskDrain() }
