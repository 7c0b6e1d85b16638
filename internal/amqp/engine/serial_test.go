package engine

import (
	"maps"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// each calls f for every live delivery whose id lies in first…last. f may remove the id it is called with.
func (t *serialTable) each(first, last uint32, f func(id uint32, d DeliveryID)) {
	from, to := t.span(first, last)
	for from < to {
		at, d := t.after(from, to)
		if from = at; d != None {
			f(uint32(at), d)
			from++
		}
	}
	t.shrink()
}

// check compares a table with what it should hold and looks at its inner rules.
func (t *serialTable) check(tb rapid.TB, want map[uint32]DeliveryID) {
	tb.Helper()
	live := 0
	for i, d := range t.ring {
		covered, after := false, 0
		for at := t.base; at != t.next; at++ {
			if covered = covered || int(at&uint64(len(t.ring)-1)) == i; covered {
				after++
			}
		}
		if d < 0 {
			if d != None && (!covered || int(-d) > after) {
				tb.Fatalf("slot %d of %d…%d says that %d are empty", i, t.base, t.next, -d)
			}
			for n := range int(-d) {
				if t.ring[(i+n)&(len(t.ring)-1)] >= 0 {
					tb.Fatalf("slot %d says that %d are empty; slot %d is not", i, -d, i+n)
				}
			}
			continue
		}
		live++
		if !covered {
			tb.Fatalf("slot %d holds %d, outside of %d…%d", i, d, t.base, t.next)
		}
	}
	old := 0
	for i, e := range t.old {
		if e.at >= t.base || i > 0 && e.at <= t.old[i-1].at {
			tb.Fatalf("the old entry at %d is out of order before %d", e.at, t.base)
		}
		if e.d >= 0 {
			old++
			continue
		}
		for n := range int(-e.d) {
			if t.old[i+n].d >= 0 {
				tb.Fatalf("old entry %d says that %d are empty; %d is not", i, -e.d, i+n)
			}
		}
	}
	if old != t.oldest || len(t.old) > 2*old+smallestRing+1 {
		tb.Fatalf("%d live ones of %d old entries are counted as %d", old, len(t.old), t.oldest)
	}
	if live != t.live {
		tb.Fatalf("%d live slots are counted as %d", live, t.live)
	}
	if t.next-t.base > uint64(len(t.ring)) {
		tb.Fatalf("%d…%d is longer than the ring of %d", t.base, t.next, len(t.ring))
	}
	if n := live + old; n != len(want) {
		tb.Fatalf("%d entries, want %d", n, len(want))
	}
	for id, d := range want {
		if got := t.get(id); got != d {
			tb.Fatalf("get(%d) = %d, want %d", id, got, d)
		}
	}
}

// The table is a map whose keys are added in serial order: any mix of operations gives the same answers, also across
// the wrap at 2^32, with gaps of any length and entries that stay for long.
func TestSerialTableIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var table serialTable
		model := map[uint32]DeliveryID{}
		first := rapid.SampledFrom([]uint32{0, 5, math.MaxUint32 - 40, math.MaxUint32}).Draw(t, "first")
		next, number := first, DeliveryID(0)
		pick := func(label string) uint32 { // an id near the live range
			return first + uint32(rapid.IntRange(-3, int(next-first)+3).Draw(t, label))
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					table.add(next, number)
					model[next] = number
					next, number = next+1, number+1
				}
			},
			"gap": func(t *rapid.T) {
				next += uint32(rapid.SampledFrom([]int{1, 15, 16, 17, 100, 5000}).Draw(t, "n"))
			},
			"remove": func(t *rapid.T) {
				id := pick("id")
				table.remove(id)
				delete(model, id)
			},
			"removeRange": func(t *rapid.T) {
				from := pick("from")
				to := from + uint32(rapid.IntRange(0, 200).Draw(t, "n"))
				table.each(from, to, func(id uint32, d DeliveryID) {
					if model[id] != d {
						t.Fatalf("each yields %d as %d, want %d", id, d, model[id])
					}
					delete(model, id)
					table.remove(id)
				})
				for id := range model {
					if id-from <= to-from {
						t.Fatalf("each(%d, %d) missed %d", from, to, id)
					}
				}
			},
			"each": func(t *rapid.T) {
				from := pick("from")
				to := from + rapid.Uint32Range(0, math.MaxInt32).Draw(t, "n")
				want := maps.Clone(model)
				maps.DeleteFunc(want, func(id uint32, _ DeliveryID) bool { return id-from > to-from })
				got := map[uint32]DeliveryID{}
				table.each(from, to, func(id uint32, d DeliveryID) {
					if _, twice := got[id]; twice {
						t.Fatalf("each yields %d twice", id)
					}
					got[id] = d
				})
				if !maps.Equal(got, want) {
					t.Fatalf("each(%d, %d) yields %v, want %v", from, to, got, want)
				}
			},
			"": func(t *rapid.T) { table.check(t, model) },
		})
	})
}

