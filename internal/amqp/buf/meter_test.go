package buf

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// These tests count the chunks of the process, so they are not parallel.

func woken(wait <-chan struct{}) bool {
	select {
	case <-wait:
		return true
	default:
		return false
	}
}

// append1 appends n octets of a chunk, from an offset on, as the first slice of a message.
func append1(m *Meter, chunk *Chunk, from, n int) *Content {
	c := &Content{Meter: m}
	c.Append(Slice{B: chunk.B[from : from+n], C: chunk})
	c.Finish()
	c.Share(1, 1<<20)
	return c
}

func wantHeld(t *testing.T, why string, m *Meter, want int) {
	t.Helper()
	if got := m.Held(); got != int64(want) {
		t.Errorf("%s: %d octets are held, want %d", why, got, want)
	}
}

func TestAMeterCountsTheWholeChunkThatAMessageHoldsAPartOf(t *testing.T) {
	var total Total
	m := NewMeter(&total)
	chunk := NewChunk(MediumChunk)
	a, b := append1(m, chunk, 0, 1), append1(m, chunk, 1, 1)
	wantHeld(t, "while it is filled", m, 0)
	chunk.Leave(m)
	wantHeld(t, "when it is left", m, MediumChunk)
	wait := m.Wait(0)
	a.Leave(&Cursor{})
	if wantHeld(t, "with one message", m, MediumChunk); woken(wait) {
		t.Error("woken with too much held")
	}
	b.Leave(&Cursor{})
	if wantHeld(t, "at the end", m, 0); !woken(wait) || woken(wait) {
		t.Error("the reader is not woken once")
	}
	if total.Held() != 0 {
		t.Errorf("%d octets are held in total", total.Held())
	}
	empty := NewChunk(MediumChunk)
	empty.Leave(m)
	wantHeld(t, "with a chunk that nobody else has", m, 0)
}

func TestAMeterCountsWhatTheSlicesOfALongMessageTake(t *testing.T) {
	m := NewMeter(new(Total))
	chunk := NewChunk(SmallChunk)
	var c Content
	c.Meter = m
	for i := range 5 {
		c.Append(Slice{B: chunk.B[i : i+1], C: chunk})
	}
	wantHeld(t, "slices after the first", m, 4*segmentCost)
	c.Reset()
	wantHeld(t, "after the end", m, 0)
	chunk.Release()
}

func TestATotalIsTheSumOfItsMeters(t *testing.T) {
	var total Total
	var contents []*Content
	for range 3 {
		m, chunk := NewMeter(&total), NewChunk(SmallChunk)
		contents = append(contents, append1(m, chunk, 0, 1))
		chunk.Leave(m)
	}
	if want := int64(3 * SmallChunk); total.Held() != want {
		t.Errorf("%d octets held in total, want %d", total.Held(), want)
	}
	for _, c := range contents {
		c.Reset()
	}
	if total.Held() != 0 {
		t.Errorf("%d octets are held after the end", total.Held())
	}
}

// Connections add up to users, and users to the process.
func TestTotalsAddUp(t *testing.T) {
	var all Total
	users := []*Total{NewTotal(&all), NewTotal(&all)}
	var contents []*Content
	for _, user := range users {
		for range 2 {
			m, chunk := NewMeter(user), NewChunk(SmallChunk)
			contents = append(contents, append1(m, chunk, 0, 1))
			chunk.Leave(m)
			m.Add(100)
			m.Add(-60)
			wantHeld(t, "a chunk and more", m, SmallChunk+40)
			defer func() {
				m.Add(-40)
				wantHeld(t, "at the end", m, 0)
			}()
		}
	}
	for _, user := range users {
		if n := user.Held(); n != 2*(SmallChunk+40) {
			t.Errorf("a user holds %d octets", n)
		}
	}
	if n := all.Held(); n != 4*(SmallChunk+40) {
		t.Errorf("all hold %d octets", n)
	}
	for _, c := range contents {
		c.Reset()
	}
	if n := all.Held(); n != 4*40 {
		t.Errorf("%d octets are held without messages", n)
	}
	var none *Meter
	none.Add(5)
}

