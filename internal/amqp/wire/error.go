package wire

// errorLayout is the error composite [2.8.14].
var errorLayout = layout{"error", DescriptorError, []string{"condition", "description", "info"}}

// DecodeErrorComposite decodes the error composite that starts at b[0].
func DecodeErrorComposite(b []byte) (e *Error, rest []byte, err error) {
	e, next, bad := errorAt(b, 0)
	if bad != nil {
		return nil, nil, bad
	}
	return e, b[next:], nil
}

// Append appends the encoding of e; null when e is nil.
func (e *Error) Append(dst []byte) []byte {
	if e == nil {
		return AppendNull(dst)
	}
	w := beginList(dst, DescriptorError)
	w.symbol(e.Condition, true)
	w.text(e.Description, e.Description != "")
	w.raw(e.Info)
	return w.end()
}

// errorAt decodes the error composite at b[i].
func errorAt(b []byte, i int) (e *Error, next int, bad *DecodeError) {
	f := errorLayout.enter(b, i)
	e = &Error{}
	e.Condition, _ = f.symbol(mandatory)
	e.Description, _ = f.text(optional)
	e.Info = f.mapping().Clone()
	next, bad = f.end()
	if bad != nil {
		return nil, 0, bad
	}
	return e, next, nil
}

// problem decodes a field that holds an error composite.
func (f *fields) problem() *Error {
	if !f.next(optional) {
		return nil
	}
	e, next, bad := errorAt(f.b, f.i)
	if bad != nil {
		f.fail(bad)
		return nil
	}
	f.i = next
	return e
}

// problem appends a field that holds an error composite, null when e is nil.
func (w *listWriter) problem(e *Error) {
	if e == nil {
		w.null()
		return
	}
	w.field()
	w.b = e.Append(w.b)
}
