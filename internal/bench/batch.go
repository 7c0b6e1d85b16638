package bench

import (
	"encoding/binary"
	"fmt"
)

// MinSize is the smallest body a bench message can have: the time it was due and its sequence number, 8 octets each.
const MinSize = 16

// batchBytes is about how much a sender writes in one system call.
const batchBytes = 256 << 10

// batch is a buffer full of transfer frames, encoded once. Before they are written, only delivery-id, delivery-tag, due
// time and sequence number are patched in; everything has a fixed width, so every message has the same layout.
type batch struct {
	buf      []byte
	messages int // how many messages the buffer holds
	frames   int // frames of one message
	message  int // octets of one message, frame headers included
	ends     []int
	ids      []int // offsets of the delivery-ids, one per frame
	tag      int   // offset of the delivery-tag
	due      int   // offset of due time and sequence number
	body     int   // octets of the message's sections together
}

// newBatch encodes messages with a data section of size octets, cut into frames of at most maxFrame octets.
func newBatch(size int, settled bool, maxFrame int) (*batch, error) {
	if size < MinSize {
		return nil, fmt.Errorf("a body of %d octets is too small: the time stamp and the sequence number take %d",
			size, MinSize)
	}
	section := encodeDataSection(size)
	one := &batch{body: len(section)}
	start := len(section) - size // first octet of the body
	var buf []byte
	for first := true; first || len(section) > 0; first = false {
		head := transferHead(first, settled, false)
		n := min(len(section), maxFrame-8-len(head))
		if n < len(section) {
			head = transferHead(first, settled, true)
			n = min(len(section), maxFrame-8-len(head))
		}
		if first && n < start+MinSize {
			return nil, fmt.Errorf("frames of %d octets are too small to measure with", maxFrame)
		}
		one.ids = append(one.ids, len(buf)+8+deliveryIDOffset)
		if first {
			one.tag = len(buf) + 8 + deliveryTagOffset
			one.due = len(buf) + 8 + len(head) + start
		}
		buf = appendFrame(buf, frameAMQP, 0, head, section[:n])
		section = section[n:]
		one.ends = append(one.ends, len(buf))
	}
	one.frames, one.message = len(one.ids), len(buf)
	one.messages = max(1, batchBytes/len(buf))
	for range one.messages {
		one.buf = append(one.buf, buf...)
	}
	return one, nil
}

// encodeDataSection returns a data section of size octets, filled with letters so that a dump is legible [3.2.6].
func encodeDataSection(size int) []byte {
	section := []byte{0x00, 0x53, 0x75, 0xa0, byte(size)}
	if size > 0xff {
		section = append(section[:3], 0xb0)
		section = binary.BigEndian.AppendUint32(section, uint32(size))
	}
	for i := range size {
		section = append(section, 'a'+byte(i%26))
	}
	return section
}

// Offsets in the octets of transferHead.
const (
	deliveryIDOffset  = 8  // the four octets of the delivery-id
	deliveryTagOffset = 14 // the four octets of the delivery-tag
)

// transferHead encodes a transfer on handle 0, with places for delivery-id and tag. Continuations carry the delivery-id
// again, which [2.7.5] allows, and neither tag nor format.
func transferHead(first, settled, more bool) []byte {
	tag := []byte{0xa0, 4, 0, 0, 0, 0}
	format := []byte{0x43}
	if !first {
		tag, format = null, null
	}
	content := []byte{0x43, 0x70, 0, 0, 0, 0}
	content = append(content, tag...)
	content = append(content, format...)
	content = append(content, encodeBool(settled)...)
	count := byte(5)
	if more {
		content = append(content, 0x41)
		count = 6
	}
	return append([]byte{0x00, 0x53, codeTransfer, 0xc0, byte(len(content) + 1), count}, content...)
}

// stamp patches message i of the buffer.
func (b *batch) stamp(i int, deliveryID uint32, due int64, seq uint64) {
	m := b.buf[i*b.message : (i+1)*b.message]
	for _, at := range b.ids {
		binary.BigEndian.PutUint32(m[at:], deliveryID)
	}
	binary.BigEndian.PutUint32(m[b.tag:], deliveryID)
	binary.BigEndian.PutUint64(m[b.due:], uint64(due))
	binary.BigEndian.PutUint64(m[b.due+8:], seq)
}

// offset returns where frame f of message i begins in the buffer; f may be the number of frames, which is the end.
func (b *batch) offset(i, f int) int {
	at := i * b.message
	if f > 0 {
		at += b.ends[f-1]
	}
	return at
}

// mark is what a message says about itself.
type mark struct {
	due    int64  // nanoseconds of the clock of this process
	seq    uint64 // sender in the upper 16 bits, number of the message below
	size   int    // octets the data section claims
	offset int    // octets of sections before the body
}

// sequence numbers of one sender start here.
func firstSequence(sender int) uint64 { return uint64(sender) << sequenceBits }

const sequenceBits = 48

// parseMark finds the data section in the sections of a message and reads the head of its body. ok is false when b is
// too short to tell; an error when the message is none of this bench.
func parseMark(b []byte) (m mark, ok bool, err error) {
	at := 0
	for {
		if len(b)-at < 5 {
			return m, false, nil
		}
		if b[at] != 0x00 || b[at+1] != 0x53 {
			return m, false, fmt.Errorf("message section starts with % x", b[at:at+3])
		}
		if b[at+2] == 0x75 {
			break
		}
		if b[at+2] < 0x70 || b[at+2] > 0x74 {
			return m, false, fmt.Errorf("section 0x%02x stands where the data section was expected", b[at+2])
		}
		n, err := skipValue(b[at+3:])
		if err != nil {
			return m, false, nil // goes on in the next frame
		}
		at += 3 + n
	}
	switch {
	case b[at+3] == 0xa0:
		m.size, at = int(b[at+4]), at+5
	case b[at+3] != 0xb0:
		return m, false, fmt.Errorf("data section holds a value of code 0x%02x", b[at+3])
	case len(b)-at < 8:
		return m, false, nil
	default:
		m.size, at = int(binary.BigEndian.Uint32(b[at+4:])), at+8
	}
	if len(b)-at < MinSize {
		return m, false, nil
	}
	m.offset = at
	m.due = int64(binary.BigEndian.Uint64(b[at:]))
	m.seq = binary.BigEndian.Uint64(b[at+8:])
	return m, true, nil
}
