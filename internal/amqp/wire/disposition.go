package wire

// dispositionLayout is the table of [2.7.6].
var dispositionLayout = layout{"disposition", DescriptorDisposition, []string{"role", "first", "last", "settled",
	"state", "batchable"}}

// Decode decodes the disposition performative that starts at body[0] into x, and returns what follows it. State.Raw
// references body. It allocates nothing for states other than rejected with an error.
func (x *Disposition) Decode(body []byte) (rest []byte, err error) {
	if end := x.decodeUsual(body); end > 0 {
		return body[end:], nil
	}
	return x.decodeFields(body)
}

// decodeUsual returns the position after the performative, 0 when decodeFields must decide.
func (x *Disposition) decodeUsual(body []byte) (end int) {
	i, end, n, ok := usualList(body, byte(DescriptorDisposition), len(dispositionLayout.fields))
	if !ok || n < 2 {
		return 0
	}
	b := body[:end]
	*x = Disposition{}
	role := false
	if role, i, ok = boolAt(b, i); !ok {
		return 0
	}
	x.Role = Role(role)
	if x.First, i, ok = uintAt(b, i); !ok {
		return 0
	}
	x.Last = x.First
	if n > 2 {
		last, present := uint32(0), false
		if last, present, i, ok = optionalUintAt(b, i); !ok {
			return 0
		}
		if present {
			x.Last = last
		}
	}
	if n > 3 {
		if x.Settled, _, i, ok = optionalBoolAt(b, i); !ok {
			return 0
		}
	}
	if n > 4 {
		if i < end && b[i] == CodeNull {
			i++
		} else {
			var bad *DecodeError
			if x.State, i, bad = stateAt(b, i); bad != nil {
				return 0
			}
		}
	}
	if n > 5 {
		if x.Batchable, _, i, ok = optionalBoolAt(b, i); !ok {
			return 0
		}
	}
	if i != end {
		return 0
	}
	return end
}

func (x *Disposition) decodeFields(body []byte) (rest []byte, err error) {
	f := dispositionLayout.enter(body, 0)
	*x = Disposition{}
	x.Role = Role(f.boolean(mandatory))
	x.First, _ = f.uint(mandatory)
	x.Last = x.First
	if last, ok := f.uint(optional); ok {
		x.Last = last
	}
	x.Settled = f.boolean(optional)
	x.State = f.state()
	x.Batchable = f.boolean(optional)
	return f.rest(body)
}

// Append appends the encoding of x. It allocates nothing when dst has room.
func (x *Disposition) Append(dst []byte) []byte {
	const fixed = 3 + list8Header + 1 + 2*5 + 2 + 1 // all but the octets of the state
	state := x.State.field()
	start, n := len(dst), x.fieldCount(state)
	dst = reserve(dst, fixed+len(state))
	b := dst[start : start+fixed+len(state)]
	b[0], b[1], b[2], b[3] = CodeDescribed, CodeSmallUlong, byte(DescriptorDisposition), CodeList8
	i := putBool(b, 6, bool(x.Role))
	i = putUint(b, i, x.First)
	if n > 2 {
		i = putUintIf(b, i, x.Last, x.Last != x.First)
	}
	if n > 3 {
		i = putBool(b, i, x.Settled)
	}
	if n > 4 {
		i = putRaw(b, i, state)
	}
	if n > 5 {
		i = putBool(b, i, x.Batchable)
	}
	return endList(dst[:start+i], start+3, n)
}

// fieldCount returns the number of fields to encode: those after it hold their defaults.
func (x *Disposition) fieldCount(state Raw) int {
	switch {
	case x.Batchable:
		return 6
	case state != nil:
		return 5
	case x.Settled:
		return 4
	case x.Last != x.First:
		return 3
	}
	return 2
}
