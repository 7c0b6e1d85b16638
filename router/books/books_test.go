package books

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// keeper is what a connection does with its counters.
type keeper struct {
	mu     sync.Mutex
	past   Counts
	shares Shares
	closed bool
}

// office is some connections, some addresses, and the ledger.
type office struct {
	ledger    Ledger
	keepers   []*keeper
	addresses []*Tally
}

func newOffice(keepers, addresses int) *office {
	o := &office{}
	for range keepers {
		o.keepers = append(o.keepers, &keeper{})
	}
	for range addresses {
		o.addresses = append(o.addresses, &Tally{})
	}
	return o
}

// count counts a delivery of an address on a connection that is open, or has just ended.
func (o *office) count(keeper, address int) {
	k, a := o.keepers[keeper], o.addresses[address]
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Stats{Deliveries: 1, Octets: 10, Accepted: 1}
	if k.closed {
		o.ledger.Retire(PartIn, a, &s)
		return
	}
	k.past.Add(PartIn, &s)
	k.shares.Of(a, &o.ledger).Add(PartIn, &s)
}

// end ends a connection.
func (o *office) end(keeper int, reason string) {
	k := o.keepers[keeper]
	o.ledger.Locked(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.closed {
			k.closed = true
			o.ledger.Close(&k.past, &k.shares, Failure{Reason: reason})
			k.past = Counts{}
		}
	})
}

// sum sums up, of all and of an address.
func (o *office) sum(address int) (all, of uint64) {
	o.ledger.Locked(func() {
		past := o.ledger.Past()
		tally := o.addresses[address].Get()
		all, of = past.In.Deliveries, tally.In.Deliveries
		for _, k := range o.keepers {
			k.mu.Lock()
			all += k.past.In.Deliveries
			for a, c := range k.shares.All() {
				if a == o.addresses[address] {
					of += c.In.Deliveries
				}
			}
			k.mu.Unlock()
		}
	})
	return all, of
}

// TestSumsAreWhatWasCounted counts, ends connections and sums up in any order, for more addresses than are shared at a
// time.
func TestSumsAreWhatWasCounted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOffice(3, 2*shareLimit)
		all, of := uint64(0), make(map[int]uint64)
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			keeper, address := rapid.IntRange(0, 2).Draw(t, "keeper"), rapid.IntRange(0, 2*shareLimit-1).Draw(t, "address")
			if rapid.IntRange(0, 99).Draw(t, "ends") == 0 {
				o.end(keeper, "")
			}
			o.count(keeper, address)
			all++
			of[address]++
			if n := len(o.keepers[keeper].shares.list); n > shareLimit {
				t.Fatalf("a connection shares %d addresses", n)
			}
			if a, b := o.sum(address); a != all || b != of[address] {
				t.Fatalf("%d of %d are counted, of the address %d of %d", a, all, b, of[address])
			}
		}
	})
}

