package buf

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// These tests count the chunks of the process, so they are not parallel.

// text is n octets at an offset of a known sequence, in a chunk of their own.
func text(offset, n int) Slice {
	c := NewChunk(max(n, 1))
	for i := range n {
		c.B[i] = byte(offset+i) ^ byte((offset+i)>>8)
	}
	return Slice{B: c.B[:n], C: c}
}

// put appends text and gives up the caller's reference, as a connection's reader does when it goes on.
func put(c *Content, n int) (pause bool) {
	s := text(c.Buffered(), n)
	pause = c.Append(s)
	s.C.Release()
	return pause
}

// reader is one reader of a content and what it has read.
type reader struct {
	at   Cursor
	got  int
	gone bool
}

// read reads up to n octets and tells whether the writer may resume.
func (r *reader) read(t rapid.TB, c *Content, n int) (resume bool, status Status) {
	t.Helper()
	s, status := c.Read(&r.at)
	n = min(n, len(s.B))
	want := text(r.got, n)
	if !bytes.Equal(s.B[:n], want.B) {
		t.Fatalf("octets %d…%d are not those that were written", r.got, r.got+n)
	}
	want.C.Release()
	r.got += n
	return c.Advance(&r.at, n), status
}

// Whatever the order of writing and reading, every reader gets all octets in order, octets are held until the slowest
// reader has passed them and no longer, and the writer is told once to pause and once to resume.
func TestContentIsReadByEveryReader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := Outstanding()
		var c Content
		for range 2 { // a content is used again
			readers := make([]reader, rapid.IntRange(0, 4).Draw(t, "readers"))
			high := rapid.IntRange(1, 400).Draw(t, "high")
			written, paused, finished := 0, false, false
			for range rapid.IntRange(0, 3).Draw(t, "slices before the first reader") {
				n := rapid.IntRange(0, 200).Draw(t, "n")
				if put(&c, n) {
					t.Fatal("told to pause before there is a limit")
				}
				written += n
			}
			c.Share(len(readers), high)
			check := func() {
				slowest := written
				for _, r := range readers {
					if !r.gone {
						slowest = min(slowest, r.got)
					}
				}
				held := 0
				for _, s := range c.segments {
					held += len(s.B)
				}
				if kept := written - slowest; held < kept || held >= kept+200 || kept == 0 && held > 0 {
					t.Fatalf("%d octets are held for a reader that is %d behind", held, kept)
				}
				if c.Paused() != paused {
					t.Fatalf("paused %v, was told %v", c.Paused(), paused)
				}
			}
			resumed := func(resume bool) {
				if resume && !paused {
					t.Fatal("told to resume without a pause")
				}
				paused = paused && !resume
			}
			t.Repeat(map[string]func(*rapid.T){
				"write": func(t *rapid.T) {
					if finished || written > 60_000 {
						t.Skip()
					}
					n := rapid.IntRange(0, 200).Draw(t, "n")
					if put(&c, n) {
						if paused {
							t.Fatal("told to pause twice")
						}
						paused = true
					}
					written += n
				},
				"read": func(t *rapid.T) {
					if len(readers) == 0 {
						t.Skip()
					}
					r := &readers[rapid.IntRange(0, len(readers)-1).Draw(t, "reader")]
					if r.gone {
						t.Skip()
					}
					resume, status := r.read(t, &c, rapid.IntRange(0, 250).Draw(t, "n"))
					resumed(resume)
					if status == Pending && (finished || r.got != written) || status == Last && !finished || status == Aborted {
						t.Fatalf("status %d at %d of %d, finished %v", status, r.got, written, finished)
					}
				},
				"leave": func(t *rapid.T) {
					if len(readers) == 0 {
						t.Skip()
					}
					r := &readers[rapid.IntRange(0, len(readers)-1).Draw(t, "reader")]
					if r.gone {
						t.Skip()
					}
					r.gone = true
					resumed(c.Leave(&r.at))
				},
				"finish": func(t *rapid.T) {
					if rapid.IntRange(0, 9).Draw(t, "now") == 9 {
						finished = true
						c.Finish()
					}
				},
				"": func(t *rapid.T) { check() },
			})
			c.Reset()
			if n := Outstanding(); n != before {
				t.Fatalf("%d chunks leaked", n-before)
			}
		}
	})
}

// A message that nobody wants is not kept while the rest of it arrives, and its sender does not wait for anybody.
func TestContentWithoutReadersIsNotKept(t *testing.T) {
	for name, refuse := range map[string]func(*Content){
		"shared with nobody":               func(c *Content) { c.Share(0, 1) },
		"shared with nobody, who leaves":   func(c *Content) { c.Share(0, 1); c.Leave(&Cursor{}) },
		"shared with one, who leaves":      func(c *Content) { c.Share(1, 1); c.Leave(&Cursor{}) },
		"shared with two, who leave twice": func(c *Content) { c.Share(2, 1); c.Leave(&Cursor{}); c.Leave(&Cursor{}) },
	} {
		before := Outstanding()
		var c Content
		put(&c, 100)
		refuse(&c)
		if n := Outstanding() - before; n != 0 {
			t.Errorf("%s: %d chunks are held", name, n)
		}
		for range 100 {
			if put(&c, 5000) {
				t.Errorf("%s: the writer is told to pause", name)
			}
		}
		if n := Outstanding() - before; n != 0 || c.Buffered() != 500_100 {
			t.Errorf("%s: %d chunks are held of %d octets", name, n, c.Buffered())
		}
		c.Reset()
	}
}

