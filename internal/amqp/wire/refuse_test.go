package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A performative that breaks a rule is refused with a condition and with the name of the field that is at fault.
func TestMalformedPerformativesAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		value     performative
		body      string
		condition Symbol
		reason    string
	}{
		{"an empty body", &Open{}, "", ErrDecode, "nothing where a described value should start"},
		{"no descriptor", &Open{}, "c0 01 00", ErrDecode, "where a described value (0x00) should start"},
		{"a descriptor cut off", &Open{}, "00 80 00", ErrDecode, "ulong is cut off"},
		{"a symbolic descriptor cut off", &Open{}, "00 a3 05 'a'", ErrDecode, "symbol of 5 octets"},
		{"an unknown symbolic descriptor", &Open{}, "00 a3 01 'a' 45", ErrDecode, `unknown symbolic descriptor "a"`},
		{"a descriptor of another type", &Open{}, "00 a1 01 'a' 45", ErrDecode, "where a ulong or symbol should stand"},
		{"another performative", &Open{}, "00 53 11 45", ErrInvalidField, "descriptor 0x11 where open (0x10)"},
		{"a map", &Open{}, "00 53 10 c1 01 00", ErrInvalidField, "0xc1 (map) where open should stand"},
		{"no value", &Open{}, "00 53 10", ErrDecode, "nothing where a value should start"},
		{"a list cut off", &Open{}, "00 53 10 c0", ErrDecode, "list is cut off"},
		{"a mandatory field that is absent", &Open{}, "00 53 10 45", ErrInvalidField,
			"open.container-id: mandatory field is missing"},
		{"a mandatory field that is null", &Open{}, "00 53 10 c0 02 01 40", ErrInvalidField,
			"open.container-id: mandatory"},
		{"a field of another type", &Open{}, "00 53 10 c0 02 01 41", ErrInvalidField,
			"open.container-id: format code 0x41 (boolean) where string should stand"},
		{"a field of a narrower type", &Open{}, "00 53 10 c0 07 03 a1 00 40 60 02 00", ErrInvalidField,
			"open.max-frame-size: format code 0x60 (ushort) where uint should stand"},
		{"a field cut off by the list", &Open{}, "00 53 10 c0 05 03 a1 00 40 70 00000200", ErrDecode,
			"open.max-frame-size: uint is cut off"},
		{"octets after the last field", &Open{}, "00 53 10 c0 04 01 a1 00 40", ErrDecode,
			"1 octets are left after the last field of open"},
		{"eleven fields", &Open{}, "00 53 10 c0 0d 0b a1 00 40 40 40 40 40 40 40 40 40 40", ErrInvalidField,
			"open of 11 fields, which has only 10"},
		{"a name that is not UTF-8", &Open{}, "00 53 10 c0 04 01 a1 01 ff", ErrDecode,
			"open.container-id: string is not valid UTF-8"},
		{"properties that are a list", &Open{}, "00 53 10 c0 0c 0a a1 00 40 40 40 40 40 40 40 40 45", ErrInvalidField,
			"open.properties: format code 0x45 (list) where map"},
		{"properties of an odd count", &Open{},
			"00 53 10 c0 0f 0a a1 00 40 40 40 40 40 40 40 40 c1 02 01 40", ErrDecode,
			"open.properties: map of 1 keys and values"},
		{"capabilities that are strings", &Open{},
			"00 53 10 [8: a1 00 40 40 40 40 40 40 e0 03 01 a1 00]", ErrInvalidField,
			"where symbols should stand"},
		{"capabilities that are a list", &Open{}, "00 53 10 c0 0a 08 a1 00 40 40 40 40 40 40 45", ErrInvalidField,
			"where symbol or array of symbols should stand"},
		{"capabilities that are described", &Open{}, "00 53 10 c0 11 08 a1 00 40 40 40 40 40 40 e0 06 01 00 53 01 a3 00",
			ErrInvalidField, "where symbols should stand"},
		{"a capability that is not ASCII", &Open{}, "00 53 10 c0 0c 08 a1 00 40 40 40 40 40 40 a3 01 80", ErrDecode,
			"open.offered-capabilities: octet 0x80 in a symbol"},
		{"a begin without its windows", &Begin{}, "00 53 11 c0 03 02 40 43", ErrInvalidField, "begin.incoming-window"},
		{"a settle mode of three", &Attach{}, "00 53 12 [4: a1 00 43 41 50 03]", ErrInvalidField,
			"attach.snd-settle-mode: value 3, which must be at most 2"},
		{"a receive mode of two", &Attach{}, "00 53 12 [5: a1 00 43 41 40 50 02]", ErrInvalidField,
			"attach.rcv-settle-mode: value 2"},
		{"a source that is a target", &Attach{}, "00 53 12 c0 0b 06 a1 00 43 41 40 40 00 53 29 45", ErrInvalidField,
			"attach.source: descriptor 0x29 where source (0x28) should stand"},
		{"a target that is a source", &Attach{}, "00 53 12 c0 0c 07 a1 00 43 41 40 40 40 00 53 28 45", ErrInvalidField,
			"attach.target: descriptor 0x28 where target (0x29) should stand"},
		{"an address that is a symbol", &Attach{}, "00 53 12 c0 0f 06 a1 00 43 41 40 40 00 53 28 c0 03 01 a3 00",
			ErrInvalidField, "attach.source: source.address: format code 0xa3 (symbol) where string"},
		{"a coordinator of two fields", &Attach{}, "00 53 12 c0 10 07 a1 00 43 41 40 40 40 00 53 30 c0 03 02 40 40",
			ErrInvalidField, "attach.target: coordinator of 2 fields"},
		{"a flow without a window", &Flow{}, "00 53 13 c0 02 01 40", ErrInvalidField,
			"flow.incoming-window: mandatory"},
		{"a flow of twelve fields", &Flow{}, "00 53 13 c0 0d 0c 40 43 43 43 40 40 40 40 40 40 40 40", ErrInvalidField,
			"flow of 12"},
		{"a credit that is a long", &Flow{}, "00 53 13 c0 09 07 40 43 43 43 40 40 55 01", ErrInvalidField,
			"flow.link-credit: format code 0x55"},
		{"a transfer without a handle", &Transfer{}, "00 53 14 45", ErrInvalidField, "transfer.handle: mandatory"},
		{"a handle cut off", &Transfer{}, "00 53 14 c0 02 01 52", ErrDecode, "transfer.handle: uint is cut off"},
		{"a tag past the list", &Transfer{}, "00 53 14 c0 05 03 43 40 a0 05", ErrDecode,
			"transfer.delivery-tag: binary of 5 octets"},
		{"a tag that is a string", &Transfer{}, "00 53 14 c0 05 03 43 40 a1 00", ErrInvalidField,
			"transfer.delivery-tag: format code 0xa1"},
		{"a settled that is a ubyte", &Transfer{}, "00 53 14 [5: 43 40 40 40 50 01]", ErrInvalidField,
			"transfer.settled: format code 0x50"},
		{"a receive mode of nine", &Transfer{}, "00 53 14 [7: 43 40 40 40 40 40 50 09]", ErrInvalidField,
			"transfer.rcv-settle-mode: value 9"},
		{"a state that is a list", &Transfer{}, "00 53 14 c0 09 08 43 40 40 40 40 40 40 45", ErrInvalidField,
			"where a delivery state should"},
		{"an accepted that is a map", &Disposition{},
			"00 53 15 c0 0b 05 41 43 40 41 00 53 24 c1 01 00", ErrInvalidField,
			"disposition.state: format code 0xc1 (map) where list of a delivery state"},
		{"an error without a condition", &Disposition{},
			"00 53 15 c0 0f 05 41 43 40 41 00 53 25 c0 05 01 00 53 1d 45", ErrInvalidField,
			"disposition.state: rejected.error: error.condition: mandatory"},
		{"a state that is cut off", &Disposition{}, "00 53 15 c0 08 05 41 43 40 41 00 53 24", ErrDecode,
			"disposition.state: nothing where"},
		{"a role that is null", &Disposition{}, "00 53 15 c0 03 02 40 43", ErrInvalidField,
			"disposition.role: mandatory"},
		{"a boolean of two", &Disposition{}, "00 53 15 c0 04 02 56 02 43", ErrDecode,
			"disposition.role: boolean of value 0x02"},
		{"an error that is a string", &Detach{}, "00 53 16 c0 06 03 43 41 a1 01 'x'", ErrDecode,
			"detach.error: format code 0xa1"},
		{"an error with a string for a condition", &Close{}, "00 53 18 [1: 00 53 1d [1: a1 00]]", ErrInvalidField,
			"close.error: error.condition: format code 0xa1 (string) where symbol"},
		{"mechanisms that are null", &SASLMechanisms{}, "00 53 40 c0 02 01 40", ErrInvalidField,
			"sasl-mechanisms.sasl-server-mechanisms"},
		{"a code of five", &SASLOutcome{}, "00 53 44 c0 03 01 50 05", ErrInvalidField, "sasl-outcome.code: value 5"},
		{"an initial response that is a string", &SASLInit{}, "00 53 41 c0 05 02 a3 00 a1 00", ErrInvalidField,
			"sasl-init.initial-response"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body := unhex(t, c.body)
			rest, err := c.value.Decode(body)
			checkError(t, err, len(body))
			bad := err.(*DecodeError)
			if rest != nil || bad.Condition != c.condition || !strings.Contains(bad.Reason, c.reason) {
				t.Errorf("got %v; want %s and %q", err, c.condition, c.reason)
			}
		})
	}
}

