package wire

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shapes returns hot performatives in which every field is present or absent, wide or narrow.
func shapes() []performative {
	var all []performative
	has := func(mask, bit int) bool { return mask>>bit&1 == 1 }
	pick := func(wide bool, v uint32) uint32 {
		if wide {
			return v << 16
		}
		return v
	}
	for mask := range 1 << 9 {
		wide := has(mask, 8)
		x := &Flow{HasNextIncomingID: has(mask, 0),
			IncomingWindow: pick(wide, 2), NextOutgoingID: pick(wide, 3), OutgoingWindow: pick(wide, 4),
			HasHandle: has(mask, 1), HasDeliveryCount: has(mask, 2), HasLinkCredit: has(mask, 3),
			HasAvailable: has(mask, 4), Drain: has(mask, 5), Echo: has(mask, 6)}
		if has(mask, 0) {
			x.NextIncomingID = pick(wide, 1)
		}
		if has(mask, 7) {
			x.Properties = Raw("\xc1\x01\x00")
		}
		all = append(all, x)
	}
	for mask := range 1 << 10 {
		x := &Transfer{Handle: pick(has(mask, 0), 5), HasDeliveryID: has(mask, 0), HasMessageFormat: has(mask, 2),
			HasSettled: has(mask, 3), Settled: has(mask, 3) && has(mask, 4), More: has(mask, 4),
			HasRcvSettleMode: has(mask, 5), Resume: has(mask, 7), Aborted: has(mask, 8), Batchable: has(mask, 9)}
		if has(mask, 1) {
			x.DeliveryTag = []byte("tag")
		}
		if has(mask, 6) {
			x.State = State{Kind: StateAccepted}
		}
		all = append(all, x)
	}
	for mask := range 1 << 6 {
		x := &Disposition{Role: Role(has(mask, 0)), First: pick(has(mask, 1), 7), Settled: has(mask, 3),
			Batchable: has(mask, 5)}
		x.Last = x.First
		if has(mask, 2) {
			x.Last++
		}
		if has(mask, 4) {
			x.State = State{Kind: StateReleased}
		}
		all = append(all, x)
	}
	return all
}

// Hot performatives of every shape survive encoding and decoding, and what is cut off is refused.
func TestHotPerformativesOfEveryShape(t *testing.T) {
	t.Parallel()
	for _, p := range shapes() {
		body := p.Append(nil)
		again := fresh(p)
		if rest, err := again.Decode(body); err != nil || len(rest) > 0 {
			t.Fatalf("% x: %v", body, err)
		}
		if !cmp.Equal(p, again) {
			t.Fatalf("% x: %s", body, cmp.Diff(p, again))
		}
		for n := range body {
			if _, err := again.Decode(body[:n]); err == nil {
				t.Fatalf("% x: the first %d octets decode", body, n)
			}
		}
	}
}

// The fast decoders and the complete ones agree about performatives in which any one octet is wrong.
func TestFastDecodersAgreeAboutDamage(t *testing.T) {
	t.Parallel()
	for _, h := range hot {
		whole := h.value.Append(nil)
		for i := range whole {
			for _, octet := range []byte{0, 1, 2, CodeNull, CodeTrue, CodeUint0, CodeList0, CodeUbyte, CodeSmallUint,
				CodeBoolean, CodeUint, CodeBinary8, CodeBinary32, CodeList8, CodeList32, whole[i] - 1, whole[i] + 1, 255} {
				body := bytes.Clone(whole)
				body[i] = octet
				fast, slow := fresh(h.value), fresh(h.value)
				rest, err := fast.Decode(body)
				slowRest, slowErr := slow.(decodeFields).decodeFields(body)
				if (err == nil) != (slowErr == nil) || !bytes.Equal(rest, slowRest) || err == nil && !cmp.Equal(fast, slow) {
					t.Fatalf("% x: %v, %v\n%+v\n%+v", body, err, slowErr, fast, slow)
				}
			}
		}
	}
}

// Tags and states too long for an 8-bit list are encoded, though no peer has to take such a tag.
func TestLongTagsAreEncoded(t *testing.T) {
	t.Parallel()
	x := Transfer{DeliveryTag: bytes.Repeat([]byte{7}, 300)}
	f := transferLayout.enter(x.Append(nil), 0)
	f.uint(mandatory)
	f.uint(optional)
	if tag, _ := f.binary(mandatory); !bytes.Equal(tag, x.DeliveryTag) {
		t.Errorf("% x, %v", tag, f.bad)
	}
}
