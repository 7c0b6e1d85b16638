package message

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// checkError checks that a failure points into the input and has a condition that a sender understands.
func checkError(t *testing.T, err error, size int) {
	t.Helper()
	bad, ok := err.(*wire.DecodeError)
	if !ok || bad.Reason == "" || bad.Offset < 0 || bad.Offset > size ||
		bad.Condition != wire.ErrDecode && bad.Condition != wire.ErrInvalidField {
		t.Fatalf("error %#v of %d octets", err, size)
	}
}

// A message that arrives in pieces gives the same envelope, or the same error, as the whole, whatever the pieces are;
// and annotations written anew from an envelope give the same envelope again.
func FuzzScan(f *testing.F) {
	for _, c := range scanCases(f) {
		f.Add(c.message)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, part Envelope
		_, err := whole.Scan(b, true)
		if err != nil {
			checkError(t, err, len(b))
		}
		slow := scanner{b: b, complete: true}
		part = Envelope{Priority: defaultPriority}
		part.scan(&slow)
		if (err == nil) != (slow.bad == nil) || err == nil && !cmp.Equal(part, whole, sameEnvelope) {
			t.Fatalf("%v, without the short cut %v: %s", err, slow.bad, cmp.Diff(whole, part, sameEnvelope))
		}
		for n := range len(b) + 1 {
			ok, partErr := part.Scan(b[:n], false)
			switch {
			case partErr != nil && err == nil:
				t.Fatalf("after %d of %d octets %v, but the whole is content", n, len(b), partErr)
			case partErr != nil && partErr.Error() != err.Error():
				t.Fatalf("after %d of %d octets %v, the whole: %v", n, len(b), partErr, err)
			case ok && err != nil:
				t.Fatalf("after %d of %d octets it is content, the whole: %v", n, len(b), err)
			case ok && !cmp.Equal(part, whole, sameEnvelope):
				t.Fatalf("after %d of %d octets: %s", n, len(b), cmp.Diff(part, whole, sameEnvelope))
			}
		}
		if err != nil {
			return
		}
		if whole.AnnotationsStart > whole.Bare || whole.Bare > len(b) {
			t.Fatalf("annotations at %d, bare message at %d of %d", whole.AnnotationsStart, whole.Bare, len(b))
		}
		r := RouterAnnotations{Phase: whole.Phase, Stream: whole.Stream, To: whole.To, Ingress: whole.Ingress,
			Trace: whole.Trace, TraceCount: whole.TraceCount, Exchanges: whole.Exchanges, ExchangeCount: whole.ExchangeCount,
			Number: whole.Number, Topology: whole.Topology, Settled: whole.Settled,
			Egress: whole.Egress, Flow: whole.Flow, Paths: whole.Paths, PathCount: whole.PathCount,
			Sender: whole.Sender}
		anew := append(bytes.Clone(b[:whole.AnnotationsStart]), AppendAnnotations(nil, whole.UserCount, whole.User, &r)...)
		end := len(anew)
		anew = append(anew, b[whole.Bare:]...)
		if end == whole.AnnotationsStart {
			return // without annotations, what follows may be taken for them
		}
		if _, err := part.Scan(anew, true); err != nil {
			if end-whole.AnnotationsStart > MaxAnnotations {
				return // a list8 of exactly the limit became a list32
			}
			t.Fatalf("% x: %v", anew, err)
		}
		whole.Bare = end
		whole.HasRouter = part.HasRouter // obsolete keys are dropped
		if !cmp.Equal(part, whole, sameEnvelope) {
			t.Fatal(cmp.Diff(part, whole, sameEnvelope))
		}
		part.TraceContains("A")
		part.ExchangesContain("A x")
		part.NextOnPath("A", "B")
	})
}

// The address of a message that arrives in pieces is the same as that of the whole, and the one that Decode finds.
func FuzzAddress(f *testing.F) {
	for _, c := range scanCases(f) {
		f.Add(c.message[c.want.Bare:])
	}
	for encoding := range goldenMessages() {
		f.Add(unhex(f, encoding))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		to, present, ok, err := Address(b, true)
		if err != nil {
			checkError(t, err, len(b))
		} else if !ok {
			t.Fatal("a complete message wants more octets")
		}
		slow := scanner{b: b, complete: true}
		slowTo, slowPresent := slow.text(toField)
		if (err == nil) != (slow.bad == nil) || err == nil && (!bytes.Equal(to, slowTo) || present != slowPresent) {
			t.Fatalf("Address %q %v %v, without the short cut %q %v %v", to, present, err, slowTo, slowPresent, slow.bad)
		}
		for n := range len(b) {
			to2, present2, ok2, err2 := Address(b[:n], false)
			switch {
			case err2 != nil && (err == nil || err.Error() != err2.Error()):
				t.Fatalf("after %d of %d octets %v, the whole: %v", n, len(b), err2, err)
			case ok2 && (err != nil || present != present2 || !bytes.Equal(to, to2)):
				t.Fatalf("after %d of %d octets %q %v, the whole: %q %v %v", n, len(b), to2, present2, to, present, err)
			}
		}
		subject, _, _, subjectErr := Subject(b, true)
		m, decodeErr := Decode(b)
		if decodeErr != nil || len(b) == 0 || m.Header != nil || m.DeliveryAnnotations != nil || m.Annotations != nil {
			return
		}
		if err != nil {
			return // Address has a limit of its own
		}
		want := ""
		if m.Properties != nil {
			want = m.Properties.To
		}
		if string(to) != want {
			t.Fatalf("Address %q, Decode %q", to, want)
		}
		if subjectErr == nil && m.Properties != nil && string(subject) != m.Properties.Subject {
			t.Fatalf("Subject %q, Decode %q", subject, m.Properties.Subject)
		}
	})
}

// Messages that decode encode to what decodes to the same.
func FuzzDecode(f *testing.F) {
	for encoding := range goldenMessages() {
		f.Add(unhex(f, encoding))
	}
	for _, c := range scanCases(f) {
		f.Add(c.message)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			if bad, ok := err.(*wire.DecodeError); !ok || bad.Condition != wire.ErrResourceLimitExceeded {
				checkError(t, err, len(b))
			}
			return
		}
		encoded, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(encoded)
		if err != nil {
			if err.(*wire.DecodeError).Condition == wire.ErrResourceLimitExceeded {
				return // shorter than before, and so is the memory it may take
			}
			t.Fatalf("% x: %v", encoded, err)
		}
		encoded2, err := again.Append(nil)
		if err != nil || !bytes.Equal(encoded, encoded2) {
			t.Fatalf("% x\n% x\n%v", encoded, encoded2, err)
		}
	})
}
