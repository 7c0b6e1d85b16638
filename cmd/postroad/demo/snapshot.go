package demo

import (
	"cmp"
	"slices"
	"time"
)

// snapshot is the state of a demo at one moment, for the views.
type snapshot struct {
	phase   string // what goes on; "" while messages are exchanged
	elapsed time.Duration
	routers []routerShown
	links   []linkShown
	clients []clientShown
	flows   []flowShown
	total   tally
}

// routerShown is one router.
type routerShown struct {
	id, site, url string
	pid           int
	alive         bool
}

// linkShown is one link of the topology, up if either end says so.
type linkShown struct {
	a, b string
	cost int
	up   bool
}

// clientShown is one client.
type clientShown struct {
	name, router, address string
	sends, settled        bool
	rate                  float64 // messages a second, lately
	total                 tally
	problem               error
}

// flowShown is the traffic from the clients of one router to those of another.
type flowShown struct {
	address string
	path    []string // routers, both ends included
	rate    float64  // messages a second, lately
}

// rateMeter measures how fast counters grow. It belongs to one view.
type rateMeter struct {
	past []map[string]uint64 // counters at successive moments, the latest last
	at   []time.Time
}

// meterSpan is the time rates are averaged over.
const meterSpan = 2 * time.Second

// add takes the counters of the moment.
func (m *rateMeter) add(now time.Time, counters map[string]uint64) {
	m.past, m.at = append(m.past, counters), append(m.at, now)
	for len(m.at) > 2 && now.Sub(m.at[1]) >= meterSpan {
		m.past, m.at = m.past[1:], m.at[1:]
	}
}

// rate returns the growth of a counter per second.
func (m *rateMeter) rate(counter string) float64 {
	last := len(m.at) - 1
	if last < 1 {
		return 0
	}
	seconds := m.at[last].Sub(m.at[0]).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(m.past[last][counter]-m.past[0][counter]) / seconds
}

// snapshot reads the state of the demo. The meter is given the counters of the moment.
func (d *demo) snapshot(now time.Time, m *rateMeter) snapshot {
	d.mu.Lock()
	s := snapshot{phase: d.phase}
	if !d.began.IsZero() {
		s.elapsed = now.Sub(d.began)
		if !d.ended.IsZero() {
			s.elapsed = d.ended.Sub(d.began)
		}
	}
	routers, clients := slices.Clone(d.routers), slices.Clone(d.clients)
	d.mu.Unlock()
	m.add(now, counters(clients))
	byID := map[string]*router{}
	for _, r := range routers {
		byID[r.ID] = r
		s.routers = append(s.routers, routerShown{id: r.ID, site: r.Site, url: r.url(), pid: r.process.ID(),
			alive: r.death() == nil})
	}
	for _, l := range d.topology.Links {
		a, b := byID[l.A], byID[l.B]
		up := a != nil && b != nil && a.death() == nil && b.death() == nil && (a.linkedTo(l.B) || b.linkedTo(l.A))
		s.links = append(s.links, linkShown{a: l.A, b: l.B, cost: l.Cost, up: up})
	}
	for _, c := range clients {
		shown := clientShown{name: c.Name, router: c.Router, address: c.Address(), sends: c.Sends != "", settled: c.Settled,
			rate: m.rate(c.Name), total: c.total(), problem: c.failure()}
		s.total.add(shown.total)
		s.clients = append(s.clients, shown)
	}
	s.flows = flows(clients, byID, m)
	return s
}

// counters returns what the rates are made of: the messages of every client, and those of each sender to each receiver.
func counters(clients []*client) map[string]uint64 {
	all := map[string]uint64{}
	for _, c := range clients {
		all[c.Name] = c.count()
		if c.Receives == "" {
			continue
		}
		for _, sender := range clients {
			if sender.Sends == c.Receives {
				all[sender.Name+">"+c.Name] = c.receivedFrom(sender.Name)
			}
		}
	}
	return all
}

// flows sums the traffic between clients up by address and pair of routers.
func flows(clients []*client, routers map[string]*router, m *rateMeter) []flowShown {
	type key struct{ address, from, to string }
	rates := map[key]float64{}
	for _, c := range clients {
		for _, sender := range clients {
			if c.Receives != "" && sender.Sends == c.Receives {
				rates[key{c.Receives, sender.Router, c.Router}] += m.rate(sender.Name + ">" + c.Name)
			}
		}
	}
	var shown []flowShown
	for k, rate := range rates {
		if path := pathBetween(routers, k.from, k.to); rate > 0 && len(path) > 1 {
			shown = append(shown, flowShown{address: k.address, path: path, rate: rate})
		}
	}
	slices.SortFunc(shown, func(a, b flowShown) int {
		return cmp.Or(cmp.Compare(a.address, b.address), slices.Compare(a.path, b.path))
	})
	return shown
}

// pathBetween follows the next hops from one router to another; nil if they do not lead there.
func pathBetween(routers map[string]*router, from, to string) []string {
	path := []string{from}
	for at := from; at != to; {
		r := routers[at]
		if r == nil || len(path) > len(routers) {
			return nil
		}
		if at = r.nextHop(to); at == "" {
			return nil
		}
		path = append(path, at)
	}
	return path
}
