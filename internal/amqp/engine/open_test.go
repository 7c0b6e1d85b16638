package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// listening returns a peer of a server engine after the AMQP headers.
func listening(t *testing.T, cfg engine.Config) *amqptest.Peer {
	t.Helper()
	cfg.SASL = engine.SASLOptional
	p := amqptest.New(t, cfg)
	p.Send(wire.HeaderAMQP)
	p.Forget()
	return p
}

func TestOpenCarriesTheConfiguration(t *testing.T) {
	t.Parallel()
	properties := wire.Raw{wire.CodeMap8, 1, 0}
	p := listening(t, engine.Config{ContainerID: "router", MaxFrameSize: 4096, ChannelMax: 7,
		IdleTimeOut:         16 * time.Second,
		OfferedCapabilities: []wire.Symbol{"a"}, DesiredCapabilities: []wire.Symbol{"b"}, Properties: properties})
	p.Send(&wire.Open{ContainerID: "peer", MaxFrameSize: 512})
	p.Want("open tells the bounds, and half of the idle time-out that is kept [2.4.5]", &wire.Open{ContainerID: "router",
		MaxFrameSize: 4096, ChannelMax: 7, IdleTimeOut: 8000, OfferedCapabilities: []wire.Symbol{"a"},
		DesiredCapabilities: []wire.Symbol{"b"}, Properties: properties})
	p.WantIdle("one open is enough")
	p.Conn.Open(nil)
	p.WantIdle("open is sent once [2.4.1]")
}

func TestOpenReplacesProperties(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router", Properties: wire.Raw{wire.CodeMap8, 1, 0}})
	other := wire.AppendUint32(wire.AppendSymbol(wire.AppendMapHeader(nil, 5, 1), "k"), 99)
	p.Conn.Open(other)
	p.Want("the properties given with the command count", amqptest.Like(func(x *wire.Open) bool {
		return string(x.Properties) == string(other)
	}))
}

// [2.4.1] What an open may not say ends the connection, with an open and a close that tells why.
func TestBadOpensAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open      any
		condition wire.Symbol
	}{
		"on channel 1":          {amqptest.On(1, &wire.Open{ContainerID: "x", MaxFrameSize: 512}), wire.ErrFraming},
		"max-frame-size 511":    {&wire.Open{ContainerID: "x", MaxFrameSize: 511}, wire.ErrInvalidField},
		"idle-time-out of 1 ms": {&wire.Open{ContainerID: "x", MaxFrameSize: 512, IdleTimeOut: 1}, wire.ErrNotAllowed},
		"without container-id":  {[]byte("\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x10\x45"), wire.ErrInvalidField},
		"bad UTF-8":             {&wire.Open{ContainerID: "x", MaxFrameSize: 512, Hostname: "\xff\xfe"}, wire.ErrDecode},
		"a 1 MB hostname":       {&wire.Open{ContainerID: "x", Hostname: strings.Repeat("h", 1<<20)}, wire.ErrFraming},
		"a hostname of 16 KiB":  {&wire.Open{ContainerID: "x", Hostname: strings.Repeat("h", 16<<10)}, wire.ErrFraming},
		"properties are no map": {&wire.Open{ContainerID: "x", Properties: wire.Raw{wire.CodeTrue}},
			wire.ErrInvalidField},
		"begin before open":       {&wire.Begin{}, wire.ErrIllegalState},
		"transfer before open":    {&wire.Transfer{}, wire.ErrIllegalState},
		"an unknown performative": {[]byte("\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x19\x45"), wire.ErrNotImplemented},
		"a performative of 8 EiB": {[]byte("\x00\x00\x00\x13\x02\x00\x00\x00\x00\x80\x7f\xff\xff\xff\xff\xff\xff\xff\x45"),
			wire.ErrNotImplemented},
		"a symbolic descriptor": {[]byte("\x00\x00\x00\x10\x02\x00\x00\x00\x00\xa3\x03foo\x45\x40"), wire.ErrDecode},
		"a SASL frame": {amqptest.Frame{Type: wire.FrameSASL, Body: &wire.SASLInit{Mechanism: "x"}},
			wire.ErrFraming},
		"another list than of open": {[]byte("\x00\x00\x00\x10\x02\x00\x00\x00\x00\x53\x10\xc0\x04\x01\xa1\x09"),
			wire.ErrDecode},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := listening(t, engine.Config{ContainerID: "router", MaxFrameSize: 64 << 10})
			p.Send(c.open)
			p.Want("a close must follow an open [2.4.3]", amqptest.Any[wire.Open](), amqptest.Close(c.condition))
			wantRefused(t, p, c.condition)
		})
	}
}

