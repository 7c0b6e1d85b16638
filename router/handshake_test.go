package router

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/tls/tlstest"
)

// besieged is a router with a bystander, a listener with a short handshake limit for each way in, and one that demands
// authentication.
func besieged(t *testing.T) (*Router, *bystander) {
	t.Helper()
	ca := tlstest.NewAuthority(t, "ca", nil)
	pair := ca.Issue("router", nil)
	n := newNetwork(t)
	const hurry = "host: 127.0.0.1, port: 0, initialHandshakeTimeoutSeconds: 1"
	r := n.add(plan{id: "A", standalone: true,
		sections: fmt.Sprintf("sslProfiles:\n  - {name: p, certFile: %q, privateKeyFile: %q}", pair.CertFile, pair.KeyFile),
		listeners: "  - {name: hurry, " + hurry + "}\n" +
			"  - {name: tls, " + hurry + ", sslProfile: p, requireSsl: true}\n" +
			"  - {name: both, " + hurry + ", sslProfile: p, requireSsl: false}\n" +
			"  - {name: login, " + hurry + ", authenticatePeer: true}"})
	return r, watch(t, r)
}

// wantLimit waits until the router ends a connection because of its handshake limit of one second: not before, and not
// long after.
func (p *raw) wantLimit(why string, began time.Time) {
	p.t.Helper()
	p.wantEnd(why)
	if took := time.Since(began); took < 900*time.Millisecond || took > patience {
		p.t.Errorf("%s: the connection ends after %v", why, took)
	}
}

func TestPeersThatDoNotFinishTheHandshakeAreDisconnected(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	hello := []byte{0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 0, 0, 0, 0}
	for what, c := range map[string]struct {
		listener string
		say      []any
	}{
		"a silent peer":                   {"hurry", nil},
		"a silent peer of a TLS listener": {"tls", nil},
		"a silent peer of both":           {"both", nil},
		"half a TLS hello":                {"tls", []any{hello}},
		"half a TLS hello to both":        {"both", []any{hello}},
		"half a header":                   {"hurry", []any{[]byte("AMQ")}},
		"a header and nothing more":       {"hurry", []any{wire.HeaderAMQP}},
		"a SASL header and nothing more":  {"hurry", []any{wire.HeaderSASL}},
		"half an open": {"hurry", []any{wire.HeaderAMQP, amqptest.Encode(nil,
			&wire.Open{ContainerID: "x"})[:12]}},
		"empty frames instead of an open":    {"hurry", []any{wire.HeaderAMQP, amqptest.Empty, amqptest.Empty}},
		"SASL that does not end":             {"login", []any{wire.HeaderSASL, &wire.SASLInit{Mechanism: "PLAIN"}}},
		"SASL without an AMQP header behind": {"hurry", []any{wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			p := rawTo(t, r.Addr(c.listener))
			p.send(c.say...)
			if c.listener == "login" { // no user is known there: nobody is offered anything
				p.wantEnd(what)
				return
			}
			p.wantLimit(what, began)
			b.goesOn(t)
		})
	}
}

func TestPeersThatDribbleAreDisconnected(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	began := time.Now()
	p := rawTo(t, r.Addr("hurry"))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for _, octet := range amqptest.Encode(wire.HeaderAMQP[:], &wire.Open{ContainerID: strings.Repeat("x", 100)}) {
			<-tick.C
			if _, err := p.nc.Write([]byte{octet}); err != nil {
				return
			}
		}
	}()
	p.wantLimit("an octet every 200 ms", began)
	<-ended
	b.goesOn(t)
}

