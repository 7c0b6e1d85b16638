package buf

import (
	"sync"
	"testing"
)

func woken(wait <-chan struct{}) bool {
	select {
	case <-wait:
		return true
	default:
		return false
	}
}

func TestAMeterCountsWhatContentsHold(t *testing.T) {
	var total Total
	m := NewMeter(&total)
	a, b := Content{Meter: m}, Content{Meter: m}
	put(&a, 5000)
	put(&a, 100) // counts too: it is not the first of its message
	put(&b, 6000)
	if want := int64(5000 + 100 + 6000 + 3*segmentCost); m.Held() != want {
		t.Errorf("%d octets held, want %d", m.Held(), want)
	}
	wait := m.Wait(6000)
	if woken(wait) {
		t.Error("woken with too much held")
	}
	a.Share(2, 1<<20)
	b.Share(0, 1)
	rest := int64(5000 + 100 + 2*segmentCost)
	if m.Held() != rest || !woken(wait) {
		t.Errorf("%d octets held, want %d and the reader woken", m.Held(), rest)
	}
	if woken(wait) {
		t.Error("woken twice")
	}
	var first, second reader
	first.read(t, &a, 5000)
	if m.Held() != rest {
		t.Errorf("%d octets held for the slower reader, want %d", m.Held(), rest)
	}
	a.Leave(&second.at)
	if m.Held() != 100+segmentCost {
		t.Errorf("%d octets held, want %d", m.Held(), 100+segmentCost)
	}
	if !woken(m.Wait(6000)) {
		t.Error("little is held: there is nothing to wait for")
	}
	put(&b, 7000) // nobody reads it
	put(&a, 7000)
	if want := int64(7000 + 100 + 2*segmentCost); m.Held() != want {
		t.Errorf("%d octets held, want %d", m.Held(), want)
	}
	a.Reset()
	b.Reset()
	if m.Held() != 0 || total.Held() != 0 {
		t.Errorf("%d octets held after the end, %d in total, want 0", m.Held(), total.Held())
	}
}

func TestATotalIsTheSumOfItsMeters(t *testing.T) {
	var total Total
	contents := make([]Content, 3)
	for i := range contents {
		contents[i].Meter = NewMeter(&total)
		put(&contents[i], 5000*(i+1))
	}
	if want := int64(5000*6 + 3*segmentCost); total.Held() != want {
		t.Errorf("%d octets held in total, want %d", total.Held(), want)
	}
	for i := range contents {
		contents[i].Reset()
	}
	if total.Held() != 0 {
		t.Errorf("%d octets are held after the end", total.Held())
	}
}

// A reader that waits while many release never waits for good. Run with -race.
func TestAWaitingReaderIsWoken(t *testing.T) {
	const rounds, each = 2000, 8 << 10
	m := NewMeter(new(Total))
	var all sync.WaitGroup
	contents := make(chan *Content, 4)
	for range 3 {
		all.Go(func() {
			for c := range contents {
				c.Share(1, 1)
				c.Leave(&Cursor{})
			}
		})
	}
	chunk := NewChunk(each)
	for range rounds {
		c := &Content{Meter: m}
		c.Append(Slice{B: chunk.B[:each], C: chunk})
		contents <- c
		for m.Held() > 2*each {
			<-m.Wait(each)
		}
	}
	close(contents)
	all.Wait()
	chunk.Release()
	if m.Held() != 0 {
		t.Errorf("%d octets held", m.Held())
	}
}
