package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Settlement modes of the sender [2.8.2].
const (
	modeUnsettled = 0
	modeSettled   = 1
	modeMixed     = 2
)

// randomName returns a name nobody else uses.
func randomName() string { return fmt.Sprintf("%012x", rand.Uint64()>>16) }

// linkKind says which end of a link this client is.
type linkKind bool

const (
	sendingLink   linkKind = false
	receivingLink linkKind = true
)

// attachFrame encodes the attach of one link with the given handle [2.7.3].
func attachFrame(kind linkKind, handle uint32, address string, mode uint8) field {
	node, ours := encodeDescribed(codeSource, encodeString(address)), encodeDescribed(codeTarget)
	source, target := node, ours
	initial := null
	if kind == sendingLink {
		source, target = encodeDescribed(codeSource), encodeDescribed(codeTarget, encodeString(address))
		initial = encodeUint(0)
	}
	return encodeDescribed(codeAttach, encodeString("postroad-bench-"+randomName()), encodeUint(handle),
		encodeBool(bool(kind)), encodeUbyte(mode), encodeUbyte(0), source, target, null, null, initial)
}

// attached is the other side's attach.
type attached struct {
	remote       uint32 // handle the other side chose
	initialCount uint32 // initial-delivery-count when the other side sends
}

// attach attaches one link on handle 0 and waits for the answer. Only the handshake calls it, before any goroutine
// reads.
func (p *peer) attach(kind linkKind, address string, mode uint8) (attached, error) {
	frame := appendFrame(nil, frameAMQP, 0, attachFrame(kind, 0, address, mode))
	if _, err := p.conn.Write(frame); err != nil {
		return attached{}, err
	}
	a, err := p.awaitAttach()
	if err != nil {
		return a, fmt.Errorf("attaching to %q: %w", address, err)
	}
	return a, nil
}

// awaitAttach reads the next attach; a refusal, which is an attach without terminus and then a detach, is an error that
// says why [2.6.3].
func (p *peer) awaitAttach() (attached, error) {
	refused := false
	for {
		f, err := p.in.read()
		if err != nil {
			return attached{}, explainEOF(err)
		}
		d, _, err := decodeDescribed(f.body)
		if err != nil {
			return attached{}, err
		}
		switch d.code {
		case codeAttach:
			answer := attached{remote: d.at(1).uintOr(0), initialCount: d.at(9).uintOr(0)}
			terminus := d.at(6) // target, when the other side receives
			if !d.at(2).truth() {
				terminus = d.at(5)
			}
			if !terminus.isNull() {
				return answer, nil
			}
			refused = true
		case codeDetach, codeEnd, codeClose:
			return attached{}, endOf(d)
		default:
			if refused {
				return attached{}, errors.New("peer refused the link without saying why")
			}
		}
	}
}

// endOf explains a detach, end or close.
func endOf(d described) error {
	what, at := "detached the link", 2
	switch d.code {
	case codeEnd:
		what, at = "ended the session", 0
	case codeClose:
		what, at = "closed the connection", 0
	}
	return fmt.Errorf("peer %s: %s", what, orText(d.at(at).peerError(), "no reason given"))
}

// encodeFlow encodes a flow on handle 0 [2.7.4].
func encodeFlow(nextIncoming, nextOutgoing, deliveryCount, credit uint32, drain bool) field {
	return encodeDescribed(codeFlow, encodeUint(nextIncoming), encodeUint(sessionWindow), encodeUint(nextOutgoing),
		encodeUint(sessionWindow), encodeUint(0), encodeUint(deliveryCount), encodeUint(credit), null,
		encodeBool(drain), boolFalse)
}

// encodeDisposition encodes a settled disposition over a range of deliveries [2.7.6].
func encodeDisposition(kind linkKind, first, last uint32, state field) field {
	return encodeDescribed(codeDisposition, encodeBool(bool(kind)), encodeUint(first), encodeUint(last), boolTrue, state)
}

// appendAccepted appends the frame that settles a range as accepted, without allocating: the one disposition of the hot
// path.
func appendAccepted(dst []byte, first, last uint32) []byte {
	return append(dst,
		0, 0, 0, 30, 2, frameAMQP, 0, 0, // header: 8 octets, and 22 of body
		0x00, 0x53, codeDisposition, 0xc0, 17, 5,
		0x41, // role: receiver
		0x70, byte(first>>24), byte(first>>16), byte(first>>8), byte(first),
		0x70, byte(last>>24), byte(last>>16), byte(last>>8), byte(last),
		0x41,                           // settled
		0x00, 0x53, codeAccepted, 0x45) // state
}