func TestConversationsInSingleOctetsAreUnderstood(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawTo(t, n.node("A").Addr("clients"))
	single := func(what ...any) {
		for _, x := range what {
			for _, octet := range amqptest.Encode(nil, x) {
				p.nc.Write([]byte{octet})
			}
		}
	}
	single(wire.HeaderSASL, &wire.SASLInit{Mechanism: "ANONYMOUS"}, wire.HeaderAMQP, &wire.Open{ContainerID: "raw",
		MaxFrameSize: 512, ChannelMax: 10}, &wire.Begin{IncomingWindow: 10, OutgoingWindow: 10, HandleMax: 10},
		&wire.Attach{Name: "in", Role: wire.RoleReceiver, Source: &wire.Source{Address: "closest/x", HasAddress: true}})
	p.attached(0)
	single(&wire.Flow{IncomingWindow: 10, OutgoingWindow: 10, HasHandle: true, LinkCredit: 1, HasLinkCredit: true},
		&wire.Attach{Name: "out", Handle: 1, Role: wire.RoleSender, HasInitialDelivery: true,
			Target: &wire.Target{Address: "closest/x", HasAddress: true}})
	p.attached(1)
	p.creditOf(1, "credit", func(x *wire.Flow) bool { return x.LinkCredit > 0 })
	single(transfer(p.first(1), body("one octet at a time")))
	got := p.receive(0)
	if string(got.payload) != body("one octet at a time") {
		t.Errorf("%q arrives", got.payload)
	}
	single(&wire.Disposition{Role: wire.RoleReceiver, First: got.DeliveryID, Last: got.DeliveryID, Settled: true,
		State: wire.State{Kind: wire.StateAccepted}})
	p.wantOutcome("the message", 0, wire.StateAccepted)
}

func TestWrongProtocolHeadersAreAnsweredWithTheRightOne(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	for what, c := range map[string]struct {
		listener string
		say      string
		answer   wire.ProtocolHeader
	}{
		"HTTP":                           {"clients", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", wire.HeaderAMQP},
		"AMQP 0-9-1":                     {"clients", "AMQP\x00\x00\x09\x01", wire.HeaderAMQP},
		"AMQP 1.1":                       {"clients", "AMQP\x00\x01\x01\x00", wire.HeaderAMQP},
		"AMQP's own TLS":                 {"clients", "AMQP\x02\x01\x00\x00", wire.HeaderAMQP},
		"an unknown protocol id":         {"clients", "AMQP\x07\x01\x00\x00", wire.HeaderAMQP},
		"TLS on a plain listener":        {"clients", "\x16\x03\x01\x00\xc8\x01\x00\x00", wire.HeaderAMQP},
		"zeros":                          {"clients", "\x00\x00\x00\x00\x00\x00\x00\x00", wire.HeaderAMQP},
		"one wrong octet":                {"clients", "X", wire.HeaderAMQP},
		"AMQP again instead of an open":  {"clients", "AMQP\x00\x01\x00\x00AMQP\x00\x01\x00\x00", wire.HeaderAMQP},
		"SASL again instead of its init": {"clients", "AMQP\x03\x01\x00\x00AMQP\x03\x01\x00\x00", wire.HeaderSASL},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawTo(t, r.Addr(c.listener))
			p.send([]byte(c.say))
			p.header(what+" is answered with what is spoken here [2.2]", c.answer)
			p.wantEnd(what)
			b.goesOn(t)
		})
	}
}

// sized is the beginning of a frame that declares a size.
func sized(size uint32, doff, typ byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, size), doff, typ, 0, 0)
}

