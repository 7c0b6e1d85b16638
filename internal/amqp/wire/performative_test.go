package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// performative is what all performatives can do.
type performative interface {
	Decode(body []byte) (rest []byte, err error)
	Append(dst []byte) []byte
}

// listNotation is a list8 whose size unhex computes: "[2: 43 a1 00]" has two values. Lists in it come first.
var listNotation = regexp.MustCompile(`\[(\d+):([^\[\]]*)\]`)

// unhex decodes hexadecimal text with blanks, with 'quoted' ASCII text and with [n: lists] in it.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	for at := listNotation.FindStringSubmatchIndex(text); at != nil; at = listNotation.FindStringSubmatchIndex(text) {
		count, _ := strconv.Atoi(text[at[2]:at[3]])
		content := unhex(t, text[at[4]:at[5]])
		text = fmt.Sprintf("%s c0 %02x %02x %x %s", text[:at[0]], len(content)+1, count, content, text[at[1]:])
	}
	var out []byte
	for k, part := range strings.Split(text, "'") {
		if k%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// golden holds encodings both ways: bytes is what Append yields for value and decodes to it.
var golden = []struct {
	name  string
	value performative
	bytes string
}{
	{"open with the mandatory field only", &Open{ContainerID: "A", MaxFrameSize: math.MaxUint32, ChannelMax: 65535},
		"00 53 10 c0 04 01 a1 01 'A'"},
	{"open as a router sends it", &Open{ContainerID: "A", Hostname: "127.0.0.1", MaxFrameSize: 0x4000, ChannelMax: 0x7fff,
		IdleTimeOut: 8000, OfferedCapabilities: []Symbol{"ANONYMOUS-RELAY", "qd.streaming-links"},
		DesiredCapabilities: []Symbol{"ANONYMOUS-RELAY", "qd.streaming-links"},
		Properties:          Raw("\xc1\x20\x02\xa3\x07product\xa1\x14qpid-dispatch-router")},
		`00 53 10 c0 8e 0a a1 01 'A' a1 09 '127.0.0.1' 70 00 00 40 00 60 7f ff 70 00 00 1f 40 40 40
		e0 25 02 a3 0f 'ANONYMOUS-RELAY' 12 'qd.streaming-links'
		e0 25 02 a3 0f 'ANONYMOUS-RELAY' 12 'qd.streaming-links'
		c1 20 02 a3 07 'product' a1 14 'qpid-dispatch-router'`},
	{"begin", &Begin{NextOutgoingID: 0, IncomingWindow: 0x7fffffff, OutgoingWindow: 0x7fffffff, HandleMax: math.MaxUint32},
		"00 53 11 c0 0d 04 40 43 70 7f ff ff ff 70 7f ff ff ff"},
	{"begin that answers", &Begin{RemoteChannel: 1, HasRemoteChannel: true, NextOutgoingID: 1, IncomingWindow: 2,
		OutgoingWindow: 3, HandleMax: 4}, "00 53 11 c0 0c 05 60 00 01 52 01 52 02 52 03 52 04"},
	{"attach of a control link", &Attach{Name: "qdlink.x", Role: RoleReceiver, SndSettleMode: SenderMixed,
		Source: &Source{ExpiryPolicy: "link-detach", Capabilities: []Symbol{"qd.router"}, SingleCapability: true},
		Target: &Target{ExpiryPolicy: "link-detach", Capabilities: []Symbol{"qd.router"}, SingleCapability: true}},
		`00 53 12 c0 59 07 a1 08 'qdlink.x' 43 41 40 40
		00 53 28 c0 22 0b 40 40 a3 0b 'link-detach' 40 40 40 40 40 40 40 a3 09 'qd.router'
		00 53 29 c0 1e 07 40 40 a3 0b 'link-detach' 40 40 40 a3 09 'qd.router'`},
	{"attach to a coordinator", &Attach{Name: "t", Handle: 1, Role: RoleSender, SndSettleMode: SenderUnsettled,
		Source:               &Source{ExpiryPolicy: SessionEnd},
		Coordinator:          &Coordinator{Capabilities: []Symbol{"amqp:local-transactions"}},
		InitialDeliveryCount: 0, HasInitialDelivery: true},
		`00 53 12 c0 33 0a a1 01 't' 52 01 42 50 00 40 00 53 28 45
		00 53 30 c0 1d 01 e0 1a 01 a3 17 'amqp:local-transactions' 40 40 43`},
	{"flow of a session", &Flow{NextIncomingID: 1, HasNextIncomingID: true, IncomingWindow: 0x7fffffff, NextOutgoingID: 0,
		OutgoingWindow: 0x7fffffff}, "00 53 13 c0 0e 04 52 01 70 7f ff ff ff 43 70 7f ff ff ff"},
	{"flow that grants 250", &Flow{NextIncomingID: 0, HasNextIncomingID: true, IncomingWindow: 0x7fffffff,
		OutgoingWindow: 0x7fffffff, HasHandle: true, HasDeliveryCount: true, LinkCredit: 250, HasLinkCredit: true},
		"00 53 13 c0 11 07 43 70 7f ff ff ff 43 70 7f ff ff ff 43 43 52 fa"},
	{"flow with drain and echo", &Flow{IncomingWindow: 1, NextOutgoingID: 2, OutgoingWindow: 3, Handle: 4, HasHandle: true,
		DeliveryCount: 5, HasDeliveryCount: true, LinkCredit: 6, HasLinkCredit: true, Available: 7, HasAvailable: true,
		Drain: true, Echo: true, Properties: Raw("\xc1\x01\x00")},
		"00 53 13 c0 15 0b 40 52 01 52 02 52 03 52 04 52 05 52 06 52 07 41 41 c1 01 00"},
	{"transfer unsettled", &Transfer{HasDeliveryID: true, DeliveryTag: []byte("12345678"), HasMessageFormat: true},
		"00 53 14 c0 0e 04 43 43 a0 08 '12345678' 43"},
	{"transfer settled", &Transfer{Handle: 3, DeliveryID: 256, HasDeliveryID: true, DeliveryTag: []byte{}, Settled: true,
		HasSettled: true}, "00 53 14 c0 0c 05 52 03 70 00 00 01 00 a0 00 40 41"},
	{"transfer continued", &Transfer{Handle: 1, More: true}, "00 53 14 c0 08 06 52 01 40 40 40 40 41"},
	{"transfer with all fields", &Transfer{Handle: 1, DeliveryID: 2, HasDeliveryID: true, DeliveryTag: []byte("t"),
		MessageFormat: 1, HasMessageFormat: true, HasSettled: true, More: true, RcvSettleMode: ReceiverSecond,
		HasRcvSettleMode: true, State: State{Kind: StateAccepted}, Resume: true, Aborted: true, Batchable: true},
		"00 53 14 c0 15 0b 52 01 52 02 a0 01 't' 52 01 42 41 50 01 00 53 24 45 41 41 41"},
	{"disposition accepted", &Disposition{Role: RoleReceiver, First: 0, Last: 0, Settled: true,
		State: State{Kind: StateAccepted}}, "00 53 15 c0 09 05 41 43 40 41 00 53 24 45"},
	{"disposition of a range", &Disposition{Role: RoleReceiver, First: 1, Last: 255, Settled: true,
		State: State{Kind: StateReleased}}, "00 53 15 c0 0b 05 41 52 01 52 ff 41 00 53 26 45"},
	{"disposition rejected", &Disposition{Role: RoleReceiver, First: 9, Last: 9, Settled: true,
		State: RejectedState(&Error{Condition: "amqp:decode-error", Description: "no"}), Batchable: true},
		`00 53 15 c0 2a 06 41 52 09 40 41 00 53 25 c0 1e 01 00 53 1d c0 18 02 a3 11 'amqp:decode-error' a1 02 'no' 41`},
	{"disposition modified", &Disposition{Role: RoleSender, First: 1, Last: 2, State: ModifiedState(true, false, nil)},
		"00 53 15 c0 0e 05 42 52 01 52 02 42 00 53 27 c0 02 01 41"},
	{"detach", &Detach{Handle: 1, Closed: true, Error: &Error{Condition: ErrNotFound}},
		"00 53 16 c0 1a 03 52 01 41 00 53 1d c0 11 01 a3 0e 'amqp:not-found'"},
	{"detach without closing", &Detach{}, "00 53 16 c0 02 01 43"},
	{"end", &End{}, "00 53 17 45"},
	{"close", &Close{}, "00 53 18 45"},
	{"close with an error", &Close{Error: &Error{Condition: "x", Description: "y", Info: Raw("\xc1\x01\x00")}},
		"00 53 18 c0 10 01 00 53 1d c0 0a 03 a3 01 'x' a1 01 'y' c1 01 00"},
	{"sasl-mechanisms", &SASLMechanisms{Mechanisms: []Symbol{"PLAIN", "ANONYMOUS"}},
		"00 53 40 c0 15 01 e0 12 02 a3 05 'PLAIN' 09 'ANONYMOUS'"},
	{"sasl-init", &SASLInit{Mechanism: "ANONYMOUS", InitialResponse: []byte("u"), HasInitialResponse: true, Hostname: "h"},
		"00 53 41 c0 12 03 a3 09 'ANONYMOUS' a0 01 'u' a1 01 'h'"},
	{"sasl-challenge", &SASLChallenge{Challenge: []byte{}}, "00 53 42 c0 03 01 a0 00"},
	{"sasl-response", &SASLResponse{Response: []byte("r")}, "00 53 43 c0 04 01 a0 01 'r'"},
	{"sasl-outcome", &SASLOutcome{Code: SASLAuth}, "00 53 44 c0 03 01 50 01"},
}

// fresh returns a new value of the type of p, filled with leftovers that Decode has to overwrite.
func fresh(p performative) performative {
	switch p.(type) {
	case *Open:
		return &Open{Hostname: "left over"}
	case *Begin:
		return &Begin{RemoteChannel: 9}
	case *Attach:
		return &Attach{Unsettled: Raw("left over")}
	case *Flow:
		return &Flow{Properties: Raw("left over"), Echo: true}
	case *Transfer:
		return &Transfer{Batchable: true, HasSettled: true, Aborted: true, DeliveryTag: []byte("left over")}
	case *Disposition:
		return &Disposition{Settled: true, Batchable: true, State: State{StateOther, Raw("left over")}}
	case *Detach:
		return &Detach{Closed: true}
	case *End:
		return &End{Error: &Error{}}
	case *Close:
		return &Close{Error: &Error{}}
	case *SASLMechanisms:
		return &SASLMechanisms{Mechanisms: []Symbol{"left over"}}
	case *SASLInit:
		return &SASLInit{Hostname: "left over"}
	case *SASLChallenge:
		return &SASLChallenge{Challenge: []byte("left over")}
	case *SASLResponse:
		return &SASLResponse{Response: []byte("left over")}
	case *SASLOutcome:
		return &SASLOutcome{AdditionalData: []byte("left over")}
	}
	panic("unknown performative")
}

// Every performative has the encoding that the specification gives it, and decodes from it to the same value.
func TestGoldenEncodingsOfPerformatives(t *testing.T) {
	t.Parallel()
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			want := unhex(t, g.bytes)
			if got := g.value.Append([]byte("before")); !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Errorf("Append\n got % x\nwant % x", got[len("before"):], want)
			}
			back := fresh(g.value)
			rest, err := back.Decode(append(want, "payload"...))
			if err != nil {
				t.Fatal(err)
			}
			if string(rest) != "payload" {
				t.Errorf("rest is %q", rest)
			}
			if diff := cmp.Diff(g.value, back); diff != "" {
				t.Error(diff)
			}
		})
	}
}
