package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// performatives returns one of each.
func performatives() []performative {
	return []performative{&Open{}, &Begin{}, &Attach{}, &Flow{}, &Transfer{}, &Disposition{}, &Detach{}, &End{},
		&Close{}, &SASLMechanisms{}, &SASLInit{}, &SASLChallenge{}, &SASLResponse{}, &SASLOutcome{}}
}

// decodeFields is the slower twin of the Decode of hot performatives.
type decodeFields interface {
	decodeFields(body []byte) (rest []byte, err error)
}

// references tells whether decoded values of p reference the input.
func references(p performative) bool {
	switch p.(type) {
	case *Flow, *Transfer, *Disposition:
		return true
	}
	return false
}

// Every performative that decodes encodes to something that decodes to the same. The fast
// decoders agree with the complete ones. Cold performatives own what they hold.
func FuzzPerformative(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(f, g.bytes))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range performatives() {
			body := bytes.Clone(body)
			rest, err := p.Decode(body)
			if slow, ok := fresh(p).(decodeFields); ok {
				slowRest, slowErr := slow.decodeFields(body)
				if (err == nil) != (slowErr == nil) || !bytes.Equal(rest, slowRest) {
					t.Fatalf("%T: Decode %v, decodeFields %v", p, err, slowErr)
				}
				if diff := cmp.Diff(p, slow); err == nil && diff != "" {
					t.Fatal(diff)
				}
			}
			if err != nil {
				checkError(t, err, len(body))
				continue
			}
			encoded := p.Append(nil)
			const arrays = 4*3 + 6 // single symbols become arrays, which may make the list a wide one
			if used := len(body) - len(rest); len(encoded) > used+arrays {
				t.Errorf("%T: %d octets decoded, %d encoded", p, used, len(encoded))
			}
			if !references(p) {
				for k := range body {
					body[k] ^= 0xff
				}
			}
			again := fresh(p)
			if rest, err := again.Decode(encoded); err != nil || len(rest) > 0 {
				t.Fatalf("% x\n%T: %v, %d octets left", encoded, p, err, len(rest))
			}
			if diff := cmp.Diff(p, again); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// checkError checks that a failure points into the input and says something.
func checkError(t *testing.T, err error, size int) {
	t.Helper()
	bad, ok := err.(*DecodeError)
	if !ok || bad == nil || bad.Condition == "" || bad.Reason == "" || bad.Offset < 0 || bad.Offset > size {
		t.Fatalf("error %#v of %d octets", err, size)
	}
}

// Skip and DecodeValue agree about what is a value and where it ends, and values encode to what decodes to the same.
func FuzzValue(f *testing.F) {
	for _, g := range goldenValues {
		f.Add(unhex(f, g.bytes))
	}
	for _, g := range golden {
		f.Add(unhex(f, g.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Skip(b)
		v, rest, decodeErr := DecodeValue(b)
		if err != nil {
			checkError(t, err, len(b))
			if decodeErr == nil {
				t.Fatalf("Skip: %v, but DecodeValue takes it", err)
			}
			return
		}
		if decodeErr != nil {
			if bad := decodeErr.(*DecodeError); bad.Condition != ErrResourceLimitExceeded {
				t.Fatalf("Skip takes it, but DecodeValue: %v", decodeErr)
			}
			return
		}
		if n != len(b)-len(rest) {
			t.Fatalf("Skip: %d octets, DecodeValue %d", n, len(b)-len(rest))
		}
		encoded, err := AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > n {
			t.Errorf("%d octets decoded, %d encoded", n, len(encoded))
		}
		again, rest, err := DecodeValue(encoded)
		if err != nil {
			if err.(*DecodeError).Condition == ErrResourceLimitExceeded {
				return // shorter than before, and so is the budget
			}
			t.Fatalf("% x: %v", encoded, err)
		}
		if encoded2, err := AppendValue(nil, again); err != nil || len(rest) > 0 || !bytes.Equal(encoded, encoded2) {
			t.Fatalf("% x\n% x\n%v, %d octets left", encoded, encoded2, err, len(rest))
		}
	})
}

// The typed readers agree with Skip about where a value ends, and with DecodeValue about what it is.
func FuzzRead(f *testing.F) {
	for _, g := range goldenValues {
		f.Add(unhex(f, g.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, skipErr := Skip(b)
		v, _, _ := DecodeValue(b)
		check := func(name string, got any, rest []byte, err error) {
			switch {
			case err != nil:
				checkError(t, err, len(b))
			case skipErr != nil:
				t.Fatalf("%s takes what Skip refuses: %v", name, skipErr)
			case len(rest) != len(b)-n:
				t.Fatalf("%s: %d octets are left, after Skip %d", name, len(rest), len(b)-n)
			case !cmp.Equal(got, v):
				t.Fatalf("%s: %v, but DecodeValue %v", name, got, v)
			}
		}
		boolean, rest, err := ReadBool(b)
		check("ReadBool", boolean, rest, err)
		ubyte, rest, err := ReadUbyte(b)
		check("ReadUbyte", ubyte, rest, err)
		uint32s, rest, err := ReadUint32(b)
		check("ReadUint32", uint32s, rest, err)
		ulong, rest, err := ReadUlong(b)
		check("ReadUlong", ulong, rest, err)
		text, rest, err := ReadString(b)
		check("ReadString", string(text), rest, err)
		symbol, rest, err := ReadSymbol(b)
		check("ReadSymbol", Symbol(symbol), rest, err)
		octets, rest, err := ReadBinary(b)
		check("ReadBinary", append([]byte{}, octets...), rest, err)
		if _, _, rest, err := ReadListHeader(b); err == nil && skipErr == nil && len(rest) != len(b)-n {
			t.Fatalf("ReadListHeader: %d octets are left, after Skip %d", len(rest), len(b)-n)
		}
		if _, _, rest, err := ReadMapHeader(b); err == nil && skipErr == nil && len(rest) != len(b)-n {
			t.Fatalf("ReadMapHeader: %d octets are left, after Skip %d", len(rest), len(b)-n)
		}
		if _, rest, err := ReadInteger(b); err == nil && (skipErr != nil || len(rest) != len(b)-n) {
			t.Fatalf("ReadInteger: %d octets are left, after Skip %d, %v", len(rest), len(b)-n, skipErr)
		}
		if s, rest, err := DecodeState(b); err == nil {
			if skipErr != nil || len(rest) != len(b)-n {
				t.Fatalf("DecodeState: %d octets are left, after Skip %d, %v", len(rest), len(b)-n, skipErr)
			}
			if again, _, err := DecodeState(s.Append(nil)); err != nil || !cmp.Equal(s, again) {
				t.Fatalf("%v %v, %v", s, again, err)
			}
			_ = s.RejectedError()
			_, _, _, _ = s.Modified()
		}
	})
}

// A stream of octets is cut into the same frames however it arrives.
func FuzzFrame(f *testing.F) {
	f.Add(unhex(f, "00 00 00 08 02 00 00 00 00 00 00 0c 03 01 00 05 aa bb cc dd"), uint32(512))
	f.Add(unhex(f, "00 00 00 07 02 00 00 00"), uint32(512))
	f.Fuzz(func(t *testing.T, b []byte, most uint32) {
		whole, n, err := ParseFrame(b, most)
		if err != nil {
			checkError(t, err, len(b))
		}
		for cut := range len(b) {
			part, m, partErr := ParseFrame(b[:cut], most)
			if partErr != nil && err == nil || partErr == nil && m != 0 && (m != n || !cmp.Equal(part, whole)) {
				t.Fatalf("%d of %d octets: %v, %d, %v; all: %v, %d, %v", cut, len(b), part, m, partErr, whole, n, err)
			}
		}
		if err == nil && n > 0 && len(whole.Body) > n-HeaderSize {
			t.Fatalf("a body of %d octets in a frame of %d", len(whole.Body), n)
		}
	})
}
