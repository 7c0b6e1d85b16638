package buf

import "sync"

// Content is the payload of one message. One writer calls Append, Finish or Abort; the readers, whose number is set
// once with Share before the first read, each call Read and Advance with their own [Cursor]. All methods may be called
// concurrently. The zero value is an empty, incomplete content with no readers; Reset makes a used one so again.
type Content struct {
	// Meter counts what it takes to keep the content's slices beyond the first, if not nil; their octets count with the
	// chunks that they are in. It is set before the first Append.
	Meter *Meter

	mu       sync.Mutex
	segments []segment
	first    int // index of the first segment that is held; those before it are empty
	base     int // number of the segment that segments[0] is
	readers  int // readers that have not left
	lent     int // readers that have been given slices and have not advanced since
	total    int // octets appended so far
	released int // octets that every reader has passed
	high     int // octets held above which the writer is asked to pause
	complete bool
	aborted  bool
	paused   bool // the writer was told to pause and has not been told to resume
}

type segment struct {
	Slice
	readers int // readers that have not passed this segment yet
	metered bool
}

// Cursor is one reader's position in a Content. The zero value is the beginning.
type Cursor struct {
	segment int  // number of the segment to read next
	offset  int  // octets of it already consumed
	lent    bool // slices have been read since the last advance
}

// segmentsKept is how many segments a content that is reset keeps memory for: one message of many small frames must not
// leave the memory that it took to each content that is used again.
const segmentsKept = 64

// Reset empties the content, releasing whatever it still holds, for use with the next message. No reader may be left.
func (c *Content) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.segments {
		c.unmeter(&c.segments[i])
		c.segments[i].C.Release()
		c.segments[i] = segment{}
	}
	c.segments = c.segments[:0]
	if cap(c.segments) > segmentsKept {
		c.segments = nil
	}
	c.first, c.base, c.readers, c.lent, c.total, c.released, c.high = 0, 0, 0, 0, 0, 0, 0
	c.complete, c.aborted, c.paused = false, false, false
	c.Meter = nil
}

func (c *Content) unmeter(s *segment) {
	if s.metered {
		c.Meter.add(-segmentCost)
	}
}

// Append adds a slice and retains its chunk. It tells whether the writer should pause: more than the high-water mark
// set by Share is held. An empty slice is not kept. With readers that have all left, nothing is kept.
func (c *Content) Append(s Slice) (pause bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total += len(s.B)
	if len(s.B) == 0 {
		return false
	}
	if c.high > 0 && c.readers <= 0 {
		c.released += len(s.B)
		return false
	}
	if s.C != nil {
		s.C.Retain()
		s.C.usedBy(c)
	}
	metered := c.Meter != nil && c.total > len(s.B)
	if metered {
		c.Meter.add(segmentCost)
	}
	c.segments = append(c.segments, segment{Slice: s, readers: c.readers, metered: metered})
	if c.high > 0 && !c.paused && c.total-c.released > c.high {
		c.paused = true
		return true
	}
	return false
}

// Finish marks the content complete: nothing will be appended.
func (c *Content) Finish() {
	c.mu.Lock()
	c.complete = true
	c.mu.Unlock()
}

// Abort marks the content aborted: it will never be complete and its readers must not pass it on as whole.
func (c *Content) Abort() {
	c.mu.Lock()
	c.aborted = true
	c.mu.Unlock()
}

// IsAborted tells whether the writer gave up.
func (c *Content) IsAborted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aborted
}

// IsComplete tells whether the last octet has been appended.
func (c *Content) IsComplete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.complete
}

// Paused tells whether the writer was told to pause and not yet to resume.
func (c *Content) Paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused
}

// Share sets the number of readers and the high-water mark in octets (at least 1), before the first read. With no
// readers, what has been appended is released, and nothing more will be kept.
func (c *Content) Share(readers, high int) {
	c.mu.Lock()
	c.readers, c.high = readers, high
	for i := range c.segments {
		c.segments[i].readers = readers
	}
	c.drop()
	c.mu.Unlock()
}

// Buffered is the number of octets appended so far.
func (c *Content) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Head returns the first segment without consuming it: the octets a router looks at to find the address.
func (c *Content) Head() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base+c.first != 0 || len(c.segments) == 0 {
		return nil
	}
	return c.segments[0].B
}

// Gather copies everything appended so far into dst[:0]; no reader may have started.
func (c *Content) Gather(dst []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	dst = dst[:0]
	for i := range c.segments {
		dst = append(dst, c.segments[i].B...)
	}
	return dst
}

// Status of a read.
type Status uint8

