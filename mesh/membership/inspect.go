package membership

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// The types of memberlist's messages which members send each other. Others exist for its own compression, encryption and
// labels, which Postroad does not use and which would get around the bounds here.
const (
	typePing     = 0
	typeIndirect = 1
	typeAck      = 2
	typeSuspect  = 3
	typeAlive    = 4
	typeDead     = 5
	typePushPull = 6
	typeCompound = 7
	typeUser     = 8
	typeNack     = 11
	typeChecksum = 12
	typeError    = 13
)

const (
	// maxPacket is the most that memberlist puts into a packet, so that a QUIC datagram takes it with all that is added.
	maxPacket = 1000
	// maxPacketIn is the largest message of a packet that is taken.
	maxPacketIn = 1400
	// maxStreamIn is the largest message of a stream that is taken: the state of 10,000 members with long names.
	maxStreamIn = 12 << 20
	// nodeOctets is less than what one member takes in a push/pull, which repeats the names of all its fields.
	nodeOctets = 48
)

var errEmpty = errors.New("the message is empty")

// checkPacket reports why a message that came in a packet is not given to memberlist.
func checkPacket(b []byte) error {
	if len(b) > maxPacketIn {
		return fmt.Errorf("a packet of %d octets, must be at most %d", len(b), maxPacketIn)
	}
	if len(b) >= 5 && b[0] == typeChecksum {
		b = b[5:]
	}
	if len(b) == 0 {
		return errEmpty
	}
	if b[0] != typeCompound {
		return checkPart(b)
	}
	in := input{b: b[1:]}
	n := int(in.octet())
	sizes := input{b: in.take(2 * n)}
	if in.short {
		return fmt.Errorf("compound message: %w", errShort)
	}
	for range n {
		part := in.take(int(sizes.uint16()))
		if in.short {
			return fmt.Errorf("compound message: %w", errShort)
		}
		if err := checkPart(part); err != nil {
			return err
		}
	}
	return nil
}

// checkPart checks one message, which is no compound.
func checkPart(b []byte) error {
	if len(b) == 0 {
		return errEmpty
	}
	switch b[0] {
	case typePing, typeIndirect, typeAck, typeNack, typeSuspect, typeAlive, typeDead, typeUser:
		return nil
	}
	return fmt.Errorf("message type %d is not for packets", b[0])
}

// pushPullHeader is memberlist's, at the beginning of a push/pull.
type pushPullHeader struct {
	Nodes        int
	UserStateLen int
	Join         bool
}

// checkStream reports why a message that came over a stream is not given to memberlist, which would reserve memory for
// as many members as the message announces.
func checkStream(b []byte) error {
	if len(b) == 0 {
		return errEmpty
	}
	switch b[0] {
	case typePing, typeAck, typeError:
		return nil
	case typePushPull:
	default:
		return fmt.Errorf("message type %d is not for streams", b[0])
	}
	var header pushPullHeader
	rest := bytes.NewReader(b[1:])
	if err := codec.NewDecoder(rest, new(codec.MsgpackHandle)).Decode(&header); err != nil {
		return fmt.Errorf("push/pull: %w", err)
	}
	most := rest.Len()
	if header.Nodes < 0 || header.UserStateLen < 0 || header.UserStateLen > most ||
		header.Nodes > (most-header.UserStateLen)/nodeOctets {
		return fmt.Errorf("push/pull announces %d members and a state of %d octets, and has %d octets", header.Nodes,
			header.UserStateLen, most)
	}
	return nil
}

// appendRecord appends a message to the user state of a push/pull.
func appendRecord(b, record []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(record))), record...)
}