func TestFramesOfImpossibleSizesEndTheConnection(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	for what, octets := range map[string][]byte{
		"size 0":                     sized(0, 2, 0),
		"size 1":                     sized(1, 2, 0),
		"size 7":                     sized(7, 2, 0),
		"size 2^31":                  sized(1<<31, 2, 0),
		"size 2^32-1":                sized(math.MaxUint32, 2, 0),
		"size 4 GiB in five octets":  sized(math.MaxUint32, 2, 0)[:5],
		"more than max-frame-size":   sized(65_537, 2, 0),
		"doff 0":                     append(sized(12, 0, 0), 0, 0, 0, 0),
		"doff 1":                     append(sized(12, 1, 0), 0, 0, 0, 0),
		"doff past the end":          append(sized(12, 4, 0), 0, 0, 0, 0),
		"a frame of an unknown type": append(sized(12, 2, 7), 0, 0, 0, 0),
		"a SASL frame":               append(sized(12, 2, 1), 0, 0, 0, 0),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawOpen(t, r)
			p.send(octets)
			p.wantClose(what+" after the open", wire.ErrFraming)
			p = rawTo(t, r.Addr("clients"))
			p.send(wire.HeaderAMQP, octets)
			p.wantClose(what+" before the open", wire.ErrFraming)
			if octets[5%len(octets)] == 1 && what == "a SASL frame" {
				return // on the SASL layer it is what is expected
			}
			p = rawTo(t, r.Addr("clients"))
			p.send(wire.HeaderSASL, octets)
			p.wantEnd(what + " on the SASL layer")
			b.goesOn(t)
		})
	}
}

func TestWrongOpensAreRefused(t *testing.T) {
	t.Parallel()
	r, b := besieged(t)
	properties := func(raw []byte) *wire.Open {
		return &wire.Open{ContainerID: "x", MaxFrameSize: 4096, ChannelMax: 10, Properties: raw}
	}
	for what, c := range map[string]struct {
		say       []any
		condition wire.Symbol
	}{
		"a begin before the open": {[]any{&wire.Begin{IncomingWindow: 1}}, wire.ErrIllegalState},
		"two opens": {[]any{&wire.Open{ContainerID: "x", MaxFrameSize: 512},
			&wire.Open{ContainerID: "x", MaxFrameSize: 512}}, wire.ErrIllegalState},
		"a max-frame-size of 511": {[]any{&wire.Open{ContainerID: "x", MaxFrameSize: 511}},
			wire.ErrInvalidField},
		"an idle-time-out of 1 ms": {[]any{&wire.Open{ContainerID: "x", MaxFrameSize: 512, IdleTimeOut: 1}},
			wire.ErrNotAllowed},
		"an open on channel 1": {[]any{amqptest.On(1, &wire.Open{ContainerID: "x", MaxFrameSize: 512})},
			wire.ErrFraming},
		"a hostname of 1 MiB": {[]any{&wire.Open{ContainerID: "x",
			Hostname: strings.Repeat("h", 1<<20), MaxFrameSize: 512}}, wire.ErrFraming},
		"a container-id that is no UTF-8": {[]any{&wire.Open{ContainerID: "\xff\xfe", MaxFrameSize: 512}},
			wire.ErrDecode},
		"properties of a hundred levels": {[]any{properties(deep(100))}, wire.ErrResourceLimitExceeded},
		"properties with an odd count": {[]any{properties([]byte{wire.CodeMap8, 2, 1, wire.CodeNull})},
			wire.ErrDecode},
		"properties that are a list":             {[]any{properties([]byte{wire.CodeList0})}, wire.ErrInvalidField},
		"an array of 2^32-1 elements of no size": {[]any{properties(zeroWidth())}, wire.ErrResourceLimitExceeded},
		"a symbol of 4 GiB": {[]any{properties([]byte{wire.CodeMap8, 8, 2, wire.CodeSymbol32, 255,
			255, 255, 255, wire.CodeNull, 0})}, wire.ErrDecode},
		"an unknown performative":        {[]any{append(sized(11, 2, 0), 0, 0x53, 0x7f)}, wire.ErrNotImplemented},
		"a performative that is no list": {[]any{append(sized(12, 2, 0), 0, 0x53, 0x10, 0x40)}, wire.ErrInvalidField},
		"an open without a container-id": {[]any{append(sized(12, 2, 0), 0, 0x53, 0x10, wire.CodeList0)},
			wire.ErrInvalidField},
		"octets that are no performative": {[]any{append(sized(12, 2, 0), "junk"...)}, wire.ErrDecode},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawTo(t, r.Addr("clients"))
			p.send(wire.HeaderAMQP)
			p.send(c.say...)
			p.wantClose(what, c.condition)
			b.goesOn(t)
		})
	}
}