// What a connection has sent is counted to it, and to its user, until nobody has it: also when the connection is gone.
func TestAContentThatOutlivesItsConnectionIsCounted(t *testing.T) {
	var all Total
	user := NewTotal(&all)
	m := NewMeter(user)
	chunk := NewChunk(MediumChunk)
	queued, read := append1(m, chunk, 0, 100), append1(m, chunk, 100, 100)
	var at Cursor
	read.Read(&at)
	chunk.Leave(m) // the reader's last deed
	m.Compact()
	for _, n := range []int64{m.Held(), user.Held(), all.Held()} {
		if n < 200 || n > MediumChunk+SmallChunk {
			t.Errorf("%d octets are held for two messages that are waiting", n)
		}
	}
	queued.Leave(&Cursor{})
	if all.Held() != MediumChunk {
		t.Errorf("%d octets are held for one that is being read", all.Held())
	}
	read.Leave(&at)
	for _, n := range []int64{m.Held(), user.Held(), all.Held()} {
		if n != 0 {
			t.Errorf("%d octets are held at the end", n)
		}
	}
}

// A chunk that is filled is its owner's to count: a frame that is announced and does not come takes what has come.
func TestAChunkThatIsFilledIsNotCounted(t *testing.T) {
	m := NewMeter(new(Total))
	chunk := NewChunk(LargeChunk)
	m.Add(8)
	wantHeld(t, "with a header in it", m, 8)
	m.Add(-8)
	chunk.Leave(m)
	wantHeld(t, "when it is left", m, 0)
}

// Counting allocates nothing.
func TestMetersAllocateNothing(t *testing.T) {
	m := NewMeter(NewTotal(NewTotal(nil)))
	c := &Content{}
	message := func() {
		chunk := NewChunk(SmallChunk)
		c.Meter = m
		for i := range 4 {
			c.Append(Slice{B: chunk.B[i : i+1], C: chunk})
		}
		c.Finish()
		c.Share(1, 1<<20)
		chunk.Leave(m)
		c.Leave(&Cursor{})
		c.Reset()
	}
	for range 10 {
		message()
	}
	if n := testing.AllocsPerRun(1000, message); n > 0.5 { // a pool may lose some
		t.Errorf("%v allocations for a message", n)
	}
}

// A reader that waits while many release never waits for good. Run with -race.
func TestAWaitingReaderIsWoken(t *testing.T) {
	const rounds, each = 2000, MediumChunk
	m := NewMeter(new(Total))
	var all sync.WaitGroup
	contents := make(chan *Content, 4)
	for range 3 {
		all.Go(func() {
			for c := range contents {
				c.Leave(&Cursor{})
			}
		})
	}
	for range rounds {
		chunk := NewChunk(each)
		contents <- append1(m, chunk, 0, each)
		chunk.Leave(m)
		for m.Held() > 2*each {
			<-m.Wait(each)
		}
	}
	close(contents)
	all.Wait()
	wantHeld(t, "at the end", m, 0)
}

func TestAParkedChunkGoesWithItsLastUserAndIsStillThereBefore(t *testing.T) {
	before := Outstanding()
	m := NewMeter(new(Total))
	chunk := NewChunk(LargeChunk)
	c := append1(m, chunk, 0, 1)
	chunk.Park(m)
	wantHeld(t, "when it is parked", m, LargeChunk)
	if !chunk.Unpark(m) {
		t.Fatal("it is gone, though it is used")
	}
	chunk.Park(m)
	c.Leave(&Cursor{})
	if wantHeld(t, "without a user", m, 0); Outstanding() != before {
		t.Error("it is still there")
	}
	if chunk.Unpark(m) {
		t.Error("it can be taken back")
	}
	alone := NewChunk(SmallChunk)
	alone.Park(m)
	if alone.Unpark(m) || Outstanding() != before {
		t.Error("one that nobody uses stays when it is parked")
	}
}

// TestAChunkIsParkedAndReleasedAtTheSameTime: whoever comes last gives it back. Run with -race.
func TestAChunkIsParkedAndReleasedAtTheSameTime(t *testing.T) {
	before := Outstanding()
	m := NewMeter(new(Total))
	for range 2000 {
		chunk := NewChunk(SmallChunk)
		c := append1(m, chunk, 0, 1)
		var other sync.WaitGroup
		other.Go(func() { c.Leave(&Cursor{}) })
		chunk.Park(m)
		if chunk.Unpark(m) {
			chunk.Leave(m)
		}
		other.Wait()
	}
	if wantHeld(t, "at the end", m, 0); Outstanding() != before {
		t.Errorf("%d chunks are left", Outstanding()-before)
	}
}