func TestAbortedContentIsNotReadOn(t *testing.T) {
	var c Content
	put(&c, 10)
	c.Share(1, 1000)
	var r reader
	r.read(t, &c, 4)
	c.Abort()
	if s, status := c.Read(&r.at); status != Aborted || len(s.B) != 0 || !c.IsAborted() || c.IsComplete() {
		t.Errorf("%d octets with status %d", len(s.B), status)
	}
	c.Leave(&r.at)
	c.Reset()
	if c.IsAborted() {
		t.Error("the next message is aborted")
	}
}

func TestHeadAndGatherShowContentWithoutReadingIt(t *testing.T) {
	var c Content
	if c.Head() != nil || len(c.Gather(nil)) != 0 {
		t.Error("nothing has arrived")
	}
	put(&c, 10)
	put(&c, 20)
	want := text(0, 30)
	if got := c.Head(); !bytes.Equal(got, want.B[:10]) {
		t.Errorf("head of %d octets", len(got))
	}
	if got := c.Gather(make([]byte, 3, 5)); !bytes.Equal(got, want.B) {
		t.Errorf("%d octets gathered", len(got))
	}
	c.Share(1, 1000)
	var r reader
	r.read(t, &c, 30)
	if c.Head() != nil {
		t.Error("the head is gone")
	}
	want.C.Release()
	c.Reset()
}

func TestSkippedOctetsAreNotRead(t *testing.T) {
	var c Content
	put(&c, 10)
	put(&c, 10)
	c.Share(1, 1000)
	r := reader{got: 7}
	r.at.Skip(7)
	r.read(t, &c, 3)
	r.read(t, &c, 10)
	if r.got != 20 || len(c.segments) != 0 {
		t.Errorf("read up to %d, %d slices are held", r.got, len(c.segments))
	}
}

// Release of the octets that all have passed costs the same however many wait behind them.
func TestALongQueueOfSmallSlicesIsReadInOrder(t *testing.T) {
	const n = 50_000
	var c Content
	chunk := NewChunk(1)
	for i := range n {
		chunk.B[0] = byte(i)
		c.Append(Slice{B: slices.Clone(chunk.B[:1])})
	}
	chunk.Release()
	c.Finish()
	c.Share(1, 1)
	var at Cursor
	for i := range n {
		s, status := c.Read(&at)
		if s.B[0] != byte(i) || (status == Last) != (i == n-1) {
			t.Fatalf("octet %d is %d with status %d", i, s.B[0], status)
		}
		c.Advance(&at, 1)
	}
	if len(c.segments) != 0 {
		t.Errorf("%d slices are held", len(c.segments))
	}
}

// One writer and its readers work at once; the writer obeys pause and resume. Run with -race.
func TestContentIsSharedByGoroutines(t *testing.T) {
	const size, readers = 1 << 20, 4
	before := Outstanding()
	var (
		c      Content
		all    sync.WaitGroup
		resume = make(chan struct{}, 1)
		grown  [readers]chan struct{}
	)
	c.Share(readers, 10_000)
	tell := func(ch chan struct{}) {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	for i := range readers {
		grown[i] = make(chan struct{}, 1)
		all.Go(func() {
			var r reader
			for {
				again, status := r.read(t, &c, 700*(i+1))
				if again {
					tell(resume)
				}
				switch {
				case status == Pending:
					<-grown[i]
				case status == Last && r.got == size, i == 0 && r.got > size/2:
					if c.Leave(&r.at) {
						tell(resume)
					}
					return
				}
			}
		})
	}
	most := 0
	for written := 0; written < size; {
		n := min(1+written%3000, size-written)
		written += n
		pause := put(&c, n)
		c.mu.Lock()
		most = max(most, c.total-c.released)
		c.mu.Unlock()
		for i := range grown {
			tell(grown[i])
		}
		if pause {
			<-resume
		}
	}
	c.Finish()
	for i := range grown {
		tell(grown[i])
	}
	all.Wait()
	if most > 10_000+3000+readers*2800 {
		t.Errorf("%d octets were held", most)
	}
	c.Reset()
	if n := Outstanding() - before; n != 0 {
		t.Errorf("%d chunks leaked", n)
	}
}

// BenchmarkBacklog is one small slice read and released with 2,000 others behind it.
func BenchmarkBacklog(b *testing.B) {
	var c Content
	s := Slice{B: make([]byte, 100)}
	for range 2000 {
		c.Append(s)
	}
	c.Share(1, 1<<30)
	var at Cursor
	b.ReportAllocs()
	for b.Loop() {
		c.Append(s)
		c.Read(&at)
		c.Advance(&at, len(s.B))
	}
}

func TestAMessageOfManyPiecesLeavesNoMemoryToTheNext(t *testing.T) {
	chunk := NewChunk(SmallChunk)
	defer chunk.Release()
	var c Content
	for range 10 * segmentsKept {
		c.Append(Slice{B: chunk.B[:1], C: chunk})
	}
	c.Finish()
	c.Reset()
	if n := cap(c.segments); n > segmentsKept {
		t.Errorf("memory for %d segments is kept", n)
	}
}

// TestAContentMayBeAbortedWhileItIsReset: the last branch of a message whose origin has gone empties the content, while
// the origin aborts it. The race detector tells.
func TestAContentMayBeAbortedWhileItIsReset(t *testing.T) {
	chunk := NewChunk(SmallChunk)
	defer chunk.Release()
	var c Content
	c.Append(Slice{B: chunk.B[:1], C: chunk})
	var both sync.WaitGroup
	both.Go(c.Abort)
	both.Go(c.Reset)
	both.Wait()
	if n := c.Buffered(); n != 0 {
		t.Errorf("%d octets are left", n)
	}
}