func TestAnEmptyContainerIDIsAName(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Send(&wire.Open{ContainerID: "", MaxFrameSize: 512}) // Proton-C sends this when the program sets none
	p.WantEvents("the open is accepted", engine.EventOpen)
}

func TestASecondOpenIsRefused(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(&wire.Open{ContainerID: "again"})
	p.Want("open is the first performative and only that [2.4.1]", amqptest.Close(wire.ErrIllegalState))
	wantRefused(t, p, wire.ErrIllegalState)
}

// A caller may take its time to answer the open; an error of the peer meanwhile still is told.
func TestErrorsBeforeOurOpenAreTold(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Answer = nil
	p.Send(&wire.Open{ContainerID: "x", MaxFrameSize: 512})
	p.Send(&wire.Open{ContainerID: "x", MaxFrameSize: 512})
	p.Want("a close must follow an open [2.4.3]", amqptest.Any[wire.Open](), amqptest.Close(wire.ErrIllegalState))
}

// [2.3.1] Sizes are checked as soon as their four octets are there: nobody waits for 4 GiB.
func TestBadFrameHeadersAreRefused(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"size 0":                           "\x00\x00\x00\x00",
		"size 7":                           "\x00\x00\x00\x07",
		"size 2^31":                        "\x80\x00\x00\x00",
		"size 2^32-1":                      "\xff\xff\xff\xff",
		"one more than max-frame-size":     "\x00\x00\x10\x01",
		"doff 0":                           "\x00\x00\x00\x08\x00\x00\x00\x00",
		"doff 1":                           "\x00\x00\x00\x08\x01\x00\x00\x00",
		"doff past the end":                "\x00\x00\x00\x08\x03\x00\x00\x00",
		"doff 255 in a frame of 512":       "\x00\x00\x02\x00\xff\x00\x00\x00",
		"type 1 after the SASL layer":      "\x00\x00\x00\x08\x02\x01\x00\x00",
		"an unknown type":                  "\x00\x00\x00\x08\x02\xff\x00\x00",
		"a body that is no composite":      "\x00\x00\x00\x09\x02\x00\x00\x00\x40",
		"a 4 GiB list with one octet sent": "\x00\x00\x00\x11\x02\x00\x00\x00\x00\x53\x11\xd0\xff\xff\xff\xff\x00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Opened(t, engine.Config{MaxFrameSize: 4096})
			p.Send([]byte(header))
			want := wire.ErrFraming
			if len(header) > 8 {
				want = wire.ErrDecode
			}
			p.Want("the connection ends, told why [2.4.3]", amqptest.Close(want))
			wantRefused(t, p, want)
		})
	}
}

func TestExtendedHeadersAndEmptyFramesAreSkipped(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(amqptest.Empty, amqptest.On(99, nil), []byte("\x00\x00\x00\x0c\x03\x00\x00\x00ext!"))
	p.Send([]byte("\x00\x00\x00\x1a\x04\x00\x00\x01extended\x00\x53\x11\xc0\x05\x04\x40\x43\x43\x43"))
	p.Want("a begin behind an extended header begins a session [2.3.1]", amqptest.Any[wire.Begin]())
}

func TestCloseIsAnswered(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(amqptest.On(3, &wire.Close{Error: &wire.Error{Condition: wire.ErrConnectionForced, Description: "bye"}}),
		&wire.Begin{})
	p.Want("close is answered on channel 0 [2.4.3]", amqptest.Close(""))
	p.WantIdle("nothing follows a close [2.4.3]")
	e := p.WantEvents("the close is reported", engine.EventClose)[0]
	if e.Err().Cause.Condition != wire.ErrConnectionForced || e.Err().Local || !p.Conn.Closed() || p.Conn.Opened() {
		t.Errorf("closed for %v", e.Err())
	}
}

func TestCloseInsteadOfOpenIsAnswered(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Send(&wire.Close{})
	p.Want("a close must follow an open [2.4.3]", amqptest.Any[wire.Open](), amqptest.Close(""))
	p.WantEvents("the close is reported", engine.EventClose)
}

