package engine_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// nested is a value within n compound ones.
func nested(n int, open []byte, value ...byte) wire.Raw {
	v := wire.Raw(value)
	for range n {
		b := append(wire.Raw{}, open...)
		if open[0] != wire.CodeDescribed {
			b = binary.BigEndian.AppendUint32(b[:1], uint32(len(v)+len(open)-5))
			b = append(b, open[5:]...)
		}
		v = append(b, v...)
	}
	return v
}

// properties is an encoded map of one key with a value.
func properties(value wire.Raw) wire.Raw {
	pair := append(wire.AppendSymbol(nil, "k"), value...)
	return append(wire.AppendMapHeader(nil, len(pair), 1), pair...)
}

// Whatever a peer nests into a performative, it gets a close that names the fault, and it gets it fast; other
// connections do not notice. What the codec takes and refuses in detail is proved beside it.
func TestHostileEncodingsEndTheConnection(t *testing.T) {
	t.Parallel()
	list := []byte{wire.CodeList32, 0, 0, 0, 0, 0, 0, 0, 1}
	array := []byte{wire.CodeArray32, 0, 0, 0, 0, 0, 0, 0, 1}
	pair := []byte{wire.CodeMap32, 0, 0, 0, 0, 0, 0, 0, 2, wire.CodeUint0}
	for name, c := range map[string]struct {
		properties wire.Raw
		condition  wire.Symbol
	}{
		"lists in lists": {properties(nested(5000, list, wire.CodeNull)),
			wire.ErrResourceLimitExceeded},
		"maps in maps": {properties(nested(5000, pair, wire.CodeNull)),
			wire.ErrResourceLimitExceeded},
		"described by described": {properties(nested(50_000, []byte{wire.CodeDescribed}, wire.CodeNull)),
			wire.ErrResourceLimitExceeded},
		"arrays of arrays":         {properties(nested(5000, array, wire.CodeNull)), ""},
		"an array of 2^32-1 nulls": {properties(wire.Raw("\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40")), ""},
		"a list of more values than octets": {properties(wire.Raw("\xd0\x00\x00\x00\x05\x00\x00\x00\x09\x40")),
			wire.ErrDecode},
		"a list whose size is below its count": {properties(wire.Raw("\xd0\x00\x00\x00\x02\x00\x00\x00\x00")),
			wire.ErrDecode},
		"a map of three":                  {properties(wire.Raw("\xc1\x04\x03\x40\x40\x40")), wire.ErrDecode},
		"a symbol of 4 GiB":               {properties(wire.Raw("\xb3\xff\xff\xff\xff")), wire.ErrDecode},
		"an unassigned format code":       {properties(wire.Raw{0x3f}), wire.ErrDecode},
		"a string that is no UTF-8":       {properties(wire.Raw("\xa1\x02\xff\xfe")), wire.ErrDecode},
		"a list that ends past the frame": {properties(wire.Raw("\xc0\xff\x01\x40")), wire.ErrDecode},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what, x := range map[string]any{
				"attach": &wire.Attach{Name: "l", Role: wire.RoleReceiver, Properties: c.properties},
				"begin":  amqptest.On(1, &wire.Begin{Properties: c.properties}),
				"flow":   &wire.Flow{Properties: c.properties},
				"source": &wire.Attach{Name: "l", Role: wire.RoleReceiver, Source: &wire.Source{Filter: c.properties}},
				"error":  &wire.Detach{Error: &wire.Error{Condition: "x", Info: c.properties}},
			} {
				p := amqptest.Begun(t, engine.Config{MaxFrameSize: 256 << 10})
				p.Send(x)
				p.Want(what+" is refused, told why", amqptest.Like(func(x *wire.Close) bool {
					return x.Error != nil && (x.Error.Condition == c.condition || c.condition == "")
				}))
				if !p.Conn.Closed() {
					t.Error("the connection goes on")
				}
			}
		})
	}
}

// [1.2] A symbol is as good a descriptor as a number, in every performative.
func TestDescriptorsBySymbolAreTaken(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	b := amqptest.Encode(nil, &wire.Begin{IncomingWindow: 1})
	named := append(append(bytes.Clone(b[:8]), "\x00\xa3\x0famqp:begin:list"...), b[11:]...)
	wire.EndFrame(named, 0, 0)
	p.Send(named)
	p.Want("the session begins", amqptest.Any[wire.Begin]())
}

// The sections of a message are none of the engine's business, wherever a frame is cut.
func TestPayloadMayBeCutAnywhere(t *testing.T) {
	t.Parallel()
	message := "\x00\x53\x70\xc0\x02\x01\x41\x00\x53\x77\xa1\x05hello"
	for cut := range len(message) + 1 {
		p := amqptest.Begun(t, engine.Config{})
		p.Sender(0, 5)
		p.Send(begin(0, message[:cut]), rest(false, message[cut:]))
		e := p.WantEvents("two frames", engine.EventTransfer, engine.EventTransfer)
		if string(e[0].Payload)+string(e[1].Payload) != message {
			t.Errorf("cut at %d: %q and %q", cut, e[0].Payload, e[1].Payload)
		}
	}
}

// A declared size is believed when its octets have arrived: until then a frame takes no memory and no time. Not
// parallel: it counts allocations.
func TestAnIncompleteFrameTakesNothing(t *testing.T) {
	p := amqptest.Opened(t, engine.Config{MaxFrameSize: 1 << 30})
	header := []byte("\x40\x00\x00\x00\x02\x00\x00\x00")
	if n := testing.AllocsPerRun(100, func() { p.Conn.Input(p.Now, header) }); n != 0 {
		t.Errorf("%v allocations for a header", n)
	}
	if n := p.Conn.Input(p.Now, header); n != 0 || p.Conn.Closed() {
		t.Errorf("%d octets used", n)
	}
}
