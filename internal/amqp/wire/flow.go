package wire

// flowLayout is the table of [2.7.4].
var flowLayout = layout{"flow", DescriptorFlow, []string{"next-incoming-id", "incoming-window", "next-outgoing-id",
	"outgoing-window", "handle", "delivery-count", "link-credit", "available", "drain", "echo", "properties"}}

// Decode decodes the flow performative that starts at body[0] into x, and returns what follows it. Properties
// references body. It allocates nothing.
func (x *Flow) Decode(body []byte) (rest []byte, err error) {
	if end := x.decodeUsual(body); end > 0 {
		return body[end:], nil
	}
	return x.decodeFields(body)
}

// decodeUsual returns the position after the performative, 0 when decodeFields must decide.
func (x *Flow) decodeUsual(body []byte) (end int) {
	i, end, n, ok := usualList(body, byte(DescriptorFlow), len(flowLayout.fields)-1)
	if !ok || n < 4 {
		return 0
	}
	b := body[:end]
	*x = Flow{}
	if x.NextIncomingID, x.HasNextIncomingID, i, ok = optionalUintAt(b, i); !ok {
		return 0
	}
	if x.IncomingWindow, i, ok = uintAt(b, i); !ok {
		return 0
	}
	if x.NextOutgoingID, i, ok = uintAt(b, i); !ok {
		return 0
	}
	if x.OutgoingWindow, i, ok = uintAt(b, i); !ok {
		return 0
	}
	if n > 4 {
		if i, ok = x.decodeUsualLink(b, i, n); !ok {
			return 0
		}
	}
	if i != end {
		return 0
	}
	return end
}

// decodeUsualLink decodes the fields from handle on.
func (x *Flow) decodeUsualLink(b []byte, i, n int) (next int, ok bool) {
	if x.Handle, x.HasHandle, i, ok = optionalUintAt(b, i); !ok {
		return 0, false
	}
	if n > 5 {
		if x.DeliveryCount, x.HasDeliveryCount, i, ok = optionalUintAt(b, i); !ok {
			return 0, false
		}
	}
	if n > 6 {
		if x.LinkCredit, x.HasLinkCredit, i, ok = optionalUintAt(b, i); !ok {
			return 0, false
		}
	}
	if n > 7 {
		if x.Available, x.HasAvailable, i, ok = optionalUintAt(b, i); !ok {
			return 0, false
		}
	}
	if n > 8 {
		if x.Drain, _, i, ok = optionalBoolAt(b, i); !ok {
			return 0, false
		}
	}
	if n > 9 {
		x.Echo, _, i, ok = optionalBoolAt(b, i)
	}
	return i, ok
}

func (x *Flow) decodeFields(body []byte) (rest []byte, err error) {
	f := flowLayout.enter(body, 0)
	*x = Flow{}
	x.NextIncomingID, x.HasNextIncomingID = f.uint(optional)
	x.IncomingWindow, _ = f.uint(mandatory)
	x.NextOutgoingID, _ = f.uint(mandatory)
	x.OutgoingWindow, _ = f.uint(mandatory)
	x.Handle, x.HasHandle = f.uint(optional)
	x.DeliveryCount, x.HasDeliveryCount = f.uint(optional)
	x.LinkCredit, x.HasLinkCredit = f.uint(optional)
	x.Available, x.HasAvailable = f.uint(optional)
	x.Drain = f.boolean(optional)
	x.Echo = f.boolean(optional)
	x.Properties = f.mapping()
	return f.rest(body)
}

// Append appends the encoding of x. It allocates nothing when dst has room.
func (x *Flow) Append(dst []byte) []byte {
	const fixed = 3 + list8Header + 8*5 + 2 + 1 // all but the octets of the properties
	start, n := len(dst), x.fieldCount()
	dst = reserve(dst, fixed+len(x.Properties))
	b := dst[start : start+fixed+len(x.Properties)]
	b[0], b[1], b[2], b[3] = CodeDescribed, CodeSmallUlong, byte(DescriptorFlow), CodeList8
	i := putUintIf(b, 6, x.NextIncomingID, x.HasNextIncomingID)
	i = putUint(b, i, x.IncomingWindow)
	i = putUint(b, i, x.NextOutgoingID)
	i = putUint(b, i, x.OutgoingWindow)
	if n > 4 {
		i = putUintIf(b, i, x.Handle, x.HasHandle)
	}
	if n > 5 {
		i = putUintIf(b, i, x.DeliveryCount, x.HasDeliveryCount)
	}
	if n > 6 {
		i = putUintIf(b, i, x.LinkCredit, x.HasLinkCredit)
	}
	if n > 7 {
		i = putUintIf(b, i, x.Available, x.HasAvailable)
	}
	if n > 8 {
		i = putBool(b, i, x.Drain)
	}
	if n > 9 {
		i = putBool(b, i, x.Echo)
	}
	if n > 10 {
		i = putRaw(b, i, x.Properties)
	}
	return endList(dst[:start+i], start+3, n)
}

// fieldCount returns the number of fields to encode: those after it hold their defaults.
func (x *Flow) fieldCount() int {
	switch {
	case len(x.Properties) > 0:
		return 11
	case x.Echo:
		return 10
	case x.Drain:
		return 9
	case x.HasAvailable:
		return 8
	case x.HasLinkCredit:
		return 7
	case x.HasDeliveryCount:
		return 6
	case x.HasHandle:
		return 5
	}
	return 4
}
