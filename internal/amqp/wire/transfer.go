package wire

// transferLayout is the table of [2.7.5].
var transferLayout = layout{"transfer", DescriptorTransfer, []string{"handle", "delivery-id", "delivery-tag",
	"message-format", "settled", "more", "rcv-settle-mode", "state", "resume", "aborted", "batchable"}}

// MaxDeliveryTag is the most octets a delivery-tag may have [2.8.7]. Decode takes longer ones, so that they need not end
// more than their link.
const MaxDeliveryTag = 32

// Decode decodes the transfer performative that starts at body[0] into x, and returns what follows it, which is the
// payload. DeliveryTag, State.Raw and rest reference body. It allocates nothing.
func (x *Transfer) Decode(body []byte) (rest []byte, err error) {
	if end := x.decodeUsual(body); end > 0 {
		return body[end:], nil
	}
	return x.decodeFields(body)
}

// decodeUsual returns the position after the performative, 0 when decodeFields must decide.
func (x *Transfer) decodeUsual(body []byte) (end int) {
	i, end, n, ok := usualList(body, byte(DescriptorTransfer), len(transferLayout.fields))
	if !ok || n == 0 {
		return 0
	}
	b := body[:end]
	*x = Transfer{}
	if x.Handle, i, ok = uintAt(b, i); !ok {
		return 0
	}
	if n > 1 {
		if x.DeliveryID, x.HasDeliveryID, i, ok = optionalUintAt(b, i); !ok {
			return 0
		}
	}
	if n > 2 {
		switch {
		case i+1 < end && b[i] == CodeBinary8 && b[i+1] <= MaxDeliveryTag && int(b[i+1]) <= end-i-2:
			after := i + 2 + int(b[i+1])
			x.DeliveryTag = b[i+2 : after : after]
			i = after
		case i < end && b[i] == CodeNull:
			i++
		default:
			return 0
		}
	}
	if n > 3 {
		if x.MessageFormat, x.HasMessageFormat, i, ok = optionalUintAt(b, i); !ok {
			return 0
		}
	}
	if n > 4 {
		if x.Settled, x.HasSettled, i, ok = optionalBoolAt(b, i); !ok {
			return 0
		}
	}
	if n > 5 {
		if x.More, _, i, ok = optionalBoolAt(b, i); !ok {
			return 0
		}
	}
	if n > 6 {
		if i, ok = x.decodeUsualTail(b, i, n); !ok {
			return 0
		}
	}
	if i != end {
		return 0
	}
	return end
}

// decodeUsualTail decodes the fields from rcv-settle-mode on.
func (x *Transfer) decodeUsualTail(b []byte, i, n int) (next int, ok bool) {
	switch {
	case i < len(b) && b[i] == CodeNull:
		i++
	case i+1 < len(b) && b[i] == CodeUbyte && b[i+1] <= uint8(ReceiverSecond):
		x.RcvSettleMode, x.HasRcvSettleMode = ReceiverSettleMode(b[i+1]), true
		i += 2
	default:
		return 0, false
	}
	if n > 7 {
		if i >= len(b) || b[i] != CodeNull {
			return 0, false // a state is rare in a transfer
		}
		i++
	}
	ok = true
	if n > 8 {
		if x.Resume, _, i, ok = optionalBoolAt(b, i); !ok {
			return 0, false
		}
	}
	if n > 9 {
		if x.Aborted, _, i, ok = optionalBoolAt(b, i); !ok {
			return 0, false
		}
	}
	if n > 10 {
		x.Batchable, _, i, ok = optionalBoolAt(b, i)
	}
	return i, ok
}

func (x *Transfer) decodeFields(body []byte) (rest []byte, err error) {
	f := transferLayout.enter(body, 0)
	*x = Transfer{}
	x.Handle, _ = f.uint(mandatory)
	x.DeliveryID, x.HasDeliveryID = f.uint(optional)
	x.DeliveryTag, _ = f.variable(optional, CodeBinary8, "binary") // a longer one is its link's error
	x.MessageFormat, x.HasMessageFormat = f.uint(optional)
	x.Settled, x.HasSettled = f.optionalBoolean()
	x.More = f.boolean(optional)
	at := f.i
	mode, present := f.ubyte(optional)
	if mode > uint8(ReceiverSecond) {
		f.fail(invalid(at, "value %d, which must be at most %d", mode, ReceiverSecond))
	}
	x.RcvSettleMode, x.HasRcvSettleMode = ReceiverSettleMode(mode), present
	x.State = f.state()
	x.Resume = f.boolean(optional)
	x.Aborted = f.boolean(optional)
	x.Batchable = f.boolean(optional)
	return f.rest(body)
}

// Append appends the encoding of x. The payload is to follow it. It allocates nothing when dst has room.
func (x *Transfer) Append(dst []byte) []byte {
	const fixed = 3 + list8Header + 4*5 + 2 + 5 // all but the octets of tag and state
	state := x.State.field()
	start, n := len(dst), x.fieldCount(state)
	dst = reserve(dst, fixed+len(x.DeliveryTag)+len(state))
	b := dst[start : start+fixed+len(x.DeliveryTag)+len(state)]
	b[0], b[1], b[2], b[3] = CodeDescribed, CodeSmallUlong, byte(DescriptorTransfer), CodeList8
	i := putUint(b, 6, x.Handle)
	if n > 1 {
		i = putUintIf(b, i, x.DeliveryID, x.HasDeliveryID)
	}
	if n > 2 {
		i = putBinaryIf(b, i, x.DeliveryTag)
	}
	if n > 3 {
		i = putUintIf(b, i, x.MessageFormat, x.HasMessageFormat)
	}
	if n > 4 {
		i = putBoolIf(b, i, x.Settled, x.HasSettled || x.Settled)
	}
	if n > 5 {
		i = putBool(b, i, x.More)
	}
	if n > 6 {
		i = x.putTail(b, i, n, state)
	}
	return endList(dst[:start+i], start+3, n)
}

// putTail writes the fields from rcv-settle-mode on.
func (x *Transfer) putTail(b []byte, i, n int, state Raw) int {
	b[i] = CodeNull
	if x.HasRcvSettleMode {
		b[i], b[i+1] = CodeUbyte, uint8(x.RcvSettleMode)
		i++
	}
	i++
	if n > 7 {
		i = putRaw(b, i, state)
	}
	if n > 8 {
		i = putBool(b, i, x.Resume)
	}
	if n > 9 {
		i = putBool(b, i, x.Aborted)
	}
	if n > 10 {
		i = putBool(b, i, x.Batchable)
	}
	return i
}

// fieldCount returns the number of fields to encode: those after it hold their defaults.
func (x *Transfer) fieldCount(state Raw) int {
	switch {
	case x.Batchable:
		return 11
	case x.Aborted:
		return 10
	case x.Resume:
		return 9
	case state != nil:
		return 8
	case x.HasRcvSettleMode:
		return 7
	case x.More:
		return 6
	case x.HasSettled || x.Settled:
		return 5
	case x.HasMessageFormat:
		return 4
	case x.DeliveryTag != nil:
		return 3
	case x.HasDeliveryID:
		return 2
	}
	return 1
}