// TestSumsNeverGoDown sums up beside connections that count and end.
func TestSumsNeverGoDown(t *testing.T) {
	t.Parallel()
	const keepers, addresses, each = 4, shareLimit + 10, 2000
	o := newOffice(keepers, addresses)
	var counting sync.WaitGroup
	for k := range keepers {
		counting.Go(func() {
			for i := range each {
				o.count(k, i%addresses)
				if i == each/2 {
					o.end(k, "")
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); counting.Wait() }()
	var all, of uint64
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		a, b := o.sum(0)
		if a < all || b < of {
			t.Fatalf("the sums go from %d to %d, and from %d to %d", all, a, of, b)
		}
		all, of = a, b
	}
	if all != keepers*each {
		t.Errorf("%d of %d are counted", all, keepers*each)
	}
}

// TestSharesStayWhileSomebodySumsUp counts for more addresses than are shared, with the ledger locked.
func TestSharesStayWhileSomebodySumsUp(t *testing.T) {
	t.Parallel()
	o := newOffice(1, shareLimit+10)
	o.ledger.Locked(func() {
		for i := range o.addresses {
			o.count(0, i)
		}
	})
	if n := len(o.keepers[0].shares.list); n != shareLimit+10 {
		t.Errorf("%d of %d are shared, the others went to addresses while somebody summed up", n, shareLimit+10)
	}
	o.count(0, 0)
	o.keepers[0].shares.Of(&Tally{}, &o.ledger)
	if n := len(o.keepers[0].shares.list); n != 1 {
		t.Errorf("%d are shared when nobody sums up", n)
	}
	if c := o.addresses[0].Get(); c.In.Deliveries != 2 {
		t.Errorf("the first address has %d deliveries", c.In.Deliveries)
	}
}

// TestFailuresAreCountedByTheirReason closes connections that have failed, and one that has not.
func TestFailuresAreCountedByTheirReason(t *testing.T) {
	t.Parallel()
	o := newOffice(3, 1)
	o.end(0, FailedIdle)
	o.end(1, FailedIdle)
	o.end(2, "")
	o.ledger.Fail(Failure{Role: "normal", Dialed: true, Reason: FailedDial})
	var failed map[Failure]uint64
	o.ledger.Locked(func() { failed = o.ledger.Failed() })
	if len(failed) != 2 || failed[Failure{Reason: FailedIdle}] != 2 {
		t.Errorf("the failures are %v", failed)
	}
	failed[Failure{Reason: FailedIdle}] = 99
	o.ledger.Locked(func() { failed = o.ledger.Failed() })
	if failed[Failure{Reason: FailedIdle}] != 2 {
		t.Error("who has asked can change them")
	}
}

// TestEachPartCountsWhereItBelongs counts one delivery of each part.
func TestEachPartCountsWhereItBelongs(t *testing.T) {
	t.Parallel()
	for part, want := range map[Part]Counts{
		PartNone:        {},
		PartIn:          {In: Stats{Deliveries: 1}},
		PartOut:         {Out: Stats{Deliveries: 1}},
		PartFromRouters: {FromRouters: Stats{Deliveries: 1}},
		PartToRouters:   {ToRouters: Stats{Deliveries: 1}},
		PartFromBroker:  {In: Stats{Deliveries: 1}, BrokersIn: 1},
		PartToBroker:    {Out: Stats{Deliveries: 1}, BrokersOut: 1},
	} {
		var came, added, merged Counts
		came.Came(part)
		added.Add(part, &Stats{Deliveries: 1})
		merged.Merge(&added)
		if came != want || added != want || merged != want {
			t.Errorf("part %d counts as %+v, %+v and %+v", part, came, added, merged)
		}
	}
}

// TestTheEndOfADeliveryCountsOnce lists ends of every kind.
func TestTheEndOfADeliveryCountsOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settled bool
		o       Outcome
		age     time.Duration
		want    Stats
	}{
		{false, Accepted, 0, Stats{Accepted: 1}},
		{false, Rejected, DelayShort, Stats{Rejected: 1}},
		{false, Released, DelayShort + 1, Stats{Released: 1, Delayed1: 1}},
		{false, Modified, DelayLong, Stats{Modified: 1, Delayed1: 1}},
		{false, None, DelayLong + 1, Stats{None: 1, Delayed10: 1}},
		{true, Accepted, 0, Stats{Presettled: 1}},
	} {
		var got, sum Stats
		got.End(c.settled, c.o, c.age)
		sum.Add(&got)
		if got != c.want || sum != c.want {
			t.Errorf("settled %v, outcome %d after %v counts as %+v", c.settled, c.o, c.age, got)
		}
	}
}

// TestTheRateIsTheMeanOfTheLastSeconds compares it with a list of all settlements.
func TestTheRateIsTheMeanOfTheLastSeconds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var r Rate
		var at time.Duration
		counts := make(map[int64]uint32)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			at += time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond
			if rapid.IntRange(0, 50).Draw(t, "pause") == 0 {
				at += time.Hour
			}
			if rapid.Bool().Draw(t, "settles") {
				r.Add(at)
				counts[int64(at/time.Second)]++
			}
			want := uint32(0)
			for s := range int64(rateSeconds) {
				want += counts[int64(at/time.Second)-s]
			}
			if got := r.Mean(at); got != want/rateSeconds {
				t.Fatalf("at %v the mean is %d, not %d", at, got, want/rateSeconds)
			}
		}
	})
}
