package wire

import "math"

// beginLayout is the table of [2.7.2].
var beginLayout = layout{"begin", DescriptorBegin, []string{"remote-channel", "next-outgoing-id", "incoming-window",
	"outgoing-window", "handle-max", "offered-capabilities", "desired-capabilities", "properties"}}

// Decode decodes the begin performative that starts at body[0] into x, and returns what follows it.
func (x *Begin) Decode(body []byte) (rest []byte, err error) {
	f := beginLayout.enter(body, 0)
	*x = Begin{HandleMax: math.MaxUint32}
	x.RemoteChannel, x.HasRemoteChannel = f.ushort(optional)
	x.NextOutgoingID, _ = f.uint(mandatory)
	x.IncomingWindow, _ = f.uint(mandatory)
	x.OutgoingWindow, _ = f.uint(mandatory)
	if v, ok := f.uint(optional); ok {
		x.HandleMax = v
	}
	x.OfferedCapabilities, _ = f.symbols(optional)
	x.DesiredCapabilities, _ = f.symbols(optional)
	x.Properties = f.mapping().Clone()
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *Begin) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorBegin)
	w.ushort(x.RemoteChannel, x.HasRemoteChannel)
	w.uint(x.NextOutgoingID, true)
	w.uint(x.IncomingWindow, true)
	w.uint(x.OutgoingWindow, true)
	w.uint(x.HandleMax, x.HandleMax != math.MaxUint32)
	w.symbols(x.OfferedCapabilities, false)
	w.symbols(x.DesiredCapabilities, false)
	w.raw(x.Properties)
	return w.end()
}