// What a reader finds: octets or the end, nothing yet, or an abort.
const (
	More    Status = iota // octets, and there may be more later
	Last                  // octets (or none), and they are the last
	Pending               // nothing now, the writer has not finished
	Aborted               // the writer gave up
)

// Read returns the octets at the cursor, up to the end of a segment, without moving it. The slice stays valid until
// Advance passes it; a reader that needs it longer retains its chunk first.
func (c *Content) Read(at *Cursor) (Slice, Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return Slice{}, Aborted
	}
	i := at.segment - c.base
	if i >= len(c.segments) {
		if c.complete {
			return Slice{}, Last
		}
		return Slice{}, Pending
	}
	c.lend(at)
	s := c.segments[i].Slice
	s.B = s.B[at.offset:]
	if c.complete && i == len(c.segments)-1 {
		return s, Last
	}
	return s, More
}

// ReadSlices appends to dst the octets at the cursor without moving it: whole segments until at least limit octets are
// there, so that a frame can be filled from several. The slices stay valid until Advance passes them.
func (c *Content) ReadSlices(at *Cursor, dst []Slice, limit int) ([]Slice, Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return dst, Aborted
	}
	i, offset := at.segment-c.base, at.offset
	if i >= len(c.segments) && !c.complete {
		return dst, Pending
	}
	c.lend(at)
	for ; i < len(c.segments) && limit > 0; i++ {
		s := c.segments[i].Slice
		s.B = s.B[offset:]
		offset = 0
		limit -= len(s.B)
		dst = append(dst, s)
	}
	if c.complete && i >= len(c.segments) {
		return dst, Last
	}
	return dst, More
}

// Advance moves the cursor n octets on, over as many segments as that takes, releasing what every reader has passed. It
// tells whether the writer, which was told to pause, may resume.
func (c *Content) Advance(at *Cursor, n int) (resume bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.returned(at)
	passed := false
	for i := at.segment - c.base; i < len(c.segments); i++ {
		rest := len(c.segments[i].B) - at.offset
		if n < rest {
			at.offset += n
			break
		}
		n -= rest
		at.segment, at.offset = at.segment+1, 0
		c.segments[i].readers--
		passed = true
	}
	if !passed {
		return false
	}
	c.drop()
	return c.mayResume()
}

// Leave is called by a reader that will read no more: everything from its cursor on is passed for it.
func (c *Content) Leave(at *Cursor) (resume bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.returned(at)
	c.readers--
	for i := max(at.segment-c.base, c.first); i < len(c.segments); i++ {
		c.segments[i].readers--
	}
	c.drop()
	return c.mayResume()
}

// lend notes that a reader has slices, which must stay where they are.
func (c *Content) lend(at *Cursor) {
	if !at.lent {
		at.lent = true
		c.lent++
	}
}

// returned notes that a reader has no slices any more.
func (c *Content) returned(at *Cursor) {
	if at.lent {
		at.lent = false
		c.lent--
	}
}

// octetsIn is how many octets of a chunk the content holds and would let go of, were they moved.
func (c *Content) octetsIn(chunk *Chunk) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for i := c.first; i < len(c.segments); i++ {
		if c.segments[i].C == chunk {
			n += len(c.segments[i].B)
		}
	}
	return n
}

// move copies what the content holds of a chunk to where there is room for it, unless somebody is reading it.
func (c *Content) move(from *Chunk, room func(octets int) Slice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lent > 0 {
		return
	}
	for i := c.first; i < len(c.segments); i++ {
		s := &c.segments[i]
		if s.C != from {
			continue
		}
		to := room(len(s.B))
		copy(to.B, s.B)
		to.C.Retain()
		to.C.usedBy(c)
		s.Slice = to
		from.Release()
	}
}

// drop releases the segments at the front that every reader has passed. The rest is moved forward when it is the
// smaller part, so that a long queue is not moved for each of its segments.
func (c *Content) drop() {
	for c.first < len(c.segments) && c.segments[c.first].readers <= 0 {
		s := &c.segments[c.first]
		c.released += len(s.B)
		c.unmeter(s)
		s.C.Release()
		*s = segment{}
		c.first++
	}
	if 2*c.first < len(c.segments) {
		return
	}
	rest := copy(c.segments, c.segments[c.first:])
	clear(c.segments[rest:])
	c.segments = c.segments[:rest]
	c.base += c.first
	c.first = 0
}

func (c *Content) mayResume() bool {
	if c.paused && c.total-c.released <= c.high/2 {
		c.paused = false
		return true
	}
	return false
}

// Skip moves the cursor n octets on within a segment without passing its end.
func (at *Cursor) Skip(n int) { at.offset += n }
