package mesh

import (
	"encoding/binary"
	"math"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// appendBody appends the body of the message as Interconnect encodes it: its Python code, which makes HELLO, RA, LSR
// and LSU, writes keys as strings and numbers as ints; its C code, which makes MAR and MAU, writes keys as symbols
// and numbers as longs. Lists and maps always have their 32-bit form, except for an empty list made by Python.
func (m *message) appendBody(dst []byte, op Opcode) []byte {
	b := composer{dst: dst, native: op == OpcodeMAR || op == OpcodeMAU}
	b.open(wire.CodeMap32)
	b.text("id", m.id)
	b.int("pv", ProtocolVersion)
	b.text("area", "0")
	switch op {
	case OpcodeHello:
		b.int("instance", m.instance)
		b.texts("seen", m.seen)
		if m.interval > 0 {
			b.int("interval", m.interval)
		}
		b.flag("refused", m.refused)
		if m.probe.sent != 0 {
			b.int("sent", m.probe.sent)
		}
		if m.probe.echo != 0 {
			b.int("echo", m.probe.echo)
			b.int("held", m.probe.held)
		}
	case OpcodeRA:
		b.int("instance", m.instance)
		b.int("ls_seq", m.lsSeq)
		b.int("mobile_seq", m.mobileSeq)
		if m.ls != nil {
			b.linkState(m.id, m.ls)
		}
		b.flag("leaving", m.leaving)
	case OpcodeLSU:
		b.int("instance", m.instance)
		b.int("ls_seq", m.lsSeq)
		b.linkState(m.id, m.ls)
	case OpcodeMAR:
		b.int("have_seq", m.haveSeq)
	case OpcodeMAU:
		b.int("mobile_seq", m.mobileSeq)
		if m.absolute {
			b.texts("exist", m.exist)
			b.ints("hints", m.hints)
		} else {
			b.ints("hints", m.hints)
			b.texts("add", m.add)
			b.texts("del", m.del)
		}
		if m.has&hasInstance != 0 {
			b.int("instance", m.instance)
		}
	case OpcodeWithhold:
		b.text("address", m.address)
		b.int("lease", m.lease)
	}
	b.close()
	return b.dst
}

// composer writes nested lists and maps whose sizes become known at their end.
type composer struct {
	dst    []byte
	native bool // the way of Interconnect's C code
	stack  [5]struct{ start, count int }
	depth  int
}

// open begins a list or map.
func (b *composer) open(code byte) {
	b.stack[b.depth].start, b.stack[b.depth].count = len(b.dst), 0
	b.depth++
	b.dst = append(b.dst, code, 0, 0, 0, 0, 0, 0, 0, 0)
}

// close ends the list or map that was begun last.
func (b *composer) close() {
	b.depth--
	s := b.stack[b.depth]
	binary.BigEndian.PutUint32(b.dst[s.start+1:], uint32(len(b.dst)-s.start-5))
	binary.BigEndian.PutUint32(b.dst[s.start+5:], uint32(s.count))
	if b.depth > 0 {
		b.stack[b.depth-1].count++
	}
}

func (b *composer) counted() { b.stack[b.depth-1].count++ }

func (b *composer) key(key string) {
	if b.native {
		b.dst = wire.AppendSymbol(b.dst, key)
	} else {
		b.dst = wire.AppendString(b.dst, key)
	}
	b.counted()
}

func (b *composer) text(key, value string) {
	b.key(key)
	b.dst = wire.AppendString(b.dst, value)
	b.counted()
}

func (b *composer) int(key string, value int64) {
	b.key(key)
	if b.native || value < math.MinInt32 || value > math.MaxInt32 {
		b.dst = wire.AppendInt64(b.dst, value)
	} else {
		b.dst = wire.AppendInt32(b.dst, int32(value))
	}
	b.counted()
}

// flag writes a flag only if it is set.
func (b *composer) flag(key string, set bool) {
	if set {
		b.int(key, 1)
	}
}

func (b *composer) texts(key string, values []string) {
	b.key(key)
	if len(values) == 0 && !b.native {
		b.dst = append(b.dst, wire.CodeList0)
		b.counted()
		return
	}
	b.open(wire.CodeList32)
	for _, v := range values {
		b.dst = wire.AppendString(b.dst, v)
		b.counted()
	}
	b.close()
}

func (b *composer) ints(key string, values []int64) {
	b.key(key)
	b.open(wire.CodeList32)
	for _, v := range values {
		b.dst = wire.AppendInt32(b.dst, int32(v))
		b.counted()
	}
	b.close()
}

func (b *composer) linkState(id string, ls *linkState) {
	b.key("ls")
	b.open(wire.CodeMap32)
	b.text("id", id)
	b.text("area", "0")
	b.int("ls_seq", ls.seq)
	b.key("peers")
	b.open(wire.CodeMap32)
	for _, p := range ls.peers {
		b.int(p.ID, int64(p.Cost))
	}
	b.close()
	if ls.instances != nil {
		b.key("instances")
		b.open(wire.CodeList32)
		for _, i := range ls.instances {
			b.dst = wire.AppendInt64(b.dst, i)
			b.counted()
		}
		b.close()
	}
	b.flag("overload", ls.overload)
	b.close()
}
