package wire

// attachLayout is the table of [2.7.3].
var attachLayout = layout{"attach", DescriptorAttach, []string{"name", "handle", "role", "snd-settle-mode",
	"rcv-settle-mode", "source", "target", "unsettled", "incomplete-unsettled", "initial-delivery-count",
	"max-message-size", "offered-capabilities", "desired-capabilities", "properties"}}

// Decode decodes the attach performative that starts at body[0] into x, and returns what follows it.
func (x *Attach) Decode(body []byte) (rest []byte, err error) {
	f := attachLayout.enter(body, 0)
	*x = Attach{}
	x.Name, _ = f.text(mandatory)
	x.Handle, _ = f.uint(mandatory)
	x.Role = Role(f.boolean(mandatory))
	x.SndSettleMode = SenderSettleMode(f.enum(uint8(SenderMixed), uint8(SenderMixed)))
	x.RcvSettleMode = ReceiverSettleMode(f.enum(uint8(ReceiverFirst), uint8(ReceiverSecond)))
	x.Source = f.source()
	x.Target, x.Coordinator = f.target()
	x.Unsettled = f.mapping().Clone()
	x.IncompleteUnsettled = f.boolean(optional)
	x.InitialDeliveryCount, x.HasInitialDelivery = f.uint(optional)
	x.MaxMessageSize, _ = f.ulong(optional)
	x.OfferedCapabilities, _ = f.symbols(optional)
	x.DesiredCapabilities, _ = f.symbols(optional)
	x.Properties = f.mapping().Clone()
	return f.rest(body)
}

// enum decodes a ubyte field of a restricted type whose values run from 0 to highest.
func (f *fields) enum(absent, highest uint8) uint8 {
	at := f.i
	v, ok := f.ubyte(optional)
	if !ok {
		return absent
	}
	if v > highest {
		f.fail(invalid(at, "value %d, which must be at most %d", v, highest))
	}
	return v
}

// Append appends the encoding of x. The coordinator, when set, is the target.
func (x *Attach) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorAttach)
	w.text(x.Name, true)
	w.uint(x.Handle, true)
	w.boolean(bool(x.Role))
	w.ubyte(uint8(x.SndSettleMode), x.SndSettleMode != SenderMixed)
	w.ubyte(uint8(x.RcvSettleMode), x.RcvSettleMode != ReceiverFirst)
	if x.Source == nil {
		w.null()
	} else {
		w.field()
		w.b = x.Source.Append(w.b)
	}
	switch {
	case x.Coordinator != nil:
		w.field()
		w.b = x.Coordinator.Append(w.b)
	case x.Target != nil:
		w.field()
		w.b = x.Target.Append(w.b)
	default:
		w.null()
	}
	w.raw(x.Unsettled)
	w.trueOrNull(x.IncompleteUnsettled)
	w.uint(x.InitialDeliveryCount, x.HasInitialDelivery)
	w.ulong(x.MaxMessageSize, x.MaxMessageSize != 0)
	w.symbols(x.OfferedCapabilities, false)
	w.symbols(x.DesiredCapabilities, false)
	w.raw(x.Properties)
	return w.end()
}
