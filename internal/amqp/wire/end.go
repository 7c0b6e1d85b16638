package wire

// endLayout is the table of [2.7.8].
var endLayout = layout{"end", DescriptorEnd, []string{"error"}}

// Decode decodes the end performative that starts at body[0] into x, and returns what follows it.
func (x *End) Decode(body []byte) (rest []byte, err error) {
	f := endLayout.enter(body, 0)
	*x = End{}
	x.Error = f.problem()
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *End) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorEnd)
	w.problem(x.Error)
	return w.end()
}