// One old delivery and many pre-settled ones after it, which are in no table, leave a gap wider than the ring.
func TestSerialTableTakesAnIDFarBeyondTheOldest(t *testing.T) {
	t.Parallel()
	var table serialTable
	table.add(0, 7)
	table.add(1_000_000, 8)
	table.check(t, map[uint32]DeliveryID{0: 7, 1_000_000: 8})
}

// Memory follows the number of live deliveries, not the distance between the oldest and the newest.
func TestSerialTableStaysSmallWhileOldDeliveriesRemain(t *testing.T) {
	t.Parallel()
	var table serialTable
	for id := range uint32(1_000_000) {
		table.add(id, DeliveryID(id))
		if id%1000 != 0 {
			table.remove(id)
		}
	}
	if len(table.ring) > 4*smallestRing || len(table.old) > 1000 || table.oldest+table.live != 1000 {
		t.Errorf("%d slots and %d old entries for 1000 live deliveries", len(table.ring), len(table.old))
	}
}

// The memory of a burst is given back when a few of its deliveries stay unsettled.
func TestSerialTableShrinksAfterABurst(t *testing.T) {
	t.Parallel()
	var table serialTable
	for id := range uint32(100_000) {
		table.add(id, DeliveryID(id))
	}
	table.each(1, 99_998, func(id uint32, _ DeliveryID) { table.remove(id) })
	if len(table.ring) > keptRing {
		t.Errorf("%d slots are kept for 2 deliveries", len(table.ring))
	}
	table.check(t, map[uint32]DeliveryID{0: 0, 99_999: 99_999})
}

// Looking through what is empty costs once: ranges over it are passed in one step afterwards, wherever they begin.
func TestSerialTablePassesEmptyRangesInOneStep(t *testing.T) {
	t.Parallel()
	const n = 1 << 16
	for name, empty := range map[string]func(t *serialTable){
		"in the ring": func(table *serialTable) {
			for id := range uint32(n) {
				table.add(id, DeliveryID(id))
			}
			for id := range uint32(n / 2) { // enough stay at the beginning for the ring to stay as it is
				if id >= n/4 {
					table.remove(id)
				}
			}
		},
		"in the list": func(table *serialTable) {
			table.add(0, 0)
			for id := uint32(1); id < 2*n; id += 2 {
				table.add(id+100, DeliveryID(id))
				table.add(id+101, DeliveryID(id))
				table.remove(id + 101)
			}
			for id := uint32(n / 2); id < n; id++ {
				table.remove(id)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var table serialTable
			empty(&table)
			steps := 0
			for id := range uint32(5000) {
				from, to := table.span(n/4+16+id, n/2-16)
				if name == "in the list" {
					from, to = table.span(n/2+16+id, n-16)
				}
				for from < to {
					at, d := table.after(from, to)
					if d != None {
						t.Fatalf("%d is live", at)
					}
					from = at
					steps++
				}
			}
			if steps > 5000+2*n/stride {
				t.Errorf("%d calls for 5000 ranges of nothing", steps)
			}
		})
	}
}

// A range disposition costs what is live, however wide its range and whatever stayed behind.
func TestSerialTableRangeWorkIsBounded(t *testing.T) {
	t.Parallel()
	var table serialTable
	for id := range uint32(100_000) {
		table.add(id, DeliveryID(id))
	}
	table.each(1, 99_998, func(id uint32, _ DeliveryID) { table.remove(id) })
	calls := 0
	for range 100_000 { // 100,000 × 2^31 ids
		table.each(0, math.MaxInt32, func(uint32, DeliveryID) { calls++ })
	}
	if calls != 200_000 {
		t.Errorf("%d calls for 2 live deliveries in 100,000 ranges", calls)
	}
}
