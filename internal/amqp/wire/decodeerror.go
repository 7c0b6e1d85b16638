package wire

import (
	"errors"
	"fmt"
)

// DecodeError says why octets could not be decoded. Condition is ErrDecode for a malformed encoding, ErrInvalidField
// for a well-formed value that does not belong where it stands, ErrFraming for a frame header that cannot be formed,
// ErrResourceLimitExceeded for a value past a limit of this package. Offset counts octets from the start of the slice
// given to the exported function. Reason says what was found and what would be right.
type DecodeError struct {
	Condition Symbol
	Offset    int
	Reason    string
}

// Error returns "condition: reason (at octet n)".
func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s: %s (at octet %d)", e.Condition, e.Reason, e.Offset)
}

// AsError returns the error composite that tells a peer about err: the condition and text of a [*DecodeError] or
// [*Error] found in its chain, else ErrInternal with the text of err.
func AsError(err error) *Error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if bad, ok := errors.AsType[*DecodeError](err); ok {
		return &Error{Condition: bad.Condition, Description: fmt.Sprintf("%s (at octet %d)", bad.Reason, bad.Offset)}
	}
	return &Error{Condition: ErrInternal, Description: err.Error()}
}

// malformed reports an encoding that breaks the rules of part 1.
func malformed(offset int, format string, args ...any) *DecodeError {
	return &DecodeError{Condition: ErrDecode, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// invalid reports a well-formed value that is not allowed where it stands.
func invalid(offset int, format string, args ...any) *DecodeError {
	return &DecodeError{Condition: ErrInvalidField, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// exceeded reports a value that is past a limit of this package.
func exceeded(offset int, format string, args ...any) *DecodeError {
	return &DecodeError{Condition: ErrResourceLimitExceeded, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// badFrameSize reports a frame header of a size out of bounds.
func badFrameSize(size, most uint32) *DecodeError {
	bad := &DecodeError{Condition: ErrFraming}
	if size < HeaderSize {
		bad.Reason = fmt.Sprintf("frame of size %d, which must be at least %d", size, HeaderSize)
	} else {
		bad.Reason = fmt.Sprintf("frame of size %d, which is above the maximum frame size %d", size, most)
	}
	return bad
}

// badDataOffset says what is wrong with the data offset of a frame of the given size.
func badDataOffset(doff byte, size uint32) string {
	return fmt.Sprintf("data offset %d, which must be from 2 to a quarter of the frame size %d", doff, size)
}
