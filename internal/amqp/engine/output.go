package engine

import (
	"github.com/postroad/postroad/internal/amqp/buf"
)

// copyLimit is the payload size in octets up to which copying into the output is cheaper than a vector element of its
// own: below it, one memmove costs less than the kernel's work for two more elements.
const copyLimit = 2048

// Output is octets to be written, in order, and the chunks they live in. The caller takes it with
// [Connection.Take], writes Segments, and calls Release.
type Output struct {
	Segments [][]byte
	Size     int          // octets in Segments
	chunks   []*buf.Chunk // retained: payload slices and our own buffers
	own      *buf.Chunk   // where encoding goes on
	used     int          // octets of own in use
	start    int          // beginning of the open segment in own
	answers  int          // octets of Size that are no transfer frames
}

// reserve makes room for n octets in one piece and returns own.B[used:used], to be appended to and then committed.
func (o *Output) reserve(n int) []byte {
	if o.own == nil || len(o.own.B)-o.used < n {
		o.cut()
		size := buf.SmallChunk
		if o.own != nil {
			size = buf.MediumChunk
		}
		o.own = buf.NewChunk(max(size, n))
		o.chunks = append(o.chunks, o.own)
		o.used, o.start = 0, 0
	}
	return o.own.B[o.used:o.used]
}

// commit accounts for b, which was appended to the slice that reserve returned. An encoding that outgrew its
// reservation lives elsewhere and becomes a segment of its own.
func (o *Output) commit(b []byte) {
	if len(b) == 0 {
		return
	}
	o.Size += len(b)
	if o.used+len(b) <= len(o.own.B) && &b[0] == &o.own.B[o.used] {
		o.used += len(b)
		return
	}
	o.cut()
	o.Segments = append(o.Segments, b)
}

// cut closes the open segment.
func (o *Output) cut() {
	if o.own != nil && o.used > o.start {
		o.Segments = append(o.Segments, o.own.B[o.start:o.used])
		o.start = o.used
	}
}

// payload appends octets that live in a chunk, by reference when they are many.
func (o *Output) payload(s buf.Slice) {
	if len(s.B) <= copyLimit || s.C == nil {
		for b := s.B; len(b) > 0; {
			room := o.reserve(1)
			n := min(len(b), cap(room))
			o.commit(append(room, b[:n]...))
			b = b[n:]
		}
		return
	}
	o.cut()
	s.C.Retain()
	o.chunks = append(o.chunks, s.C)
	o.Segments = append(o.Segments, s.B)
	o.Size += len(s.B)
}

// Release gives the chunks back and empties the output for reuse.
func (o *Output) Release() {
	for i, c := range o.chunks {
		c.Release()
		o.chunks[i] = nil
	}
	clear(o.Segments)
	*o = Output{Segments: o.Segments[:0], chunks: o.chunks[:0]}
}

// Take moves the octets produced so far into o, which must be empty (released), and gives the connection o's memory in
// exchange. It flushes dispositions and flows that were being gathered; of very many flows it leaves a part for the next
// Take, as Dirty reports.
func (c *Connection) Take(o *Output) {
	c.flush()
	c.out.cut()
	*o, c.out = c.out, *o
}

// Pending is the number of octets produced and not yet taken.
func (c *Connection) Pending() int { return c.out.Size }

// Unsent is about how many octets that answer the peer are produced or gathered and not taken: everything but transfer
// frames. A caller that reads on while a peer takes nothing would produce them without end.
func (c *Connection) Unsent() int {
	return c.out.answers + c.states + len(c.dirty)*gatheredOctets + c.flows*flowOctets
}

// About how many octets of frames are gathered for a session, and for a link.
const (
	gatheredOctets = 64
	flowOctets     = 48
)

// Dirty tells whether Take would yield octets: some are pending, or dispositions or flows are being gathered.
func (c *Connection) Dirty() bool { return c.out.Size > 0 || len(c.dirty) > 0 }
