package wire

import "math"

// openLayout is the table of [2.7.1].
var openLayout = layout{"open", DescriptorOpen, []string{"container-id", "hostname", "max-frame-size", "channel-max",
	"idle-time-out", "outgoing-locales", "incoming-locales", "offered-capabilities", "desired-capabilities",
	"properties"}}

// Decode decodes the open performative that starts at body[0] into x, and returns what follows it.
func (x *Open) Decode(body []byte) (rest []byte, err error) {
	f := openLayout.enter(body, 0)
	*x = Open{MaxFrameSize: math.MaxUint32, ChannelMax: math.MaxUint16}
	x.ContainerID, _ = f.text(mandatory)
	x.Hostname, _ = f.text(optional)
	if v, ok := f.uint(optional); ok {
		x.MaxFrameSize = v
	}
	if v, ok := f.ushort(optional); ok {
		x.ChannelMax = v
	}
	x.IdleTimeOut, _ = f.uint(optional)
	x.OutgoingLocales, _ = f.symbols(optional)
	x.IncomingLocales, _ = f.symbols(optional)
	x.OfferedCapabilities, _ = f.symbols(optional)
	x.DesiredCapabilities, _ = f.symbols(optional)
	x.Properties = f.mapping().Clone()
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *Open) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorOpen)
	w.text(x.ContainerID, true)
	w.text(x.Hostname, x.Hostname != "")
	w.uint(x.MaxFrameSize, x.MaxFrameSize != math.MaxUint32)
	w.ushort(x.ChannelMax, x.ChannelMax != math.MaxUint16)
	w.uint(x.IdleTimeOut, x.IdleTimeOut != 0)
	w.symbols(x.OutgoingLocales, false)
	w.symbols(x.IncomingLocales, false)
	w.symbols(x.OfferedCapabilities, false)
	w.symbols(x.DesiredCapabilities, false)
	w.raw(x.Properties)
	return w.end()
}
