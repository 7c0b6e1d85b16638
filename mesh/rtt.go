package mesh

import (
	"slices"
	"time"
)

// gauge measures the round-trip time of a link to a neighbor of our kind. Some HELLOs carry a number, "sent"; the next
// HELLO of the neighbor carries it back, "echo", and says for how many microseconds it was held, "held". A probe is under
// way at a time, and only its own number answers it, so that nobody can make a time of something else.
//
// What keeps a message waiting only makes the time longer; so the time of the link is the lowest of the last few.
type gauge struct {
	number  int64     // the one that is under way, 0 for none
	asked   time.Time // when it was sent
	next    time.Time // when to send another one
	answers int       // how many probes were answered
	lowest  [rttSamples]time.Duration

	echo int64     // the number of the neighbor to be sent back, 0 for none
	last int64     // the one before, which may come twice
	held time.Time // since when it is held
}

const (
	rttSamples  = 16
	rttFirst    = 4 // answers after which the time counts as known; until then each HELLO may carry a probe
	probeWait   = 3 * time.Second
	probeEvery  = 500 * time.Millisecond
	rttMost     = time.Minute // longer ones are no measurements
	rttNegative = time.Millisecond
)

// probing returns what a HELLO is to say to measure the time, nothing as a rule.
func (n *Node) probing(l *link) (p probe) {
	g := &l.gauge
	if !l.extended || !l.hearing || n.config.Plain {
		return p
	}
	if g.echo != 0 {
		p.echo, p.held = g.echo, n.now.Sub(g.held).Microseconds()
		g.echo = 0
	}
	if !g.next.After(n.now) && (g.number == 0 || n.now.Sub(g.asked) >= probeWait) {
		g.number = max(n.now.Sub(n.begun).Microseconds(), 1)
		g.asked, g.next = n.now, n.now
		if g.answers >= rttFirst {
			g.next = n.now.Add(probeEvery)
		}
		p.sent = g.number
	}
	return p
}

// probed takes what a HELLO says about the time. Numbers that make no sense are as good as none.
func (n *Node) probed(l *link, p probe) {
	g := &l.gauge
	if p.sent > 0 && p.sent != g.last {
		g.echo, g.last, g.held = p.sent, p.sent, n.now
	}
	if p.echo == 0 || p.echo != g.number {
		return
	}
	g.number = 0
	elapsed := n.now.Sub(g.asked)
	if elapsed > rttMost || p.held < 0 || p.held > rttMost.Microseconds() {
		return
	}
	rtt := elapsed - time.Duration(p.held)*time.Microsecond
	if rtt < -rttNegative-elapsed/50 { // clocks that differ a little in speed may lead below zero
		return
	}
	g.lowest[g.answers%rttSamples] = max(rtt, 0)
	g.answers++
	n.gauged(l)
}

// known returns the round-trip time, and false while there is none.
func (g *gauge) known() (rtt time.Duration, ok bool) {
	if g.answers < rttFirst {
		return 0, false
	}
	return slices.Min(g.lowest[:min(g.answers, rttSamples)]), true
}

// RTTUnit is the round-trip time that costs one. It is about what a router takes for a message, which one more hop costs.
const RTTUnit = 100 * time.Microsecond

// RTTCost returns what a link of this round-trip time costs: one, and one more for each RTTUnit.
func RTTCost(rtt time.Duration) int { return 1 + int((min(max(rtt, 0), rttMost)+RTTUnit/2)/RTTUnit) }

// pricing makes the cost of a link follow the round-trip time. It changes only when the time has led to another cost by
// a quarter and by more than rttStep for some time, and the less often the more often it has changed: a time that grows with
// the traffic must not send the traffic to and fro.
type pricing struct {
	on      bool
	known   bool          // the cost has been one of a time before
	since   time.Time     // since when the time wants another cost; zero if it does not
	higher  bool          // … that is higher
	changed time.Time     // last change
	hold    time.Duration // how far the next one must be from it
}

const (
	rttStep    = 5
	rttSettle  = 3 * time.Second
	rttHold    = 10 * time.Second
	rttHoldMax = 15 * time.Minute
	// rttUnknownCost is that of a link whose time is not known yet: what other ways there are is used rather, until it is.
	rttUnknownCost = 1000
	rttPatience    = 5 * time.Second // how long to wait for the first time, and then take the cost that was given
)

// MeasureCost makes the cost of a link follow from its round-trip time, as RTTCost has it, instead of that of LinkUp,
// which counts for a neighbor that does not answer probes. Call it behind LinkUp.
func (n *Node) MeasureCost(now time.Time, id LinkID) {
	n.enter(now)
	if i, found := n.findLink(id); found && !n.links[i].pricing.on {
		l := n.links[i]
		l.pricing.on = true
		if l.extended {
			n.price(l, max(l.given, rttUnknownCost))
			l.pricing.since = n.now
			n.wakeLinks(n.now.Add(rttPatience))
		}
	}
	n.settle()
}

// price changes the cost of a link.
func (n *Node) price(l *link, cost int) {
	if l.cost != cost {
		l.cost = cost
		n.adjacent = n.adjacent || l.up
	}
}

// gauged looks whether the time of a link leads to another cost.
func (n *Node) gauged(l *link) {
	p := &l.pricing
	rtt, ok := l.gauge.known()
	if !p.on || !ok {
		return
	}
	cost := RTTCost(rtt)
	if !p.known {
		p.known, p.since, p.changed, p.hold = true, time.Time{}, n.now, rttHold
		n.price(l, cost)
		return
	}
	difference, higher := cost-l.cost, cost > l.cost
	if !higher {
		difference = -difference
	}
	switch {
	case difference <= max(rttStep, l.cost/4):
		p.since = time.Time{}
		return
	case p.since.IsZero() || p.higher != higher:
		p.since, p.higher = n.now, higher
	}
	if n.now.Sub(p.since) < rttSettle || n.now.Sub(p.changed) < p.hold {
		return
	}
	if n.now.Sub(p.changed) < 4*p.hold {
		p.hold = min(2*p.hold, rttHoldMax)
	} else {
		p.hold = rttHold
	}
	n.log(LevelInfo, ModuleLS, "Cost of the link to router %s changes from %d to %d: its round-trip time is %v", l.peer, l.cost,
		cost, rtt)
	p.since, p.changed = time.Time{}, n.now
	n.price(l, cost)
}

// unmeasured takes the given cost for a link whose neighbor has not answered.
func (n *Node) unmeasured(l *link) {
	p := &l.pricing
	if !p.on || p.known || p.since.IsZero() {
		return
	}
	if end := p.since.Add(rttPatience); n.now.Before(end) {
		n.wakeLinks(end)
		return
	}
	p.since = time.Time{}
	n.price(l, l.given)
}
