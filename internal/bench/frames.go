package bench

import (
	"encoding/binary"
	"fmt"
	"io"
)

// frame is one frame as it lies in the read buffer; body is valid until the next fill [2.3].
type frame struct {
	typ     byte
	channel uint16
	body    []byte
}

// frameReader cuts a stream into frames, in place.
type frameReader struct {
	src   io.Reader
	buf   []byte
	start int // first octet not consumed
	end   int // one past the last octet read
	max   int // largest frame accepted
}

func newFrameReader(src io.Reader, size, maxFrame int) *frameReader {
	return &frameReader{src: src, buf: make([]byte, max(size, maxFrame)), max: maxFrame}
}

// fill reads once from the source, at least one octet. Frames returned before are gone.
func (r *frameReader) fill() error {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.end -= r.start
		r.start = 0
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// next returns the next complete frame in the buffer; ok is false when more must be filled in first.
func (r *frameReader) next() (f frame, ok bool, err error) {
	b := r.buf[r.start:r.end]
	if len(b) < 8 {
		return f, false, nil
	}
	size := int(binary.BigEndian.Uint32(b))
	doff := int(b[4]) * 4
	if size < 8 || size > r.max || doff < 8 || doff > size {
		return f, false, fmt.Errorf("peer sent a frame of %d octets with data offset %d (at most %d are allowed)",
			size, doff, r.max)
	}
	if len(b) < size {
		return f, false, nil
	}
	r.start += size
	return frame{typ: b[5], channel: binary.BigEndian.Uint16(b[6:]), body: b[doff:size]}, true, nil
}

// read returns the next frame, filling as often as it takes. Empty frames are passed over [2.4.5].
func (r *frameReader) read() (frame, error) {
	for {
		f, ok, err := r.next()
		if err != nil {
			return f, err
		}
		if ok && len(f.body) > 0 {
			return f, nil
		}
		if ok {
			continue
		}
		if err := r.fill(); err != nil {
			return f, err
		}
	}
}

// header reads a protocol header of eight octets [2.2].
func (r *frameReader) header() ([8]byte, error) {
	for r.end-r.start < 8 {
		if err := r.fill(); err != nil {
			return [8]byte{}, err
		}
	}
	h := [8]byte(r.buf[r.start:])
	r.start += 8
	return h, nil
}

// transfer is what a receiver needs of a transfer performative [2.7.5].
type transfer struct {
	deliveryID uint32
	hasID      bool // continuation frames may leave the id out
	settled    bool
	more       bool
	aborted    bool
	payload    []byte // in the read buffer
}

// Positions of fields in the transfer performative [2.7.5].
const (
	transferDeliveryID = 1
	transferSettled    = 4
	transferMore       = 5
	transferAborted    = 9
)

// parseTransfer reads the fields of a transfer in place.
func parseTransfer(c cursor, payload []byte) (transfer, error) {
	t := transfer{payload: payload}
	for i := 0; c.left > 0; i++ {
		f, err := c.next()
		if err != nil {
			return t, fmt.Errorf("transfer, field %d: %w", i, err)
		}
		switch i {
		case transferDeliveryID:
			id, ok := f.ulong()
			t.deliveryID, t.hasID = uint32(id), ok
		case transferSettled:
			t.settled = f.truth()
		case transferMore:
			t.more = f.truth()
		case transferAborted:
			t.aborted = f.truth()
		}
	}
	return t, nil
}

// flow is what a flow performative says about a link and its session [2.7.4].
type flow struct {
	windowEnd     uint32 // transfer-id at which the session window ends
	onLink        bool
	deliveryCount uint32
	credit        uint32
	drain         bool
	echo          bool
}

// parseFlow reads the fields of a flow in place.
func parseFlow(c cursor) (flow, error) {
	var f flow
	for i := 0; c.left > 0; i++ {
		v, err := c.next()
		if err != nil {
			return f, fmt.Errorf("flow, field %d: %w", i, err)
		}
		switch i {
		case 0, 1: // next-incoming-id, absent before our begin was seen; our transfers start at 0 [2.5.6]; window
			f.windowEnd += v.uintOr(0)
		case 4:
			f.onLink = !v.isNull()
		case 5:
			f.deliveryCount = v.uintOr(0)
		case 6:
			f.credit = v.uintOr(0)
		case 8:
			f.drain = v.truth()
		case 9:
			f.echo = v.truth()
		}
	}
	return f, nil
}

// disposition is what a disposition says [2.7.6].
type disposition struct {
	receiver bool // role of the side that says it
	first    uint32
	last     uint32
	settled  bool
	state    field
}

// parseDisposition reads the fields of a disposition in place.
func parseDisposition(c cursor) (disposition, error) {
	d := disposition{state: null}
	for i := 0; c.left > 0; i++ {
		v, err := c.next()
		if err != nil {
			return d, fmt.Errorf("disposition, field %d: %w", i, err)
		}
		switch i {
		case 0:
			d.receiver = v.truth()
		case 1:
			d.first = v.uintOr(0)
			d.last = d.first
		case 2:
			d.last = v.uintOr(d.first)
		case 3:
			d.settled = v.truth()
		case 4:
			d.state = v
		}
	}
	return d, nil
}

// outcome numbers the ways a delivery can end [3.4].
type outcome int

const (
	outcomeAccepted outcome = iota
	outcomeRejected
	outcomeReleased
	outcomeModified
	outcomeNone // settled without a terminal state
	outcomeKinds
)

var outcomeNames = [outcomeKinds]string{"accepted", "rejected", "released", "modified", "settled without outcome"}

// outcomeOf returns the outcome a delivery state is.
func outcomeOf(state field) outcome {
	if state.isNull() {
		return outcomeNone
	}
	code, _, _, err := splitDescribed(state)
	if err != nil || code < codeAccepted || code > codeModified {
		return outcomeNone
	}
	return outcome(code - codeAccepted)
}
