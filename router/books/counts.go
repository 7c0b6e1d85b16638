package books

import "sync"

// Part is what the deliveries of a link count under.
type Part uint8

// The parts. Those of control messages and of the router's own links count under none.
const (
	PartNone Part = iota
	PartIn        // from clients and brokers
	PartOut       // to clients and brokers
	PartFromRouters
	PartToRouters
	PartFromBroker // of PartIn, on connections of role route-container
	PartToBroker   // of PartOut, the same
)

// Counts are the counters of many links by what the links are for.
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

// Came counts a delivery, and nothing of what becomes of it.
func (t *Counts) Came(p Part) {
	if s := t.Of(p); s != nil {
		s.Deliveries++
		t.brokers(p, 1)
	}
}

// Add adds counters of a part.
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

// Merge adds counters of the same kind.
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

// Incoming is the sum over all that came in, which is what Interconnect's totals of outcomes and delays are.
func (t *Counts) Incoming() Stats {
	s := t.In
	s.Add(&t.FromRouters)
	return s
}

// Dropped is the number of pre-settled deliveries that were dropped.
func (t *Counts) Dropped() uint64 {
	return t.In.Dropped + t.Out.Dropped + t.FromRouters.Dropped + t.ToRouters.Dropped
}

// Tally holds counters that no connection holds any more. Its methods are safe for concurrent use.
type Tally struct {
	mu     sync.Mutex // a leaf
	counts Counts
}

// Retire adds counters of a part.
func (t *Tally) Retire(p Part, s *Stats) {
	t.mu.Lock()
	t.counts.Add(p, s)
	t.mu.Unlock()
}

// Take adds the counters of o.
func (t *Tally) Take(o *Counts) {
	t.mu.Lock()
	t.counts.Merge(o)
	t.mu.Unlock()
}

// Get returns the counters as they are now.
func (t *Tally) Get() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts
}
