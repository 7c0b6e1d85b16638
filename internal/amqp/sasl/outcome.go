package sasl

import "fmt"

// Outcome is where an exchange stands after a step: going on, or ended as sasl-code says [5.3.3.6].
type Outcome uint8

// The outcomes.
const (
	Continue   Outcome = iota // the peer's next message is awaited
	OK                        // sasl-code 0: authenticated
	AuthFailed                // sasl-code 1: the credentials, or the messages that carried them, are wrong
	SysError                  // sasl-code 2: a system error that nobody can name
	SysPerm                   // sasl-code 3: an error that will last until somebody changes something
	SysTemp                   // sasl-code 4: an error that may go away
)

// Code returns the sasl-code [5.3.3.6] of an outcome that ends an exchange; ok is false for [Continue].
func (o Outcome) Code() (code uint8, ok bool) {
	if o == Continue || o > SysTemp {
		return 0, false
	}
	return uint8(o - OK), true
}

// OutcomeOf returns the outcome of a sasl-code that a server sent; a code that the specification does not define is
// [SysError].
func OutcomeOf(code uint8) Outcome {
	if code > uint8(SysTemp-OK) {
		return SysError
	}
	return OK + Outcome(code)
}

// String returns the outcome in the words of the specification.
func (o Outcome) String() string {
	names := [...]string{"continue", "ok", "auth", "sys", "sys-perm", "sys-temp"}
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}