// Peers may encode more widely than necessary, spell out defaults, and name descriptors by symbol.
func TestUnusualPerformativesDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		body string
		want performative
	}{
		{"transfer in a list32", "00 53 14 d0 00 00 00 11 00 00 00 04 43 43 a0 08 '12345678' 43",
			&Transfer{HasDeliveryID: true, DeliveryTag: []byte("12345678"), HasMessageFormat: true}},
		{"transfer with a long descriptor", "00 80 00 00 00 00 00 00 00 14 c0 02 01 43", &Transfer{}},
		{"transfer with a symbolic descriptor", "00 a3 12 'amqp:transfer:list' c0 02 01 43", &Transfer{}},
		{"transfer with a wide symbolic descriptor", "00 b3 00 00 00 12 'amqp:transfer:list' c0 02 01 43", &Transfer{}},
		{"transfer with a wide tag", "00 53 14 c0 09 03 43 40 b0 00 00 00 01 't'", &Transfer{DeliveryTag: []byte("t")}},
		{"transfer of nulls", "00 53 14 c0 0c 0b 43 40 40 40 40 40 40 40 40 40 40", &Transfer{}},
		{"transfer with wide booleans", "00 53 14 [6: 43 40 40 40 56 01 56 00]", &Transfer{Settled: true, HasSettled: true}},
		{"disposition with a wide accepted", "00 53 15 [5: 41 70 00 00 00 00 40 56 01 00 53 24 c0 01 00]",
			&Disposition{Role: RoleReceiver, Settled: true, State: State{Kind: StateAccepted}}},
		{"disposition with a wider released", `00 53 15 d0 00 00 00 1c 00 00 00 06 41 43 43 40
			00 80 0000000000000026 d0 00 00 00 04 00 00 00 00 42`,
			&Disposition{Role: RoleReceiver, State: State{Kind: StateReleased}}},
		{"disposition with a symbolic rejected", "00 53 15 [5: 41 43 40 41 00 a3 12 'amqp:rejected:list' 45]",
			&Disposition{Role: RoleReceiver, Settled: true,
				State: State{StateRejected, Raw("\x00\xa3\x12amqp:rejected:list\x45")}}},
		{"disposition with an unknown state", "00 53 15 [5: 41 43 40 41 00 a3 01 'x' c1 01 00]",
			&Disposition{Role: RoleReceiver, Settled: true, State: State{StateOther, Raw("\x00\xa3\x01x\xc1\x01\x00")}}},
		{"flow with spelled out defaults", "00 53 13 c0 0c 0b 43 43 43 43 40 40 40 40 42 42 40",
			&Flow{HasNextIncomingID: true}},
		{"attach with one capability in an array",
			"00 53 12 [6: a1 00 43 41 50 02 50 00 00 53 28 [11: 40 40 40 40 42 40 40 40 40 40 e0 03 01 a3 00]]",
			&Attach{Role: RoleReceiver, SndSettleMode: SenderMixed,
				Source: &Source{ExpiryPolicy: SessionEnd, Capabilities: []Symbol{""}}}},
		{"mechanisms as one symbol", "00 53 40 c0 07 01 a3 04 'ANON'", &SASLMechanisms{Mechanisms: []Symbol{"ANON"}}},
		{"mechanisms in a wide array",
			"00 53 40 d0 00 00 00 16 00 00 00 01 f0 00 00 00 0d 00 00 00 01 b3 00 00 00 04 'ANON'",
			&SASLMechanisms{Mechanisms: []Symbol{"ANON"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := fresh(c.want)
			if rest, err := got.Decode(unhex(t, c.body)); err != nil || len(rest) > 0 {
				t.Fatal(err, rest)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// mapOfNull encodes a map of one symbol with the value null.
func mapOfNull(key string) Raw {
	content := AppendNull(AppendSymbol(nil, key))
	return append(AppendMapHeader(nil, len(content), 1), content...)
}

// Composite values change from an 8-bit to a 32-bit list where they must, and back again.
func TestListsAreWidened(t *testing.T) {
	t.Parallel()
	for n := 200; n < 300; n++ {
		text := strings.Repeat("x", n)
		for _, p := range []performative{
			&Open{ContainerID: text, MaxFrameSize: 512, ChannelMax: 1, Properties: Raw("\xc1\x01\x00")},
			&Attach{Name: "n", Target: &Target{Address: text, HasAddress: true, ExpiryPolicy: SessionEnd}},
			&Close{Error: &Error{Condition: "c", Description: text}},
			&SASLMechanisms{Mechanisms: []Symbol{Symbol(text), "y"}},
			&Disposition{State: RejectedState(&Error{Condition: "c", Description: text}), Batchable: true},
			&Transfer{State: State{StateOther, append(AppendSymbol([]byte{0}, text), CodeNull)}, Batchable: true},
			&Flow{Properties: mapOfNull(text)},
		} {
			body := p.Append([]byte("before"))[len("before"):]
			if wide := body[3] == CodeList32; wide != (len(body) > 3+2+0xff) {
				t.Errorf("%T of %d octets: format code 0x%02x", p, len(body), body[3])
			}
			again := fresh(p)
			if rest, err := again.Decode(body); err != nil || len(rest) > 0 {
				t.Fatalf("%T with %d: %v", p, n, err)
			}
			if diff := cmp.Diff(p, again); diff != "" {
				t.Fatal(diff)
			}
		}
	}
}

// Descriptors are recognised as ulong of any width and as symbol.
func TestPeekDescriptor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]uint64{
		"00 53 14":                            DescriptorTransfer,
		"00 44":                               0,
		"00 80 00 00 00 00 00 00 00 10 ff":    DescriptorOpen,
		"00 80 00 00 46 8c 00 00 00 04":       0x468c00000004,
		"00 a3 0f 'amqp:close:list'":          DescriptorClose,
		"00 b3 00 00 00 0f 'amqp:close:list'": DescriptorClose,
	} {
		if got, err := PeekDescriptor(unhex(t, text)); got != want || err != nil {
			t.Errorf("%s: %#x, %v", text, got, err)
		}
	}
	for name, code := range symbolicDescriptor {
		if got, err := PeekDescriptor(AppendSymbol([]byte{0}, name)); got != code || err != nil {
			t.Errorf("%s: %#x, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "00", "53 14", "00 53", "00 a3 01 'x'", "00 40", "00 00 53 01 53 14"} {
		b := unhex(t, text)
		_, err := PeekDescriptor(b)
		checkError(t, err, len(b))
	}
}

// Frames are cut as soon as they are complete, and refused as soon as their header is known to be wrong.
func TestParseFrame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, octets string
		want         Frame
		n            int
		reason       string
	}{
		{"empty", "00 00 00 08 02 00 00 00", Frame{Body: []byte{}}, 8, ""},
		{"with a body, and more", "00 00 00 0a 02 00 01 02 aa bb cc",
			Frame{Channel: 0x102, Body: []byte{0xaa, 0xbb}}, 10, ""},
		{"SASL with an extended header", "00 00 00 0d 03 01 00 00 ff ff ff ff aa",
			Frame{Type: FrameSASL, Body: []byte{0xaa}}, 13, ""},
		{"nothing", "", Frame{}, 0, ""},
		{"without its size", "00 00 00", Frame{}, 0, ""},
		{"without its body", "00 00 00 0a 02 00 00 00 aa", Frame{}, 0, ""},
		{"of size 0", "00 00 00 00", Frame{}, 0, "frame of size 0, which must be at least 8"},
		{"of size 7", "00 00 00 07", Frame{}, 0, "frame of size 7"},
		{"of size 513", "00 00 02 01", Frame{}, 0, "frame of size 513, which is above the maximum frame size 512"},
		{"of size 2^31", "80 00 00 00", Frame{}, 0, "frame of size 2147483648"},
		{"of size 2^32-1", "ff ff ff ff", Frame{}, 0, "frame of size 4294967295"},
		{"of data offset 1", "00 00 00 09 01 00 00 00", Frame{}, 0, "data offset 1, which must be from 2"},
		{"of data offset past its size", "00 00 00 0b 03 00 00 00", Frame{}, 0, "data offset 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := unhex(t, c.octets)
			got, n, err := ParseFrame(b, 512)
			if diff := cmp.Diff(c.want, got); diff != "" || n != c.n || (err == nil) != (c.reason == "") {
				t.Errorf("%d octets, %v %s", n, err, diff)
			}
			if err == nil {
				return
			}
			if bad := err.(*DecodeError); bad.Condition != ErrFraming || !strings.Contains(bad.Reason, c.reason) {
				t.Errorf("%v; want %q", err, c.reason)
			}
		})
	}
	frame := BeginFrame([]byte("before"), FrameSASL, 0x102)
	frame = append(frame, 0xaa)
	EndFrame(frame, len("before"), 3)
	if want := unhex(t, "'before' 00 00 00 0c 02 01 01 02 aa"); !bytes.Equal(frame, want) {
		t.Errorf("% x", frame)
	}
}
