package attack

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// most is the largest window, and as good as no limit.
const most = math.MaxInt32

// frameSize is the largest frame that the attackers and the innocent take and send.
const frameSize = 64 << 10

// performative is what package wire encodes.
type performative interface{ Append([]byte) []byte }

// frame encodes a frame. Nothing checks that it makes sense.
func frame(channel uint16, p performative, payload ...byte) []byte {
	b := wire.BeginFrame(nil, wire.FrameAMQP, channel)
	b = append(p.Append(b), payload...)
	wire.EndFrame(b, 0, 0)
	return b
}

// empty is the frame that keeps a connection alive.
var empty = []byte{0, 0, 0, 8, 2, 0, 0, 0}

func open(container string) []byte {
	return frame(0, &wire.Open{ContainerID: container, MaxFrameSize: frameSize, ChannelMax: 65535})
}

func begin(channel uint16) []byte {
	return frame(channel, &wire.Begin{IncomingWindow: most, OutgoingWindow: most, HandleMax: math.MaxUint32})
}

func end(channel uint16) []byte { return frame(channel, &wire.End{}) }

func detach(channel uint16, handle uint32) []byte {
	return frame(channel, &wire.Detach{Handle: handle, Closed: true})
}

// senderName is the name of senders, without the handle.
const senderName = "out"

// sender attaches a link on channel 0 on which the peer sends; without an address it is an anonymous one.
func sender(handle uint32, address string) []byte {
	return frame(0, &wire.Attach{Name: fmt.Sprint(senderName, handle), Handle: handle, Role: wire.RoleSender,
		SndSettleMode: wire.SenderMixed, Source: &wire.Source{ExpiryPolicy: wire.SessionEnd}, HasInitialDelivery: true,
		Target: &wire.Target{Address: address, HasAddress: address != "", ExpiryPolicy: wire.SessionEnd}})
}

// senderHandle returns the peer's handle of a sender that the router has attached.
func senderHandle(a *wire.Attach) (int, bool) {
	number, ours := strings.CutPrefix(a.Name, senderName)
	handle, err := strconv.Atoi(number)
	return handle, ours && err == nil && a.Role == wire.RoleReceiver
}

// receiver attaches a link on channel 0 on which the peer receives; without an address it asks for a dynamic one.
func receiver(name string, handle uint32, address string) []byte {
	return frame(0, &wire.Attach{Name: name, Handle: handle, Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed,
		Source: &wire.Source{Address: address, HasAddress: address != "", Dynamic: address == "",
			ExpiryPolicy: wire.SessionEnd},
		Target: &wire.Target{ExpiryPolicy: wire.SessionEnd}})
}

// credit grants credit on a link of channel 0.
func credit(handle, count, credit uint32) []byte {
	return frame(0, &wire.Flow{HasNextIncomingID: true, IncomingWindow: most, OutgoingWindow: most, HasHandle: true,
		Handle: handle, HasDeliveryCount: true, DeliveryCount: count, HasLinkCredit: true, LinkCredit: credit})
}

// disposition says something of a range of deliveries on channel 0.
func disposition(role wire.Role, first, last uint32, settled bool, state wire.State) []byte {
	return frame(0, &wire.Disposition{Role: role, First: first, Last: last, Settled: settled, State: state})
}

var (
	accepted = wire.State{Kind: wire.StateAccepted}
	released = wire.State{Kind: wire.StateReleased}
)

// received is the state of a delivery of which so many octets have come.
func received(offset uint64) wire.State {
	fields := wire.AppendUlong(wire.AppendUint32(nil, 0), offset)
	raw := wire.AppendListHeader(wire.AppendDescriptor(nil, wire.DescriptorReceived), len(fields), 2)
	return wire.State{Kind: wire.StateReceived, Raw: append(raw, fields...)}
}

// data is a message of one data section.
func data(size int) []byte {
	return wire.AppendBinary(wire.AppendDescriptor(nil, wire.DescriptorData), make([]byte, size))
}

// always is a payload that does not change.
func always(payload []byte) func(int) []byte { return func(int) []byte { return payload } }

// repeat returns so many copies of what b is called for, but no more than one write takes.
func repeat(b []byte) []byte {
	var all []byte
	for len(all) == 0 || len(all)+len(b) <= writeSize {
		all = append(all, b...)
	}
	return all
}

// join puts frames one behind the other.
func join(frames ...[]byte) (all []byte) {
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}