func TestASmallMessageIsMovedOutOfALargeChunk(t *testing.T) {
	before := OutstandingOctets()
	m := NewMeter(new(Total))
	const messages = 500
	var contents []*Content
	for i := range messages {
		chunk := NewChunk(LargeChunk)
		copy(chunk.B[1000:], fmt.Sprintf("message %3d", i))
		contents = append(contents, append1(m, chunk, 1000, 11))
		chunk.Leave(m)
	}
	m.Compact()
	if held := m.Held(); held > messages*11+MediumChunk || held != OutstandingOctets()-before {
		t.Errorf("%d octets are held, %d of chunks, for %d of messages", held, OutstandingOctets()-before, messages*11)
	}
	for i, c := range contents {
		if got, want := string(c.Gather(nil)), fmt.Sprintf("message %3d", i); got != want {
			t.Fatalf("%q is left of message %q", got, want)
		}
		c.Leave(&Cursor{})
	}
	wantHeld(t, "at the end", m, 0)
	if n := OutstandingOctets() - before; n != 0 {
		t.Errorf("%d octets of chunks are left", n)
	}
}

func TestWhatSomebodyReadsIsNotMoved(t *testing.T) {
	m := NewMeter(new(Total))
	chunk := NewChunk(LargeChunk)
	chunk.B[0] = 42
	c := append1(m, chunk, 0, 100)
	chunk.Leave(m)
	var at Cursor
	s, _ := c.Read(&at)
	m.Compact()
	if wantHeld(t, "while it is read", m, LargeChunk); s.C != chunk || s.B[0] != 42 {
		t.Error("what was read has changed")
	}
	c.Advance(&at, 1)
	m.Compact()
	wantHeld(t, "afterwards", m, SmallChunk)
	if s, _ := c.Read(&at); len(s.B) != 99 {
		t.Errorf("%d octets are left, want 99", len(s.B))
	}
	c.Leave(&at)
	wantHeld(t, "at the end", m, 0)
}

func TestAFullChunkStays(t *testing.T) {
	m := NewMeter(new(Total))
	chunk := NewChunk(MediumChunk)
	var contents []*Content
	for from := 0; from < MediumChunk; from += MediumChunk / 8 {
		contents = append(contents, append1(m, chunk, from, MediumChunk/8))
	}
	chunk.Leave(m)
	m.Compact()
	if s, _ := contents[7].Read(&Cursor{}); s.C != chunk {
		t.Error("it was moved")
	}
	wantHeld(t, "as before", m, MediumChunk)
	for _, c := range contents {
		c.Reset()
	}
	wantHeld(t, "at the end", m, 0)
}

// TestMessagesArriveWholeWhileTheyAreMoved has readers that take messages piece by piece, while they are moved again and
// again. Run with -race.
func TestMessagesArriveWholeWhileTheyAreMoved(t *testing.T) {
	before := OutstandingOctets()
	m := NewMeter(new(Total))
	want := bytes.Repeat([]byte("0123456789"), 20)
	contents := make(chan *Content, 64)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for c := range contents {
				var at Cursor
				var got []byte
				for status := More; status != Last; {
					var s []Slice
					s, status = c.ReadSlices(&at, nil, 1)
					n := 0
					for i := range s {
						got = append(got, s[i].B...)
						n += len(s[i].B)
					}
					c.Advance(&at, n)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%d octets arrive, and others than were sent", len(got))
				}
				c.Leave(&at)
			}
		})
	}
	for i := range 2000 {
		c := &Content{Meter: m}
		chunk := NewChunk(LargeChunk)
		copy(chunk.B, want)
		c.Append(Slice{B: chunk.B[:77], C: chunk})
		c.Append(Slice{B: chunk.B[77:200], C: chunk})
		c.Finish()
		c.Share(1, 1<<20)
		chunk.Leave(m)
		contents <- c
		if i%4 == 0 {
			m.Compact()
		}
	}
	close(contents)
	readers.Wait()
	if n := OutstandingOctets() - before; n != 0 || m.Held() != 0 {
		t.Errorf("%d octets of chunks are left, %d metered", n, m.Held())
	}
}
