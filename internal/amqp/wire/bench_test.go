package wire

import "testing"

// hot is what a router decodes and encodes per message.
var hot = []struct {
	name  string
	value performative
}{
	{"transfer unsettled", &Transfer{Handle: 1, DeliveryID: 70000, HasDeliveryID: true, DeliveryTag: []byte("12345678"),
		HasMessageFormat: true}},
	{"transfer settled", &Transfer{Handle: 1, DeliveryID: 70000, HasDeliveryID: true, DeliveryTag: []byte("12345678"),
		HasMessageFormat: true, Settled: true, HasSettled: true}},
	{"transfer with all fields", &Transfer{Handle: 1, DeliveryID: 2, HasDeliveryID: true, DeliveryTag: []byte("t"),
		MessageFormat: 1, HasMessageFormat: true, HasSettled: true, More: true, RcvSettleMode: ReceiverSecond,
		HasRcvSettleMode: true, State: State{Kind: StateAccepted}, Resume: true, Aborted: true, Batchable: true}},
	{"flow", &Flow{NextIncomingID: 70000, HasNextIncomingID: true, IncomingWindow: 0x7fffffff, NextOutgoingID: 7,
		OutgoingWindow: 0x7fffffff, HasHandle: true, DeliveryCount: 69000, HasDeliveryCount: true, LinkCredit: 250,
		HasLinkCredit: true}},
	{"flow with properties", &Flow{IncomingWindow: 1, Properties: Raw("\xc1\x01\x00")}},
	{"disposition accepted", &Disposition{Role: RoleReceiver, First: 70000, Last: 70249, Settled: true,
		State: State{Kind: StateAccepted}}},
	{"disposition modified", &Disposition{Role: RoleReceiver, First: 70000, Last: 70249, Settled: true,
		State: ModifiedState(true, false, nil)}},
	{"disposition received", &Disposition{Role: RoleReceiver, First: 70000, Last: 70249,
		State: State{StateReceived, Raw("\x00\x53\x23\xc0\x03\x02\x43\x43")}}},
}

// Nothing is allocated for the performatives of the data path, in either direction. Not parallel: it counts.
func TestHotPerformativesAllocateNothing(t *testing.T) {
	for _, h := range hot {
		body := h.value.Append(nil)
		dst := make([]byte, 0, 512)
		p := fresh(h.value)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Decode(body); err != nil {
				t.Fatal(err)
			}
			dst = p.Append(dst[:0])
		}); n != 0 {
			t.Errorf("%s: %v allocations", h.name, n)
		}
		if slow, ok := p.(decodeFields); ok {
			if n := testing.AllocsPerRun(100, func() { _, _ = slow.decodeFields(body) }); n != 0 {
				t.Errorf("%s in an unusual encoding: %v allocations", h.name, n)
			}
		}
	}
}

// Nothing is allocated to frame and to pass over values.
func TestFramesAllocateNothing(t *testing.T) {
	dst := make([]byte, 0, 512)
	value := []byte("\xc1\x20\x02\xa3\x07product\xa1\x14qpid-dispatch-router")
	if n := testing.AllocsPerRun(100, func() {
		dst = BeginFrame(dst[:0], FrameAMQP, 1)
		dst = append(dst, "\x00\x53\x17\x45"...)
		EndFrame(dst, 0, 0)
		f, _, err := ParseFrame(dst, 512)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = PeekDescriptor(f.Body); err != nil {
			t.Fatal(err)
		}
		if _, err = Skip(value); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, h := range hot {
		body := h.value.Append(nil)
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			switch p := fresh(h.value).(type) { // as the engine calls it, not through an interface
			case *Transfer:
				for b.Loop() {
					if _, err := p.Decode(body); err != nil {
						b.Fatal(err)
					}
				}
			case *Flow:
				for b.Loop() {
					if _, err := p.Decode(body); err != nil {
						b.Fatal(err)
					}
				}
			case *Disposition:
				for b.Loop() {
					if _, err := p.Decode(body); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, h := range hot {
		dst := make([]byte, 0, 512)
		b.Run(h.name, func(b *testing.B) {
			b.ReportAllocs()
			switch p := h.value.(type) {
			case *Transfer:
				for b.Loop() {
					dst = p.Append(dst[:0])
				}
			case *Flow:
				for b.Loop() {
					dst = p.Append(dst[:0])
				}
			case *Disposition:
				for b.Loop() {
					dst = p.Append(dst[:0])
				}
			}
		})
	}
}

func BenchmarkParseFrame(b *testing.B) {
	frame := BeginFrame(nil, FrameAMQP, 1)
	frame = hot[0].value.Append(frame)
	EndFrame(frame, 0, 0)
	b.ReportAllocs()
	for b.Loop() {
		f, n, err := ParseFrame(frame, 65536)
		if err != nil || n == 0 {
			b.Fatal(err)
		}
		if code, err := PeekDescriptor(f.Body); err != nil || code != DescriptorTransfer {
			b.Fatal(err)
		}
	}
}

func BenchmarkSkip(b *testing.B) {
	for name, value := range map[string][]byte{
		"a string": []byte("\xa1\x08abcdefgh"),
		"a map":    []byte("\xc1\x20\x02\xa3\x07product\xa1\x14qpid-dispatch-router"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Skip(value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
