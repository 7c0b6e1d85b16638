package wire

// Layouts of the delivery states [3.4, 4.5.5, 4.5.6].
var (
	rejectedLayout = layout{"rejected", DescriptorRejected, []string{"error"}}
	modifiedLayout = layout{"modified", DescriptorModified,
		[]string{"delivery-failed", "undeliverable-here", "message-annotations"}}
)

// Encodings of the states that need no fields.
var (
	encodedAccepted = Raw{CodeDescribed, CodeSmallUlong, byte(DescriptorAccepted), CodeList0}
	encodedRejected = Raw{CodeDescribed, CodeSmallUlong, byte(DescriptorRejected), CodeList0}
	encodedReleased = Raw{CodeDescribed, CodeSmallUlong, byte(DescriptorReleased), CodeList0}
	encodedModified = Raw{CodeDescribed, CodeSmallUlong, byte(DescriptorModified), CodeList0}
)

// field returns the octets of s: Raw, or those of the kind alone. They are nil for no state.
func (s State) field() Raw {
	if len(s.Raw) > 0 {
		return s.Raw
	}
	switch s.Kind {
	case StateAccepted:
		return encodedAccepted
	case StateRejected:
		return encodedRejected
	case StateReleased:
		return encodedReleased
	case StateModified:
		return encodedModified
	}
	return nil
}

// Append appends the encoding of s: Raw where it is set, the kind alone for kinds that need no fields, else null.
func (s State) Append(dst []byte) []byte {
	if raw := s.field(); raw != nil {
		return append(dst, raw...)
	}
	return AppendNull(dst)
}

// Terminal tells whether s is an outcome: no other state can follow it [3.4]. A transactional state is provisional
// even when it carries an outcome [4.5.6].
func (s State) Terminal() bool {
	switch s.Kind {
	case StateAccepted, StateRejected, StateReleased, StateModified, StateDeclared:
		return true
	}
	return false
}

// Clone returns s with a copy of Raw, to be kept when the input that it references goes away.
func (s State) Clone() State { return State{s.Kind, s.Raw.Clone()} }

// Clone returns a copy of r.
func (r Raw) Clone() Raw {
	if r == nil {
		return nil
	}
	return append(make(Raw, 0, len(r)), r...)
}

// RejectedState returns the rejected outcome [3.4.3] with an error, which may be nil.
func RejectedState(e *Error) State {
	if e == nil {
		return State{Kind: StateRejected}
	}
	w := beginList(nil, DescriptorRejected)
	w.problem(e)
	return State{StateRejected, w.end()}
}

// ModifiedState returns the modified outcome [3.4.5]. The annotations are an encoded map or nil.
func ModifiedState(deliveryFailed, undeliverableHere bool, annotations Raw) State {
	if !deliveryFailed && !undeliverableHere && len(annotations) == 0 {
		return State{Kind: StateModified}
	}
	w := beginList(nil, DescriptorModified)
	w.trueOrNull(deliveryFailed)
	w.trueOrNull(undeliverableHere)
	w.raw(annotations)
	return State{StateModified, w.end()}
}

// RejectedError returns the error of a rejected outcome, nil when there is none or s is not rejected.
func (s State) RejectedError() *Error {
	if s.Kind != StateRejected || len(s.Raw) == 0 {
		return nil
	}
	f := rejectedLayout.enter(s.Raw, 0)
	return f.problem()
}

// Modified returns the fields of a modified outcome [3.4.5]; annotations references s.Raw. The error is not nil when s
// is not modified or its fields are not as they should be.
func (s State) Modified() (deliveryFailed, undeliverableHere bool, annotations Raw, err error) {
	if s.Kind == StateModified && len(s.Raw) == 0 {
		return false, false, nil, nil
	}
	f := modifiedLayout.enter(s.Raw, 0)
	deliveryFailed = f.boolean(optional)
	undeliverableHere = f.boolean(optional)
	annotations = f.mapping()
	if _, bad := f.end(); bad != nil {
		return false, false, nil, bad
	}
	return deliveryFailed, undeliverableHere, annotations, nil
}

// DecodeState decodes the delivery state that starts at b[0], which may be null. Its Raw references b.
func DecodeState(b []byte) (s State, rest []byte, err error) {
	if IsNull(b) {
		return State{}, b[1:], nil
	}
	s, next, bad := stateAt(b, 0)
	if bad != nil {
		return State{}, nil, bad
	}
	return s, b[next:], nil
}

// stateAt decodes the delivery state at b[i], which is not null.
func stateAt(b []byte, i int) (s State, next int, bad *DecodeError) {
	if i+3 < len(b) && b[i] == CodeDescribed && b[i+1] == CodeSmallUlong && b[i+3] == CodeList0 {
		switch uint64(b[i+2]) { // the states that nearly all dispositions carry
		case DescriptorAccepted:
			return State{Kind: StateAccepted}, i + 4, nil
		case DescriptorReleased:
			return State{Kind: StateReleased}, i + 4, nil
		}
	}
	return anyStateAt(b, i)
}

// anyStateAt is stateAt for states of any form.
func anyStateAt(b []byte, i int) (s State, next int, bad *DecodeError) {
	if i >= len(b) {
		return State{}, 0, truncated(b, i)
	}
	if next, bad = skip(b, i); bad != nil {
		return State{}, 0, bad
	}
	if b[i] != CodeDescribed {
		return State{}, 0, invalid(i, "format code %s where a delivery state should stand", describeCode(b[i]))
	}
	s = State{StateOther, Raw(b[i:next:next])}
	code, at, unknown := descriptorAt(b[:next], i)
	if unknown != nil {
		return s, next, nil // an extension: its descriptor is ulong, symbol or anything else
	}
	kind, known := stateKinds[code]
	if !known {
		return s, next, nil
	}
	s.Kind = kind
	_, _, count, bad := compoundAt(b[:next], at, CodeList8, "list of a delivery state")
	if bad != nil {
		return State{}, 0, bad
	}
	switch {
	case kind == StateRejected:
		f := rejectedLayout.enterList(b[:next], at)
		f.problem()
		if _, bad := f.end(); bad != nil {
			return State{}, 0, bad
		}
	case count == 0 && (kind == StateAccepted || kind == StateReleased):
		s.Raw = nil
	}
	return s, next, nil
}

// stateKinds gives the kind for the descriptor of a delivery state.
var stateKinds = map[uint64]StateKind{
	DescriptorReceived:           StateReceived,
	DescriptorAccepted:           StateAccepted,
	DescriptorRejected:           StateRejected,
	DescriptorReleased:           StateReleased,
	DescriptorModified:           StateModified,
	DescriptorDeclared:           StateDeclared,
	DescriptorTransactionalState: StateTransactional,
}

// state decodes a field that holds a delivery state. It references the input.
func (f *fields) state() State {
	if !f.next(optional) {
		return State{}
	}
	s, next, bad := stateAt(f.b, f.i)
	if bad != nil {
		f.fail(bad)
		return State{}
	}
	f.i = next
	return s
}
