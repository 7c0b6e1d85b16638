package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// States that need no fields are encoded by their kind alone; others by what they carry.
func TestStatesAreEncoded(t *testing.T) {
	t.Parallel()
	for text, s := range map[string]State{
		"40":                               {},
		"00 53 24 45":                      {Kind: StateAccepted},
		"00 53 25 45":                      {Kind: StateRejected},
		"00 53 26 45":                      {Kind: StateReleased},
		"00 53 27 45":                      ModifiedState(false, false, nil),
		"00 53 27 [1: 41]":                 ModifiedState(true, false, nil),
		"00 53 27 [2: 40 41]":              ModifiedState(false, true, nil),
		"00 53 27 [3: 40 40 c1 01 00]":     ModifiedState(false, false, Raw("\xc1\x01\x00")),
		"00 53 25 [1: 00 53 1d [1: a300]]": RejectedState(&Error{}),
		"00 53 23 [2: 43 44]":              {StateReceived, Raw("\x00\x53\x23\xc0\x03\x02\x43\x44")},
		"00 53 34 [1: a0 00]":              {StateTransactional, Raw("\x00\x53\x34\xc0\x03\x01\xa0\x00")},
	} {
		want := unhex(t, text)
		if got := s.Append(nil); string(got) != string(want) {
			t.Errorf("%s: % x", text, got)
		}
		again, rest, err := DecodeState(append(want, "rest"...))
		if err != nil || string(rest) != "rest" {
			t.Errorf("%s: %v, rest %q", text, err, rest)
		}
		if diff := cmp.Diff(s.Append(nil), again.Append(nil)); diff != "" || again.Kind != s.Kind {
			t.Errorf("%s: %v %s", text, again.Kind, diff)
		}
	}
	for _, kind := range []StateKind{StateReceived, StateDeclared, StateTransactional, StateOther} {
		if got := (State{Kind: kind}).Append(nil); string(got) != "\x40" {
			t.Errorf("kind %d without fields: % x", kind, got)
		}
	}
}

// Outcomes are terminal; received and transactional states are not, nor what this package does not know.
func TestTerminalStates(t *testing.T) {
	t.Parallel()
	for kind, want := range map[StateKind]bool{StateNone: false, StateReceived: false, StateAccepted: true,
		StateRejected: true, StateReleased: true, StateModified: true, StateDeclared: true, StateTransactional: false,
		StateOther: false} {
		if got := (State{Kind: kind}).Terminal(); got != want {
			t.Errorf("kind %d: %v", kind, got)
		}
	}
}

// The fields of rejected and modified come out as they went in, also after a clone outlives its input.
func TestFieldsOfStates(t *testing.T) {
	t.Parallel()
	e := &Error{Condition: ErrNotFound, Description: "nobody", Info: Raw("\xc1\x01\x00")}
	encoded := RejectedState(e).Append(nil)
	s, _, err := DecodeState(encoded)
	if err != nil {
		t.Fatal(err)
	}
	kept := s.Clone()
	clear(encoded)
	if diff := cmp.Diff(e, kept.RejectedError()); diff != "" {
		t.Error(diff)
	}
	for _, s := range []State{{}, {Kind: StateRejected}, {Kind: StateAccepted}, RejectedState(nil),
		{StateRejected, Raw("x")}} {
		if got := s.RejectedError(); got != nil {
			t.Errorf("%v: %v", s, got)
		}
	}
	failed, undeliverable, annotations, err := ModifiedState(true, true, Raw("\xc1\x01\x00")).Modified()
	if !failed || !undeliverable || string(annotations) != "\xc1\x01\x00" || err != nil {
		t.Error(failed, undeliverable, annotations, err)
	}
	if failed, undeliverable, annotations, err = (State{Kind: StateModified}).Modified(); failed || undeliverable ||
		annotations != nil || err != nil {
		t.Error(failed, undeliverable, annotations, err)
	}
	for _, s := range []State{{}, {Kind: StateAccepted}, {StateModified, Raw(unhex(t, "00 53 27 [1: 43]"))}} {
		if _, _, _, err := s.Modified(); err == nil {
			t.Errorf("%v: no error", s)
		}
	}
}

// An error is told to a peer with its own condition, wherever it stands in a chain.
func TestAsError(t *testing.T) {
	t.Parallel()
	_, err := Skip([]byte{0x01})
	for _, c := range []struct {
		err       error
		condition Symbol
		text      string
	}{
		{fmt.Errorf("frame: %w", err), ErrDecode, "format code 0x01 (unassigned) (at octet 0)"},
		{fmt.Errorf("link: %w", &Error{Condition: ErrStolen, Description: "d"}), ErrStolen, "d"},
		{errors.New("disk full"), ErrInternal, "disk full"},
	} {
		if got := AsError(c.err); got.Condition != c.condition || got.Description != c.text {
			t.Errorf("%v: %v", c.err, got)
		}
	}
	if got := (&Error{Condition: ErrStolen, Description: "d"}).Error(); got != "amqp:link:stolen: d" {
		t.Error(got)
	}
	if got := (&Error{Condition: ErrStolen}).Error(); got != "amqp:link:stolen" {
		t.Error(got)
	}
	if got := err.Error(); !strings.HasPrefix(got, "amqp:decode-error: format code") {
		t.Error(got)
	}
}

// The error composite stands alone as well.
func TestErrorComposite(t *testing.T) {
	t.Parallel()
	e := &Error{Condition: "c", Description: "d"}
	got, rest, err := DecodeErrorComposite(append(e.Append(nil), "rest"...))
	if diff := cmp.Diff(e, got); diff != "" || string(rest) != "rest" || err != nil {
		t.Error(diff, rest, err)
	}
	if _, _, err := DecodeErrorComposite([]byte{CodeNull}); err == nil {
		t.Error("null is no error composite")
	}
	for _, null := range [][]byte{(*Error)(nil).Append(nil), (*Source)(nil).Append(nil), (*Target)(nil).Append(nil),
		(*Coordinator)(nil).Append(nil)} {
		if !IsNull(null) {
			t.Errorf("% x", null)
		}
	}
}
