package wire

// detachLayout is the table of [2.7.7].
var detachLayout = layout{"detach", DescriptorDetach, []string{"handle", "closed", "error"}}

// Decode decodes the detach performative that starts at body[0] into x, and returns what follows it.
func (x *Detach) Decode(body []byte) (rest []byte, err error) {
	f := detachLayout.enter(body, 0)
	*x = Detach{}
	x.Handle, _ = f.uint(mandatory)
	x.Closed = f.boolean(optional)
	x.Error = f.problem()
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *Detach) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorDetach)
	w.uint(x.Handle, true)
	w.trueOrNull(x.Closed)
	w.problem(x.Error)
	return w.end()
}
