package metrics

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// accepted are deliveries of one kind only.
func accepted(n uint64) Deliveries { return Deliveries{Ingress: Outcomes{Accepted: n}} }

func newFold(most int) *fold { return &fold{most: most, own: map[string]*own{}} }

// ownOf returns the number shown under an address, and whether it has series.
func (f *fold) ownOf(name string) (uint64, bool) {
	o, ok := f.own[name]
	if !ok {
		return 0, false
	}
	return o.shown()[0], true
}

func TestNamesThatMustNotHaveSeriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFold(100)
	names := []string{
		"temp.x7", "amqp:/_topo/0/london/temp.x7", "_topo/0/london/temp.x7", "_other", "", "\xff",
		strings.Repeat("x", 257),
	}
	var addresses []Address
	for _, n := range names {
		addresses = append(addresses, Address{n, accepted(1)})
	}
	addresses = append(addresses, Address{"temperature", accepted(1)})
	f.update(accepted(8), addresses)
	if len(f.own) != 1 || f.rest[0] != 7 {
		t.Errorf("own series: %d, others: %d, want 1 (temperature) and 7", len(f.own), f.rest[0])
	}
}

func TestAnAddressThatVanishesLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	f := newFold(100)
	f.update(accepted(10), []Address{{"orders", accepted(10)}})
	f.update(accepted(12), nil) // two more were delivered before it vanished
	if _, ok := f.ownOf("orders"); ok || f.rest[0] != 2 {
		t.Errorf("others: %d, want 2", f.rest[0])
	}
	f.update(accepted(15), []Address{{"orders", accepted(3)}})
	if n, _ := f.ownOf("orders"); n != 3 || f.rest[0] != 2 {
		t.Errorf("made again: %d and others %d, want 3 and 2", n, f.rest[0])
	}
}

func TestAnAddressThatWasMadeAgainBetweenScrapesStartsFromZero(t *testing.T) {
	t.Parallel()
	f := newFold(100)
	f.update(accepted(10), []Address{{"orders", accepted(10)}})
	f.update(accepted(14), []Address{{"orders", accepted(4)}})
	if n, _ := f.ownOf("orders"); n != 4 || f.rest[0] != 0 {
		t.Errorf("%d and others %d, want 4 and 0", n, f.rest[0])
	}
}

func TestTheBusiestAddressesGetSeriesAndIdleOnesNone(t *testing.T) {
	t.Parallel()
	f := newFold(2)
	f.update(accepted(7), []Address{{"a", accepted(1)}, {"idle", Deliveries{}}, {"b", accepted(2)}, {"c", accepted(4)}})
	if b, _ := f.ownOf("b"); b != 2 || f.rest[0] != 1 || len(f.own) != 2 {
		t.Errorf("own %d, b %d, others %d, want 2, 2, 1", len(f.own), b, f.rest[0])
	}
	f.update(accepted(107), []Address{{"a", accepted(101)}, {"idle", Deliveries{}}, {"b", accepted(2)}, {"c", accepted(4)}})
	if _, ok := f.ownOf("a"); ok || f.rest[0] != 101 {
		t.Errorf("others %d, want 101: series stay with those that have them", f.rest[0])
	}
}

func TestAnAddressKeepsItsSeriesWhenMoreAddressesAppear(t *testing.T) {
	t.Parallel()
	f := newFold(1)
	f.update(accepted(1), []Address{{"b", accepted(1)}})
	f.update(accepted(3), []Address{{"a", accepted(1)}, {"b", accepted(2)}})
	if n, ok := f.ownOf("b"); !ok || n != 2 || f.rest[0] != 1 {
		t.Errorf("b: %d, %v, others: %d, want 2 and 1", n, ok, f.rest[0])
	}
}

func TestAnAddressThatGetsSeriesLaterStartsFromZero(t *testing.T) {
	t.Parallel()
	f := newFold(1)
	f.update(accepted(5), []Address{{"a", accepted(3)}, {"b", accepted(2)}})
	f.update(accepted(6), []Address{{"b", accepted(3)}}) // a has gone, b takes its place
	if n, ok := f.ownOf("b"); !ok || n != 0 || f.rest[0] != 3 {
		t.Errorf("b: %d, %v, others: %d, want 0 and 3", n, ok, f.rest[0])
	}
	f.update(accepted(10), []Address{{"b", accepted(7)}})
	if n, _ := f.ownOf("b"); n != 4 || f.rest[0] != 3 {
		t.Errorf("b: %d, others: %d, want 4 and 3", n, f.rest[0])
	}
}

func TestCountsNeverGoDownAndTheSumIsExactWhateverComesAndGoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFold(rapid.IntRange(1, 4).Draw(t, "most"))
		alive := map[string]uint64{}
		var total uint64
		for range rapid.IntRange(1, 30).Draw(t, "scrapes") {
			for range rapid.IntRange(0, 8).Draw(t, "events") {
				name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "temp.g"}).Draw(t, "name")
				if rapid.IntRange(0, 3).Draw(t, "event") == 0 {
					// Vanish long enough for a scrape to notice: one that is made again with higher counts cannot be told.
					delete(alive, name)
					continue
				}
				if _, known := alive[name]; !known {
					if _, shown := f.own[name]; shown {
						continue
					}
				}
				n := rapid.Uint64Range(0, 5).Draw(t, "deliveries")
				alive[name] += n
				total += n
			}
			before := f.rest[0]
			shown := map[string]uint64{}
			for name := range f.own {
				shown[name], _ = f.ownOf(name)
			}
			gone := f.gone[0]
			var addresses []Address
			for _, name := range []string{"f", "e", "d", "c", "b", "a", "temp.g"} {
				if n, ok := alive[name]; ok {
					addresses = append(addresses, Address{name, accepted(n)})
				}
			}
			f.update(accepted(total), addresses)
			check(t, f, total)
			if f.rest[0] < before || f.gone[0] < gone {
				t.Fatalf("others went down from %d to %d", before, f.rest[0])
			}
			for name, n := range shown {
				if now, ok := f.ownOf(name); ok && now < n {
					t.Fatalf("%s went down from %d to %d", name, n, now)
				}
			}
		}
	})
}

// check fails unless all that was ever delivered was shown exactly once.
func check(t *rapid.T, f *fold, total uint64) {
	sum := f.rest[0] + f.gone[0]
	var own []string
	for name := range f.own {
		n, _ := f.ownOf(name)
		sum += n
		own = append(own, fmt.Sprint(name, "=", n))
	}
	if sum != total || len(f.own) > f.most {
		t.Fatalf("shown %d of %d: others %d, gone %d, own %v", sum, total, f.rest[0], f.gone[0], own)
	}
}
