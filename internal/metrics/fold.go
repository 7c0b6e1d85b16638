package metrics

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// DefaultAddresses is how many addresses have series of their own unless [Options] says otherwise.
	DefaultAddresses = 1000
	// other is the label of everything that has no series of its own.
	other = "_other"
	// longestLabel is the longest label in octets.
	longestLabel = 256
	// temporary starts the names of addresses that routers make for dynamic sources.
	temporary = "temp."
)

// labelled tells whether a name that a peer chose may be a label.
func labelled(name string) bool {
	return name != "" && name != other && len(name) <= longestLabel && utf8.ValidString(name)
}

// ownSeries tells whether an address of this name may have series of its own.
func ownSeries(name string) bool {
	return labelled(name) && !strings.HasPrefix(name, temporary) && !strings.Contains(name, "/"+temporary)
}

// counts are the numbers of one address, in the order of series.
type counts [len(series)]uint64

// series lists the combinations of labels that the deliveries of an address are counted under. Those at the end, of
// dropped and of redirected deliveries, are metrics of their own.
var series = [...]struct{ direction, outcome string }{
	{"ingress", "accepted"}, {"ingress", "rejected"}, {"ingress", "released"}, {"ingress", "modified"},
	{"ingress", "presettled"}, {"ingress", "none"},
	{"egress", "accepted"}, {"egress", "rejected"}, {"egress", "released"}, {"egress", "modified"},
	{"egress", "presettled"}, {"egress", "none"},
	{"transit", "accepted"}, {"transit", "rejected"}, {"transit", "released"}, {"transit", "modified"},
	{"transit", "presettled"}, {"transit", "none"},
	dropped:    {},
	redirected: {},
}

// Positions of dropped and of redirected deliveries in counts.
const (
	dropped    = 18
	redirected = 19
)

func countsOf(d *Deliveries) counts {
	var c counts
	for i, o := range [...]*Outcomes{&d.Ingress, &d.Egress, &d.Transit} {
		copy(c[6*i:], []uint64{o.Accepted, o.Rejected, o.Released, o.Modified, o.Presettled, o.None})
	}
	c[dropped], c[redirected] = d.DroppedPresettled, d.Redirected
	return c
}

func (c *counts) add(d *counts) {
	for i := range c {
		c[i] += d[i]
	}
}

// sum is the number of all deliveries that are over.
func (c *counts) sum() uint64 {
	var sum uint64
	for _, n := range c[:dropped] {
		sum += n
	}
	return sum
}

// less tells whether any number of c is less than that of d.
func (c *counts) less(d *counts) bool {
	for i := range c {
		if c[i] < d[i] {
			return true
		}
	}
	return false
}

// sub subtracts d, which is nowhere more than c.
func (c *counts) sub(d *counts) {
	for i := range c {
		c[i] -= d[i]
	}
}

// own is an address with series of its own.
type own struct {
	now  counts // as the last snapshot had them
	base counts // the part of now that was counted under other, before the address got its series
}

// shown is what its series show.
func (o *own) shown() counts {
	c := o.now
	c.sub(&o.base)
	return c
}

// fold decides which addresses have series of their own, and counts deliveries to all others.
//
// The number of the others is the router's total less what was ever shown under addresses. So it never goes down when
// an address vanishes, and it contains deliveries to addresses that came and went between two scrapes.
type fold struct {
	most int             // addresses with series of their own
	own  map[string]*own // those in the last snapshot
	full bool            // there may have been more of them
	gone counts          // what was shown under addresses that have vanished since
	rest counts          // what is shown under other
}

// update takes in the totals and addresses of a new snapshot.
func (f *fold) update(total Deliveries, addresses []Address) {
	seen := make(map[string]bool, len(f.own))
	for i := range addresses {
		a := &addresses[i]
		if o := f.own[a.Name]; o != nil && !seen[a.Name] {
			f.advance(o, countsOf(&a.Deliveries))
			seen[a.Name] = true
		}
	}
	for name, o := range f.own {
		if !seen[name] {
			f.forget(o)
			delete(f.own, name)
		}
	}
	if len(f.own) < f.most {
		f.admit(f.candidates(addresses))
	}
	f.full = len(f.own) >= f.most
	f.rest = f.others(countsOf(&total))
}

// candidate is an address that has no series yet.
type candidate struct {
	name string
	now  counts
	sum  uint64
}

// candidates returns the addresses with deliveries that may get series.
func (f *fold) candidates(addresses []Address) (list []candidate) {
	for i := range addresses {
		a := &addresses[i]
		if f.own[a.Name] != nil || !ownSeries(a.Name) {
			continue
		}
		if c := countsOf(&a.Deliveries); c != (counts{}) {
			list = append(list, candidate{a.Name, c, c.sum()})
		}
	}
	return list
}

// advance takes in new counts of an address that has series.
func (f *fold) advance(o *own, now counts) {
	if now.less(&o.now) { // it has vanished and was made again
		f.forget(o)
		o.base = counts{}
	}
	o.now = now
}

// forget books what the series of an address have shown.
func (f *fold) forget(o *own) {
	shown := o.shown()
	f.gone.add(&shown)
}

// admit gives addresses series as long as there is room, those with the most deliveries first. One that may have
// existed while there was none starts from zero: what it had until now has been counted under other.
func (f *fold) admit(fresh []candidate) {
	slices.SortFunc(fresh, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.sum, a.sum), cmp.Compare(a.name, b.name)) })
	for _, a := range fresh {
		if len(f.own) >= f.most {
			return
		}
		o := &own{now: a.now}
		if f.full {
			o.base = o.now
		}
		f.own[a.name] = o
	}
}

// others returns what is to be shown under other when the router's totals are these.
func (f *fold) others(total counts) counts {
	shown := f.gone
	for _, o := range f.own {
		c := o.shown()
		shown.add(&c)
	}
	rest := f.rest
	for i := range rest {
		if total[i] > shown[i] { // it is not if the numbers changed while they were read
			rest[i] = max(rest[i], total[i]-shown[i])
		}
	}
	return rest
}