func TestAfterItsCloseTheEngineDiscardsUntilThePeers(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Sender(0, 10)
	p.Send(amqptest.Transfer(wire.Transfer{HasDeliveryID: true, DeliveryTag: []byte("1")}, "half"))
	p.Forget()
	p.Conn.Close(&wire.Error{Condition: wire.ErrConnectionForced, Description: "going down"})
	p.Want("close tells why", amqptest.Close(wire.ErrConnectionForced))
	p.Send(&wire.Begin{}, &wire.Transfer{Handle: 77}, amqptest.On(50, &wire.End{}), &wire.Open{}, &wire.Detach{Handle: 5})
	p.Conn.Grant(link, 10)
	p.Conn.Settle(0, wire.State{Kind: wire.StateAccepted})
	p.Conn.Detach(link, true, nil)
	p.Conn.End(0, nil)
	p.Conn.Begin(engine.None)
	p.Conn.Close(nil)
	p.Advance(time.Hour)
	p.WantIdle("close is the last thing ever written [2.4.3]")
	p.WantEvents("what comes before the peer's close is discarded [2.4.6]")
	p.Send(&wire.Close{})
	if e := p.WantEvents("the peer's close ends it", engine.EventDisconnected)[0]; e.Err() != nil {
		t.Errorf("ended for %v", e.Err())
	}
}

func TestAPeerThatNeverAnswersACloseIsLeft(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{HandshakeTimeOut: 5 * time.Second})
	p.Advance(time.Minute)
	p.Conn.Close(nil)
	p.Want("the connection is closed", amqptest.Close(""))
	for range 4 {
		p.Advance(time.Second)
		p.Send(amqptest.Empty)
	}
	if p.Conn.Closed() {
		t.Error("the peer had five seconds")
	}
	p.Advance(time.Second)
	wantRefused(t, p, wire.ErrResourceLimitExceeded)
}

func TestSimultaneousCloseEndsBothSides(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Conn.Close(nil)
	p.Send(&wire.Close{})
	p.Want("one close is sent [2.4.4]", amqptest.Close(""))
	p.WantIdle("the peer's close is not answered twice [2.4.4]")
	p.WantEvents("and it is over", engine.EventDisconnected)
}

// [2.7.1] A peer's max-frame-size binds every frame, also those with long errors.
func TestErrorsAreCutToThePeersFrameSize(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Send(&wire.Open{ContainerID: "small", MaxFrameSize: 512}, &wire.Begin{})
	long := &wire.Error{Condition: wire.ErrInternal, Description: strings.Repeat("ä", 5000),
		Info: wire.AppendString(wire.AppendSymbol(wire.AppendMapHeader(nil, 5008, 1), "k"), strings.Repeat("v", 5000))}
	link := p.Conn.NewLink(0, &wire.Attach{Name: "l", Role: wire.RoleSender})
	p.Forget()
	p.Conn.Detach(link, true, long)
	p.Conn.End(0, long)
	p.Conn.Close(&wire.Error{Condition: wire.Symbol(strings.Repeat("c", 1000)), Description: "d"})
	p.Want("the condition and what fits of the text is told", amqptest.Detach(0, wire.ErrInternal),
		amqptest.End(0, wire.ErrInternal), amqptest.Close(wire.ErrInternal))
}

func TestAnAttachThatDoesNotFitThePeersFrameSizeIsNotSent(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Send(&wire.Open{ContainerID: "small", MaxFrameSize: 512}, &wire.Begin{HandleMax: 10},
		&wire.Attach{Name: "l", Role: wire.RoleReceiver, Handle: 3})
	p.Forget()
	big := &wire.Source{Address: strings.Repeat("a", 600), HasAddress: true}
	if id := p.Conn.NewLink(0, &wire.Attach{Name: "big", Role: wire.RoleReceiver, Source: big}); id != engine.None {
		t.Errorf("link %d was attached", id)
	}
	p.WantIdle("nothing is attached")

	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventAttach && p.Conn.Attach(e.Link, &wire.Attach{Source: big}) {
			t.Error("the attach was answered")
		}
		if e.Kind == engine.EventSessionError {
			p.Conn.End(e.Session, e.Err().Cause)
		}
	}
	p.Send(&wire.Attach{Name: "m", Role: wire.RoleReceiver, Handle: 4})
	p.Want("the session ends, told why [2.8.15]", amqptest.End(0, wire.ErrFrameSizeTooSmall))
	p.Advance(time.Second)
	p.WantEvents("the caller is told at the next input", engine.EventAttach, engine.EventSessionError)
	if err := p.Conn.CheckInvariants(); err != nil {
		t.Error(err)
	}
}
