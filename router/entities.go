package router

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
)

func (v *view) threads() int { return runtime.GOMAXPROCS(0) }

// Router implements [management.Source].
func (v *view) Router() management.Router {
	m := management.Router{
		ID: v.plane.id, Mode: string(v.mode), Area: addressing.Area, Version: v.version, Metadata: v.cfg.Router.Metadata,
		HostName: v.hostName, WorkerThreads: int32(v.threads()), UptimeSeconds: uint32(time.Since(v.plane.began).Seconds()),
		MemoryUsage: memoryUsage(),
	}
	s := v.sum(false)
	t, all := &s.totals, s.totals.Incoming()
	m.PresettledDeliveries, m.DroppedPresettledDeliveries = t.In.Presettled, t.Dropped()
	m.AcceptedDeliveries, m.RejectedDeliveries = all.Accepted, all.Rejected
	m.ReleasedDeliveries, m.ModifiedDeliveries = all.Released, all.Modified
	m.DeliveriesDelayed1Sec, m.DeliveriesDelayed10Sec = all.Delayed1, all.Delayed10
	m.DeliveriesIngress, m.DeliveriesEgress = t.In.Deliveries, t.Out.Deliveries
	m.DeliveriesTransit = t.ToRouters.Deliveries
	m.DeliveriesIngressRouteContainer, m.DeliveriesEgressRouteContainer = t.BrokersIn, t.BrokersOut
	m.DeliveriesRedirectedToFallback = all.Redirected
	m.ConnectionCount = uint64(s.opened)
	for _, kind := range s.links {
		for _, n := range kind {
			m.LinkCount += uint64(n.links)
			m.DeliveriesStuck += uint64(n.stuck)
			m.LinksBlocked += uint32(n.blocked)
		}
	}
	if v.draining != nil {
		v.draining(&m)
	}
	m.AddrCount = uint64(v.plane.table.Len())
	if v.control.mesh != nil {
		v.control.mu.Lock()
		m.NodeCount = uint64(v.control.mesh.Size().Routers)
		v.control.mu.Unlock()
	}
	return m
}

// Connections implements [management.Source].
func (v *view) Connections() iter.Seq[management.Connection] {
	return func(yield func(management.Connection) bool) {
		now := time.Now()
		for _, c := range v.ends() {
			if row, ok := v.connection(c, now); ok && !yield(row) {
				return
			}
		}
	}
}

// connection is a connection as management shows it; false before it has an engine.
func (v *view) connection(c *Endpoint, now time.Time) (row management.Connection, ok bool) {
	seen := v.look(c, func() {
		if ok = c.eng != nil && !c.near.Gone.Load(); ok {
			row = connectionRow(c, now)
		}
	})
	if !seen { // what is known without looking
		return management.Connection{ID: c.number, Host: c.remote, Role: c.terms.role.String(), Outgoing: c.dialed}, true
	}
	return row, ok
}

// connectionRow is a connection as management shows it. Its mutex is held.
func connectionRow(c *Endpoint, now time.Time) management.Connection {
	s := &c.security
	row := management.Connection{
		ID: c.number, Host: c.remote, Role: c.terms.role.String(), Outgoing: c.dialed,
		Container: c.near.ID, Closing: c.ending.closing, Opened: c.peer.open != nil,
		SASL: s.Mechanism, User: s.User, Authenticated: s.Authenticated,
		UptimeSeconds: uint32(now.Sub(c.began).Seconds()),
	}
	if c.peer.space != "" {
		row.Tenant = c.peer.space + "/"
	}
	if c.peer.open != nil {
		row.Properties = c.peer.open.Properties
	}
	if s.Encrypted {
		row.Encrypted, row.TLS = true, true
		row.TLSProtocol, row.TLSCipher, row.TLSStrength = s.Protocol, s.Cipher, s.Strength
	}
	if !c.clock.lastDelivery.IsZero() {
		row.HasDelivery, row.SinceDeliverySeconds = true, uint32(now.Sub(c.clock.lastDelivery).Seconds())
	}
	return row
}

