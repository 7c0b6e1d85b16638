package wire

// listWriter appends the list of a composite value. Null fields are held back until a field follows them, so that
// trailing ones are omitted. The list is written with an 8-bit header, which end widens when it must.
type listWriter struct {
	b     []byte
	start int // position of the list's format code
	count int // fields written
	nulls int // fields held back
}

const list8Header = 3 // format code, size, count

// beginList appends the descriptor of a composite value and the room for its list8 header.
func beginList(dst []byte, code uint64) listWriter {
	dst = AppendDescriptor(dst, code)
	return listWriter{b: append(dst, CodeList8, 0, 0), start: len(dst)}
}

// end fills in the header and returns the finished encoding.
func (w *listWriter) end() []byte {
	if w.count == 0 {
		return append(w.b[:w.start], CodeList0)
	}
	return endList(w.b, w.start, w.count)
}

// endList fills in the header of the list of count fields that starts at dst[start] with room for a list8 header.
func endList(dst []byte, start, count int) []byte {
	size := len(dst) - start - list8Header
	if size+1 <= 0xff {
		dst[start+1], dst[start+2] = byte(size+1), byte(count)
		return dst
	}
	const wider = 6
	dst = append(dst, make([]byte, wider)...)
	copy(dst[start+list8Header+wider:], dst[start+list8Header:])
	appendCompoundHeader(dst[:start], CodeList8, size, count)
	return dst
}

func (w *listWriter) null() { w.nulls++ }

// field writes the nulls held back and counts the field that is written next.
func (w *listWriter) field() {
	for ; w.nulls > 0; w.nulls-- {
		w.b = append(w.b, CodeNull)
		w.count++
	}
	w.count++
}

// The methods below append one field. Those with a parameter present append null when it is false.

func (w *listWriter) boolean(v bool) {
	w.field()
	w.b = AppendBool(w.b, v)
}

func (w *listWriter) trueOrNull(v bool) {
	if !v {
		w.null()
		return
	}
	w.boolean(true)
}

func (w *listWriter) ubyte(v uint8, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendUbyte(w.b, v)
}

func (w *listWriter) ushort(v uint16, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendUshort(w.b, v)
}

func (w *listWriter) uint(v uint32, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendUint32(w.b, v)
}

func (w *listWriter) ulong(v uint64, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendUlong(w.b, v)
}

func (w *listWriter) text(v string, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendString(w.b, v)
}

func (w *listWriter) symbol(v Symbol, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendSymbol(w.b, v)
}

func (w *listWriter) binary(v []byte, present bool) {
	if !present {
		w.null()
		return
	}
	w.field()
	w.b = AppendBinary(w.b, v)
}

func (w *listWriter) raw(v Raw) {
	if len(v) == 0 {
		w.null()
		return
	}
	w.field()
	w.b = append(w.b, v...)
}

// symbols appends null for no symbols, a plain symbol for one when single is set, an array otherwise.
func (w *listWriter) symbols(v []Symbol, single bool) {
	switch {
	case len(v) == 0:
		w.null()
	case len(v) == 1 && single:
		w.symbol(v[0], true)
	default:
		w.field()
		w.b = AppendSymbolArray(w.b, v)
	}
}
