package wire

// closeLayout is the table of [2.7.9].
var closeLayout = layout{"close", DescriptorClose, []string{"error"}}

// Decode decodes the close performative that starts at body[0] into x, and returns what follows it.
func (x *Close) Decode(body []byte) (rest []byte, err error) {
	f := closeLayout.enter(body, 0)
	*x = Close{}
	x.Error = f.problem()
	return f.rest(body)
}

// Append appends the encoding of x.
func (x *Close) Append(dst []byte) []byte {
	w := beginList(dst, DescriptorClose)
	w.problem(x.Error)
	return w.end()
}