// zeroWidth is a map with an array of very many elements that take no octets.
func zeroWidth() []byte {
	array := []byte{wire.CodeArray32, 0, 0, 0, 5, 255, 255, 255, 255, wire.CodeNull}
	return append(wire.AppendMapHeader(nil, len(array)+1, 1), append([]byte{wire.CodeNull}, array...)...)
}

func TestWrongSASLEndsTheConnection(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "SCRAM-SHA-256")
	b := watch(t, s.router)
	init := func(mechanism string, response string) any {
		return &wire.SASLInit{Mechanism: wire.Symbol(mechanism), InitialResponse: []byte(response), HasInitialResponse: true}
	}
	for what, say := range map[string][]any{
		"AMQP without SASL":          {wire.HeaderAMQP},
		"an AMQP frame":              {wire.HeaderSASL, &wire.Open{ContainerID: "x", MaxFrameSize: 512}},
		"a response without an init": {wire.HeaderSASL, &wire.SASLResponse{Response: []byte("x")}},
		"an outcome of the client":   {wire.HeaderSASL, &wire.SASLOutcome{}},
		"two inits": {wire.HeaderSASL, init("SCRAM-SHA-256", "n,,n=x,r=y"),
			init("SCRAM-SHA-256", "n,,n=x,r=y")},
		"an unknown mechanism":            {wire.HeaderSASL, init("GSSAPI", "")},
		"a mechanism that is not offered": {wire.HeaderSASL, init("ANONYMOUS", "x")},
		"PLAIN without NULs":              {wire.HeaderSASL, init("PLAIN", "user password")},
		"PLAIN with too many NULs":        {wire.HeaderSASL, init("PLAIN", "\x00a\x00b\x00c")},
		"PLAIN with 10 KiB":               {wire.HeaderSASL, init("PLAIN", "\x00"+strings.Repeat("a", 10<<10)+"\x00b")},
		"PLAIN with 1 MiB":                {wire.HeaderSASL, init("PLAIN", "\x00"+strings.Repeat("a", 1<<20)+"\x00b")},
		"PLAIN that is no UTF-8":          {wire.HeaderSASL, init("PLAIN", "\x00\xff\xfe\x00\xfd")},
		"SCRAM that is none":              {wire.HeaderSASL, init("SCRAM-SHA-256", "hello")},
		"SCRAM with channel binding":      {wire.HeaderSASL, init("SCRAM-SHA-256", "p=tls-unique,,n=x,r=y")},
		"SCRAM with a wrong final message": {wire.HeaderSASL, init("SCRAM-SHA-256", "n,,n=user-SCRAM-SHA-256,r=abc"),
			&wire.SASLResponse{Response: []byte("c=biws,r=zzz,p=AAAA")}},
		"AMQP in the middle of the exchange": {wire.HeaderSASL, init("SCRAM-SHA-256", "n,,n=x,r=y"), wire.HeaderAMQP},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := rawTo(t, s.router.Addr("passwords"))
			p.send(say...)
			if say[0] == wire.HeaderAMQP {
				p.header("SASL is asked for [5.2]", wire.HeaderSASL)
			}
			p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "intruder", MaxFrameSize: 512})
			for {
				x, err := p.read()
				if err != nil {
					break
				}
				if f, ok := x.(frame); ok {
					if _, in := f.Body.(*wire.Open); in {
						t.Error("the intruder is in")
					}
					if o, ok := f.Body.(*wire.SASLOutcome); ok && o.Code == 0 {
						t.Error("the intruder is authenticated")
					}
				}
			}
			b.goesOn(t)
		})
	}
}
