package books

import "sync"

// Part is what the deliveries of a link count under, by what the link is for.
type Part uint8

// The parts. Deliveries of control links and of the router's own links count under PartNone.
const (
	PartNone Part = iota
	PartIn        // from clients and brokers
	PartOut       // to clients and brokers
	PartFromRouters
	PartToRouters
	PartFromBroker // of PartIn, on connections of role route-container
	PartToBroker   // of PartOut, the same
)

// Counts are the counters of many links, by what the links are for. It is not safe for concurrent use.
type Counts struct {
	In, Out               Stats // from and to clients and brokers
	FromRouters           Stats
	ToRouters             Stats
	BrokersIn, BrokersOut uint64 // the part of In and Out on connections of role route-container
	ToSelf, FromSelf      uint64 // to and from consumers inside the router, such as $management
}

// Of returns the counters of a part, nil for PartNone.
func (t *Counts) Of(p Part) *Stats {
	switch p {
	case PartIn, PartFromBroker:
		return &t.In
	case PartOut, PartToBroker:
		return &t.Out
	case PartFromRouters:
		return &t.FromRouters
	case PartToRouters:
		return &t.ToRouters
	default:
		return nil
	}
}

// Came counts one delivery of a part. What becomes of the delivery is counted elsewhere.
func (t *Counts) Came(p Part) {
	if s := t.Of(p); s != nil {
		s.Deliveries++
		t.brokers(p, 1)
	}
}

// Add adds the counters of links of a part.
func (t *Counts) Add(p Part, o *Stats) {
	if s := t.Of(p); s != nil {
		s.Add(o)
		t.brokers(p, o.Deliveries)
	}
}

func (t *Counts) brokers(p Part, deliveries uint64) {
	switch p {
	case PartFromBroker:
		t.BrokersIn += deliveries
	case PartToBroker:
		t.BrokersOut += deliveries
	}
}

// Merge adds all counters of o.
func (t *Counts) Merge(o *Counts) {
	t.In.Add(&o.In)
	t.Out.Add(&o.Out)
	t.FromRouters.Add(&o.FromRouters)
	t.ToRouters.Add(&o.ToRouters)
	t.BrokersIn += o.BrokersIn
	t.BrokersOut += o.BrokersOut
	t.ToSelf += o.ToSelf
	t.FromSelf += o.FromSelf
}

// Raise makes each counter at least that of o.
func (t *Counts) Raise(o *Counts) {
	t.In.Raise(&o.In)
	t.Out.Raise(&o.Out)
	t.FromRouters.Raise(&o.FromRouters)
	t.ToRouters.Raise(&o.ToRouters)
	t.BrokersIn, t.BrokersOut = max(t.BrokersIn, o.BrokersIn), max(t.BrokersOut, o.BrokersOut)
	t.ToSelf, t.FromSelf = max(t.ToSelf, o.ToSelf), max(t.FromSelf, o.FromSelf)
}

// Incoming returns the sum over all that came in, from clients and from routers. Interconnect's totals of outcomes and
// delays count these.
func (t *Counts) Incoming() Stats {
	s := t.In
	s.Add(&t.FromRouters)
	return s
}

// Dropped returns the number of pre-settled deliveries that were dropped.
func (t *Counts) Dropped() uint64 {
	return t.In.Dropped + t.Out.Dropped + t.FromRouters.Dropped + t.ToRouters.Dropped
}

// Tally holds counters that no connection holds any more. Its methods are safe for concurrent use.
type Tally struct {
	mu     sync.Mutex // a leaf
	counts Counts
}

// Retire adds the counters of a link of a part that has ended.
func (t *Tally) Retire(p Part, s *Stats) {
	t.mu.Lock()
	t.counts.Add(p, s)
	t.mu.Unlock()
}

// Take adds all counters of o.
func (t *Tally) Take(o *Counts) {
	t.mu.Lock()
	t.counts.Merge(o)
	t.mu.Unlock()
}

// Get returns a copy of the counters as they are now.
func (t *Tally) Get() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}
