package buf

import (
	"sync"
	"testing"
)

// These tests count the chunks of the process, so they are not parallel.

func TestChunksHaveTheSizeOfTheirPoolOrTheirOwn(t *testing.T) {
	before, octets := Outstanding(), OutstandingOctets()
	for _, c := range []struct{ want, size int }{
		{0, SmallChunk}, {1, SmallChunk}, {SmallChunk, SmallChunk}, {SmallChunk + 1, MediumChunk}, {MediumChunk, MediumChunk},
		{MediumChunk + 1, LargeChunk}, {LargeChunk, LargeChunk}, {LargeChunk + 1, LargeChunk + 1},
	} {
		for range 3 { // also when they come from a pool
			chunk := NewChunk(c.want)
			if len(chunk.B) != c.size || !chunk.Exclusive() {
				t.Errorf("%d octets wanted, %d given, exclusive %v", c.want, len(chunk.B), chunk.Exclusive())
			}
			if n := Outstanding() - before; n != 1 {
				t.Errorf("%d chunks outstanding, want 1", n)
			}
			if n := OutstandingOctets() - octets; n != int64(c.size) {
				t.Errorf("%d octets outstanding, want %d", n, c.size)
			}
			chunk.Release()
		}
	}
	if n, o := Outstanding()-before, OutstandingOctets()-octets; n != 0 || o != 0 {
		t.Errorf("%d chunks of %d octets outstanding after their release", n, o)
	}
}

func TestTheLastReleaseEndsAChunk(t *testing.T) {
	before := Outstanding()
	c := NewChunk(1)
	c.Retain()
	c.Retain()
	for want := range []int{0, 1} {
		if c.Exclusive() {
			t.Errorf("exclusive with %d references", 3-want)
		}
		c.Release()
	}
	if !c.Exclusive() || Outstanding() != before+1 {
		t.Error("one reference is left: it is exclusive, and outstanding")
	}
	c.Release()
	if Outstanding() != before {
		t.Error("the last release ends it")
	}
}

func TestAReleaseTooManyIsADefect(t *testing.T) {
	c := &Chunk{}
	defer func() {
		if recover() == nil {
			t.Error("nobody noticed")
		}
	}()
	c.Release()
}

func TestNoChunkNeedsNoCount(*testing.T) {
	var c *Chunk
	c.Retain()
	c.Release()
}

func TestReferencesAreCountedAcrossGoroutines(t *testing.T) {
	before := Outstanding()
	c := NewChunk(1)
	c.B[0] = 42
	var all sync.WaitGroup
	for range 8 {
		c.Retain()
		all.Go(func() {
			for range 1000 {
				c.Retain()
				if c.B[0] != 42 {
					t.Error("the chunk was reused")
				}
				c.Release()
			}
			c.Release()
		})
	}
	all.Wait()
	if !c.Exclusive() {
		t.Error("references are left")
	}
	c.Release()
	if Outstanding() != before {
		t.Error("the chunk is outstanding")
	}
}
