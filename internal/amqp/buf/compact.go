package buf

// sparse is the part of a chunk, as its reciprocal, below which what is still held of it is moved: so much memory is
// gained for each octet that is copied.
const sparse = 4

// Compact moves what is held of chunks that are mostly empty to where it takes less, so that a small message that waits
// does not hold the large chunk that it was read into. Contents that somebody is reading stay. Nobody may add to the
// contents meanwhile, or use what Head has returned.
func (m *Meter) Compact() {
	m.mu.Lock()
	chunks := make([]*Chunk, 0, len(m.chunks))
	for _, c := range m.chunks {
		if c.retainUsed() {
			chunks = append(chunks, c)
		}
	}
	m.mu.Unlock()
	p := packer{meter: m}
	rest := chunks[:0]
	for _, c := range chunks {
		if n := c.octetsUsed(); n > 0 && n <= len(c.B)/sparse {
			p.left += n
			rest = append(rest, c)
		} else {
			c.Release()
		}
	}
	for _, c := range rest {
		for _, u := range c.users {
			u.move(c, p.room)
		}
		c.Release()
	}
	if p.chunk != nil {
		p.chunk.Leave(m)
	}
}

// octetsUsed is how many octets of a chunk contents hold, or more if one was given slices in turns with others.
func (c *Chunk) octetsUsed() int {
	n := 0
	for _, u := range c.users {
		if n += u.octetsIn(c); n > len(c.B)/sparse {
			break
		}
	}
	return n
}

// packer makes room for slices beside each other.
type packer struct {
	meter *Meter
	chunk *Chunk
	used  int
	left  int // octets that are still to come, at most
}

// room returns room for so many octets. The packer has a reference to the chunk until it takes the next.
func (p *packer) room(octets int) Slice {
	if p.chunk == nil || len(p.chunk.B)-p.used < octets {
		if p.chunk != nil {
			p.chunk.Leave(p.meter)
		}
		size := SmallChunk
		if p.left >= MediumChunk/2 {
			size = MediumChunk
		}
		p.chunk, p.used = NewChunk(max(size, octets)), 0
	}
	s := Slice{B: p.chunk.B[p.used : p.used+octets : p.used+octets], C: p.chunk}
	p.used += octets
	p.left -= octets
	return s
}