// Links implements [management.Source].
func (v *view) Links() iter.Seq[management.Link] {
	return func(yield func(management.Link) bool) {
		v.scan(time.Now(), scanAge)
		for _, c := range v.ends() {
			var rows []management.Link
			v.look(c, func() { rows = linkRows(c, time.Since(v.plane.began)+1) })
			for _, row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	}
}

// linkRows are the links of an endpoint as management shows them. Its mutex is held.
func linkRows(c *Endpoint, at time.Duration) []management.Link {
	var rows []management.Link
	for _, l := range c.links {
		if l == nil || !l.attached {
			continue
		}
		s := &l.stats
		row := management.Link{
			ID: l.number, Name: l.name, Type: l.kind.String(), Outgoing: l.outgoing, ConnectionID: c.number,
			Capacity: uint32(l.Capacity), Priority: uint32(l.priority),
			UndeliveredCount: uint64(l.queued + l.watch.coming), UnsettledCount: uint64(l.unsettled),
			DeliveryCount: s.Deliveries, PresettledCount: s.Presettled, DroppedPresettledCount: s.Dropped,
			AcceptedCount: s.Accepted, RejectedCount: s.Rejected, ReleasedCount: s.Released, ModifiedCount: s.Modified,
			DeliveriesDelayed1Sec: s.Delayed1, DeliveriesDelayed10Sec: s.Delayed10,
			DeliveriesStuck: uint64(l.watch.stuck), SettleRate: l.watch.rate.Mean(at),
			CreditAvailable: c.eng.Credit(l.id), ZeroCreditSeconds: uint32(c.dryFor(l, at) / time.Second),
		}
		switch {
		case !l.outgoing:
			row.UnsettledCount = uint64(max(l.inHand, 0))
		case l.kind == linkEndpoint:
			row.IngressHistogram = slices.Clone(l.watch.histogram)
		}
		if l.address != nil {
			row.OwningAddr = l.address.Key
		}
		rows = append(rows, row)
	}
	return rows
}

// Addresses implements [management.Source].
func (v *view) Addresses() iter.Seq[management.Address] {
	return func(yield func(management.Address) bool) {
		for _, row := range v.addressRows() {
			if !yield(row) {
				return
			}
		}
	}
}

func (v *view) addressRows() []management.Address {
	sums := v.sum(true).addresses
	var rows []management.Address
	v.control.mu.Lock()
	for key, a := range v.control.addresses {
		row := management.Address{Key: key, Distribution: a.distribution.String(), Priority: int32(a.Priority)}
		for _, l := range a.locals {
			if l.node {
				row.InProcess++
			} else {
				row.SubscriberCount++
			}
		}
		for _, m := range a.remotes {
			row.RemoteCount++
			row.RemoteHostRouters = append(row.RemoteHostRouters, m.Router.ID)
		}
		slices.Sort(row.RemoteHostRouters)
		row.TransitOutstanding, row.TrackedDeliveries = a.outstanding()
		if s := sums[&a.Tally]; s != nil {
			row.DeliveriesIngress, row.DeliveriesEgress = s.In.Deliveries, s.Out.Deliveries
			row.DeliveriesTransit = s.ToRouters.Deliveries
			row.DeliveriesToContainer, row.DeliveriesFromContainer = s.ToSelf, s.FromSelf
			row.DeliveriesIngressRouteContainer, row.DeliveriesEgressRouteContainer = s.BrokersIn, s.BrokersOut
			row.DeliveriesRedirectedToFallback = s.In.Redirected + s.FromRouters.Redirected
		}
		rows = append(rows, row)
	}
	v.control.mu.Unlock()
	slices.SortFunc(rows, func(a, b management.Address) int { return cmp.Compare(a.Key, b.Key) })
	return rows
}

// outstanding are the deliveries of a balanced address that other routers have not settled: by the router's number, and
// their sum. For other addresses there are none, since nothing is decided by them.
func (a *entry) outstanding() (byRouter []int64, sum int64) {
	if a.distribution != addressing.DistributionBalanced || len(a.remotes) == 0 {
		return nil, 0
	}
	for _, m := range a.remotes {
		for m.Router.Number >= len(byRouter) {
			byRouter = append(byRouter, 0)
		}
		n := max(m.Outstanding.Load(), 0)
		byRouter[m.Router.Number] += n
		sum += n
	}
	return byRouter, sum
}

// Policy implements [management.Source].
func (v *view) Policy() management.Policy {
	k := v.control
	k.mu.Lock()
	defer k.mu.Unlock()
	return management.Policy{MaxConnections: 65535, DefaultVhost: "$default",
		ConnectionsProcessed: int64(k.totals.opened), ConnectionsCurrent: int64(k.totals.opened - k.totals.closed)}
}

// LogStats implements [management.Source].
func (v *view) LogStats() iter.Seq[management.LogStats] {
	return func(yield func(management.LogStats) bool) {
		for _, m := range logging.Modules() {
			n := v.logs.Stats(m)
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
func (v *view) Log(limit int) []management.LogEntry {
	if limit == 0 {
		limit = -1 // all
	}
	var rows []management.LogEntry
	for _, e := range v.logs.Recent(limit) {
		rows = append(rows, management.LogEntry{Module: e.Module.String(), Level: e.Level.String(), Text: e.Text,
			File: e.File, Line: e.Line, Time: e.Time})
	}
	return rows
}

// Configuration implements [management.Source].
func (v *view) Configuration() iter.Seq[management.ConfigEntity] {
	return func(yield func(management.ConfigEntity) bool) {
		for _, e := range v.cfg.Entities() {
			name, _ := e.Attributes["name"].(string)
			identity, _ := e.Attributes["identity"].(string)
			row := management.ConfigEntity{Type: e.Type, Name: name, Identity: identity, Attributes: e.Attributes}
			if !yield(row) {
				return
			}
		}
	}
}

var _ management.Source = (*view)(nil)

// RouterNodes implements [management.Source].
func (v *view) RouterNodes() iter.Seq[management.RouterNode] {
	if v.control.mesh == nil {
		return func(func(management.RouterNode) bool) {}
	}
	k := v.control
	k.mu.Lock()
	self, others := k.mesh.Status(), k.mesh.Routers()
	changed := k.mesh.LastTopologyChange()
	k.mu.Unlock()
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

// memoryUsage is the virtual memory of the process in octets, 0 where the system does not tell.
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
func (v *view) Members() iter.Seq[management.Member] {
	if v.gossip == nil {
		return func(func(management.Member) bool) {}
	}
	return slices.Values(v.gossip.rows())
}

// BeginDrain implements [management.Source].
func (v *view) BeginDrain() { v.askDrain() }
