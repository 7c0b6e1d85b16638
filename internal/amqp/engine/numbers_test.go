package engine

import (
	"testing"

	"pgregory.net/rapid"
)

// Numbers are found again, and their memory follows how many there are.
func TestNumbersAreAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		octets := 0
		table := numbers[LinkID]{octets: &octets}
		model := map[uint32]LinkID{}
		most := 0
		number := rapid.OneOf(rapid.Uint32Range(0, 70), rapid.Uint32Range(0, 500), rapid.Uint32Range(0, 1<<16-1))
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				if n := number.Draw(t, "n"); table.get(n) == None {
					table.set(n, LinkID(n))
					model[n] = LinkID(n)
				}
				most = max(most, len(model))
			},
			"remove": func(t *rapid.T) {
				if n := number.Draw(t, "n"); table.get(n) != None {
					table.remove(n)
					delete(model, n)
				}
			},
			"": func(t *rapid.T) {
				for n, want := range model {
					if id := table.get(n); id != want {
						t.Fatalf("%d is %d, want %d", n, id, want)
					}
				}
				if table.used != len(model) || octets != table.memory() {
					t.Fatalf("%d are used, want %d; %d octets are counted, want %d", table.used, len(model), octets, table.memory())
				}
				if octets > 1024+64*most || len(model) == 0 && octets > 0 {
					t.Fatalf("%d octets are taken for %d numbers, up to %d", octets, len(model), most)
				}
			},
		})
	})
}

func TestTheLowestFreeNumberIsFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var set numberSet
		model := map[int]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					n := set.lowest()
					if model[n] {
						t.Fatalf("%d is taken", n)
					}
					set.add(n)
					model[n] = true
				}
			},
			"remove": func(t *rapid.T) {
				if n := rapid.IntRange(0, 1000).Draw(t, "n"); set.has(n) {
					set.remove(n)
					delete(model, n)
				}
			},
			"": func(t *rapid.T) {
				lowest := 0
				for model[lowest] {
					lowest++
				}
				if n := set.lowest(); n != lowest {
					t.Fatalf("%d is the lowest, want %d", n, lowest)
				}
			},
		})
	})
}

// Begin and end of the lowest and the highest channel in turns look at 64 numbers a step, not at one.
func TestALowestNumberTakesFewSteps(t *testing.T) {
	t.Parallel()
	var set numberSet
	for range 1 << 16 {
		set.add(set.lowest())
	}
	for range 100_000 { // 6,500,000,000 numbers
		set.remove(0)
		set.remove(1<<16 - 1)
		for _, want := range []int{0, 1<<16 - 1} {
			n := set.lowest()
			if n != want {
				t.Fatalf("%d is the lowest, want %d", n, want)
			}
			set.add(n)
		}
	}
	if n := set.memory(); n > 16<<10 {
		t.Errorf("%d octets are taken", n)
	}
}
