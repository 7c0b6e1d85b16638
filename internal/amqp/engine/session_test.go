package engine_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestThePeersBeginIsAnswered(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(amqptest.On(42, &wire.Begin{NextOutgoingID: 7, IncomingWindow: 5, OutgoingWindow: 5}))
	p.Want("the answer names the peer's channel [2.5.1]", &wire.Begin{RemoteChannel: 42, HasRemoteChannel: true,
		IncomingWindow: 256, OutgoingWindow: 2048, HandleMax: 65535})
	e := p.WantEvents("the begin is reported", engine.EventBegin)[0]
	if e.Answer || e.Cold.Begin.NextOutgoingID != 7 || p.Conn.Window(e.Session) != 5 {
		t.Errorf("%+v with window %d", e, p.Conn.Window(e.Session))
	}
	p.Send(amqptest.On(42, &wire.End{}))
	p.Want("end is answered on this side's channel [2.5.2]", amqptest.End(0, ""))
	p.WantEvents("the end is reported", engine.EventEnd)
	wantSessions(t, p, 0)
}

func TestOurBeginIsAnsweredByThePeer(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	a, b := p.Conn.Begin(engine.None), p.Conn.Begin(engine.None)
	p.Want("each session has a channel of its own", amqptest.Any[wire.Begin](),
		amqptest.Like(func(x *wire.Begin) bool { return !x.HasRemoteChannel }))
	p.Send(amqptest.On(9, &wire.Begin{RemoteChannel: 1, HasRemoteChannel: true, IncomingWindow: 3}),
		amqptest.On(4, &wire.Begin{RemoteChannel: 0, HasRemoteChannel: true, IncomingWindow: 2}))
	e := p.WantEvents("both are answered", engine.EventBegin, engine.EventBegin)
	if !e[0].Answer || e[0].Session != b || !e[1].Answer || e[1].Session != a {
		t.Errorf("%+v", e)
	}
	p.Conn.End(a, &wire.Error{Condition: wire.ErrResourceDeleted, Description: "gone"})
	p.Want("the end goes out on our channel", amqptest.End(0, wire.ErrResourceDeleted))
	p.Send(amqptest.On(4, &wire.Transfer{Handle: 3}), amqptest.On(4, &wire.Flow{Echo: true}),
		amqptest.On(4, &wire.Attach{Name: "late"}), amqptest.On(4, &wire.Disposition{Last: 5}),
		amqptest.On(4, &wire.Detach{}), amqptest.On(4, &wire.End{}))
	p.WantIdle("what crosses the end on its way is discarded [2.5.5]")
	p.WantEvents("and not reported")
	wantSessions(t, p, 1)
}

func TestSimultaneousEndIsOver(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Conn.End(0, nil)
	p.Send(&wire.End{})
	p.Want("one end is sent [2.5.3]", amqptest.End(0, ""))
	p.WantIdle("and no other")
	wantSessions(t, p, 0)
	p.Send(&wire.Begin{})
	p.Want("the channel can be used again", amqptest.Any[wire.Begin]())
}

func TestASessionEndedBeforeItsAnswerStaysEnded(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	s := p.Conn.Begin(engine.None)
	p.Conn.End(s, nil)
	p.Forget()
	p.Send(amqptest.On(5, &wire.Begin{RemoteChannel: 0, HasRemoteChannel: true}), amqptest.On(5, &wire.Flow{Echo: true}))
	p.WantEvents("a late answer is of no interest")
	p.Send(amqptest.On(5, &wire.End{}))
	p.WantIdle("the end was sent already")
	wantSessions(t, p, 0)
}

// A caller that takes its time gets an end before it has answered the begin: the answer still names the channel.
func TestAnEndBeforeOurAnswerIsAnsweredWithBeginAndEnd(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Answer = nil
	p.Send(amqptest.On(7, &wire.Begin{}))
	s := p.WantEvents("a session begins", engine.EventBegin)[0].Session
	p.Send(amqptest.On(7, &wire.End{}))
	p.WantEvents("and ends", engine.EventEnd)
	p.Conn.End(s, nil)
	p.Want("begin and end answer [2.5.1]", amqptest.Like(func(x *wire.Begin) bool {
		return x.HasRemoteChannel && x.RemoteChannel == 7
	}), amqptest.End(0, ""))
	wantSessions(t, p, 0)
}

func TestASessionCanBeRefused(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventBegin {
			p.Conn.End(e.Session, &wire.Error{Condition: wire.ErrUnauthorizedAccess, Description: "no sessions for you"})
		}
	}
	p.Send(&wire.Begin{}, &wire.End{})
	p.Want("refusal is a begin and an end [2.5.1]", amqptest.Any[wire.Begin](), amqptest.End(0,
		wire.ErrUnauthorizedAccess))
	wantSessions(t, p, 0)
}

// [2.5.1] Errors about channels concern the whole connection.
func TestChannelErrorsEndTheConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said      any
		condition wire.Symbol
	}{
		"a channel above channel-max": {amqptest.On(101, &wire.Begin{}), wire.ErrFraming},
		"begin on a channel in use":   {&wire.Begin{}, wire.ErrNotAllowed},
		"an answer to no begin": {amqptest.On(1, &wire.Begin{RemoteChannel: 3, HasRemoteChannel: true}),
			wire.ErrInvalidField},
		"an answer to an answered begin": {amqptest.On(1, &wire.Begin{RemoteChannel: 0, HasRemoteChannel: true}),
			wire.ErrInvalidField},
		"transfer on a channel without":    {amqptest.On(1, &wire.Transfer{}), wire.ErrFraming},
		"flow on a channel without":        {amqptest.On(1, &wire.Flow{}), wire.ErrFraming},
		"attach on a channel without":      {amqptest.On(1, &wire.Attach{Name: "x"}), wire.ErrFraming},
		"detach on a channel without":      {amqptest.On(1, &wire.Detach{}), wire.ErrFraming},
		"disposition on a channel without": {amqptest.On(1, &wire.Disposition{}), wire.ErrFraming},
		"end on a channel without":         {amqptest.On(1, &wire.End{}), wire.ErrFraming},
		"end with an error of another type": {[]byte("\x00\x00\x00\x0f\x02\x00\x00\x00\x00\x53\x17\xc0\x02\x01\x41"),
			wire.ErrDecode},
		"a handle above handle-max [2.7.2]": {&wire.Attach{Name: "x", Handle: 65536}, wire.ErrFraming},
		"a transfer whose handle is missing": {[]byte("\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x14\x45"),
			wire.ErrInvalidField},
		"a flow without the session's windows": {[]byte("\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x13\x45"),
			wire.ErrInvalidField},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := amqptest.Begun(t, engine.Config{})
			p.Send(c.said)
			p.Want("the connection is closed, told why", amqptest.Close(c.condition))
			wantRefused(t, p, c.condition)
		})
	}
}

func TestOurChannelsKeepToBothChannelMaxes(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router", ChannelMax: 10})
	p.Send(&wire.Open{ContainerID: "peer", MaxFrameSize: 512, ChannelMax: 2})
	for range 3 {
		if p.Conn.Begin(engine.None) == engine.None {
			t.Fatal("three channels are allowed [2.7.1]")
		}
	}
	if s := p.Conn.Begin(engine.None); s != engine.None {
		t.Errorf("session %d begins above the peer's channel-max", s)
	}
	p.Forget()
	p.Send(amqptest.On(1, &wire.Begin{RemoteChannel: 1, HasRemoteChannel: true}), amqptest.On(1, &wire.End{}))
	p.Want("the peer ends one", amqptest.End(1, ""))
	if s := p.Conn.Begin(engine.None); s == engine.None {
		t.Error("its channel can be used again")
	}
	p.Want("and it is used", amqptest.Like(func(x *wire.Begin) bool { return !x.HasRemoteChannel }))
}

// A peer may begin more sessions than it allows us to answer: that is its own fault, and its connection's end.
func TestSessionsThatCannotBeAnsweredEndTheConnection(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router", ChannelMax: 10})
	p.Send(&wire.Open{ContainerID: "peer", MaxFrameSize: 512, ChannelMax: 0}, &wire.Begin{})
	p.Forget()
	p.Answer = func(e *engine.Event) {
		if p.Conn.Begin(e.Session) == engine.None {
			p.Conn.End(e.Session, nil)
		}
	}
	p.Send(amqptest.On(1, &wire.Begin{}))
	p.Want("the connection is closed, told why", amqptest.Close(wire.ErrResourceLimitExceeded))
}

func TestWindowsFollowTheFlow(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 100)
	flow := func(next, window uint32, seen bool) uint32 {
		p.Send(&wire.Flow{NextIncomingID: next, HasNextIncomingID: seen, IncomingWindow: window, OutgoingWindow: 1})
		return p.Conn.Window(0)
	}
	if w := flow(0, 10, true); w != 10 {
		t.Errorf("window %d of 10 offered [2.5.6]", w)
	}
	for range 4 {
		send(t, p, link, true, "x")
	}
	for _, c := range []struct {
		next, window uint32
		seen         bool
		want         uint32
	}{
		{4, 10, true, 10}, // all have arrived
		{1, 10, true, 7},  // three are on their way
		{0, 3, true, 0},   // more on the way than the window takes
		{0, 9, false, 5},  // the peer has not seen our begin: it counts from our initial id
		{4, math.MaxUint32, true, 1 << 31},
		{2, 5, true, 3},
	} {
		if w := flow(c.next, c.window, c.seen); w != c.want {
			t.Errorf("window %d after next-incoming-id %d and window %d, want %d [2.5.6]", w, c.next, c.window, c.want)
		}
	}
}

func TestTransfersStopAtThePeersWindow(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	link := p.Receiver(0, 100)
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 2, OutgoingWindow: 1})
	send(t, p, link, true, "1")
	send(t, p, link, true, "2")
	if p.Conn.Writable(link) {
		t.Error("writable with a closed window")
	}
	if !p.Conn.AwaitWindow(p.Conn.LinkSession(link)) {
		t.Error("the closed window is not waited for")
	}
	p.Send(&wire.Flow{NextIncomingID: 2, HasNextIncomingID: true, IncomingWindow: 0, OutgoingWindow: 1})
	p.WantEvents("it is still closed")
	d := p.Conn.Deliver(link, true, 0)
	if n, done := p.Conn.Write(d, nil, slice("3"), true); n != 0 || done {
		t.Errorf("wrote %d octets, done %v, into a closed window [2.5.6]", n, done)
	}
	p.Forget()
	p.Send(&wire.Flow{NextIncomingID: 2, HasNextIncomingID: true, IncomingWindow: 1, OutgoingWindow: 1})
	p.WantEvents("the writer is told that it may go on", engine.EventWindow)
	if p.Conn.AwaitWindow(p.Conn.LinkSession(link)) {
		t.Error("the open window is waited for")
	}
	if n, done := p.Conn.Write(d, nil, slice("3"), true); n != 1 || !done {
		t.Errorf("wrote %d octets, done %v", n, done)
	}
	p.Send(&wire.Flow{NextIncomingID: 3, HasNextIncomingID: true, IncomingWindow: 100, OutgoingWindow: 1})
	p.WantEvents("nobody waits for the window now")
}

func TestATransferBeyondTheWindowEndsTheSession(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 1000)
	p.Conn.Hold(0, true)
	for i := range uint32(256) {
		p.Send(transfer(i, true, "x"))
	}
	p.WantIdle("the window of the begin is used up, not more")
	p.Send(transfer(256, true, "x"))
	p.Want("one more is a violation [2.5.6]", amqptest.End(0, wire.ErrWindowViolation))
	p.Send(&wire.End{})
	wantSessions(t, p, 0)
}

func TestTheWindowIsRestoredAtHalf(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 100_000)
	for i := range uint32(127) {
		p.Send(transfer(i, true, "x"))
		p.WantIdle("there is enough left")
	}
	p.Send(transfer(127, true, "x"))
	p.Want("small frames widen the window [2.5.6]", &wire.Flow{NextIncomingID: 128, HasNextIncomingID: true,
		IncomingWindow: 2048, OutgoingWindow: 2048})
	big := string(make([]byte, 60_000))
	for i := range uint32(2048 - 17) {
		p.Send(transfer(128+i, true, big))
	}
	p.Want("large ones narrow it: octets in flight are bounded [2.5.6]", amqptest.Like(func(x *wire.Flow) bool {
		return x.IncomingWindow == 34 && x.NextIncomingID == 128+2048-17 && !x.HasHandle
	}))
	p.WantIdle("once")
}

func TestAConfiguredWindowIsKept(t *testing.T) {
	t.Parallel()
	for _, window := range []uint32{1, 2, 3, 100} {
		p := amqptest.Opened(t, engine.Config{IncomingWindow: window})
		p.Send(&wire.Begin{IncomingWindow: 5, HandleMax: 5})
		p.Want("begin tells it [2.7.2]", amqptest.Like(func(x *wire.Begin) bool { return x.IncomingWindow == window }))
		p.Sender(0, 1000)
		for i := range uint32(500) {
			p.Send(transfer(i, true, "x"))
			for f := p.Next(); f != nil; f = p.Next() {
				if x, ok := f.(amqptest.Frame).Body.(*wire.Flow); !ok || x.IncomingWindow != window {
					t.Fatalf("window %d: %+v", window, f)
				}
			}
		}
		p.Conn.Hold(0, true)
		for i := range p.Conn.IncomingWindow(0) + 1 {
			p.Send(transfer(500+i, true, "x"))
		}
		p.Want("and no more is taken [2.5.6]", amqptest.End(0, wire.ErrWindowViolation))
	}
}

func TestAHeldSessionIsNotGivenWindow(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Sender(0, 1000)
	p.Conn.Hold(0, true)
	p.Conn.Hold(0, true)
	for i := range uint32(200) {
		p.Send(transfer(i, true, "x"))
	}
	p.Conn.Hold(0, false)
	p.WantIdle("one reason to hold is left")
	p.Conn.Hold(0, false)
	p.Want("none is left", amqptest.Like(func(x *wire.Flow) bool {
		return x.NextIncomingID == 200 &&
			x.IncomingWindow == 2048
	}))
	p.Conn.Hold(0, false)
	p.WantIdle("releasing more than was held does nothing")
}

func TestASessionFlowIsEchoed(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 5, NextOutgoingID: 3, OutgoingWindow: 5, Echo: true})
	p.Want("echo asks for the state of the session [2.7.4]; next-incoming-id follows the peer [2.5.6]",
		&wire.Flow{NextIncomingID: 3, HasNextIncomingID: true, IncomingWindow: 256, OutgoingWindow: 2048})
	p.WantIdle("which does not ask back")
}

func TestTransferIDsWrap(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(&wire.Begin{NextOutgoingID: math.MaxUint32 - 1, IncomingWindow: 1000, HandleMax: 10})
	p.Sender(0, 100)
	for i := range uint32(4) {
		p.Send(transfer(i, true, "x"))
	}
	p.Send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: 1000, NextOutgoingID: 2, Echo: true})
	p.Want("incoming transfer-ids pass 2^32 [2.8.9]",
		amqptest.Like(func(x *wire.Flow) bool { return x.NextIncomingID == 2 }))

	link := p.Receiver(1, 100)
	p.Conn.SetSerials(0, math.MaxUint32-1, math.MaxUint32-1)
	for range 4 {
		send(t, p, link, true, "x")
	}
	p.Forget()
	p.Send(&wire.Flow{NextIncomingID: 0, HasNextIncomingID: true, IncomingWindow: 10, OutgoingWindow: 1})
	if w := p.Conn.Window(0); w != 8 {
		t.Errorf("window %d with two of ten on their way across 2^32 [2.5.6]", w)
	}
}

func TestChannelsAreFoundQuicklyInABeginStorm(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router", ChannelMax: math.MaxUint16})
	p.Send(&wire.Open{ContainerID: "storm", MaxFrameSize: 512, ChannelMax: math.MaxUint16})
	began := time.Now()
	for ch := range 65536 {
		p.Send(amqptest.On(uint16(ch), &wire.Begin{}))
	}
	wantSessions(t, p, 65536)
	if d := time.Since(began); d > 20*time.Second { // quadratic work takes minutes
		t.Errorf("65536 sessions took %v", d)
	}
	p.Forget()
	for range 3 {
		p.Send(amqptest.On(700, &wire.End{}), amqptest.On(700, &wire.Begin{}))
		p.Want("a free channel is found again", amqptest.End(700, ""), amqptest.Any[wire.Begin]())
	}
	if s, _, _, _ := p.Conn.Numbers(); s > 65537 {
		t.Errorf("%d numbers for 65536 sessions", s)
	}
}

func wantSessions(t *testing.T, p *amqptest.Peer, want int) {
	t.Helper()
	n := 0
	p.Conn.Sessions(func(engine.SessionID) { n++ })
	if counted, _ := p.Conn.Counts(); n != want || counted != want {
		t.Errorf("%d sessions are counted as %d, want %d", n, counted, want)
	}
	if err := p.Conn.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// TestAWindowMayBeLimitedFromTheBegin has a bound of twelve of the largest frames.
func TestAWindowMayBeLimitedFromTheBegin(t *testing.T) {
	t.Parallel()
	const limit = 768 << 10
	p := amqptest.Opened(t, engine.Config{MaxFrameSize: 64 << 10})
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventBegin {
			p.Conn.LimitWindow(e.Session, limit)
		}
		p.Accept(e)
	}
	p.Send(&wire.Begin{IncomingWindow: 5, OutgoingWindow: 5})
	p.Want("begin tells it", amqptest.Like(func(x *wire.Begin) bool { return x.IncomingWindow == 12 }))
	p.Sender(0, 1)
	p.Forget()
	payload := strings.Repeat("x", 60_000)
	for i := range 100 {
		x := wire.Transfer{More: true}
		if i == 0 {
			x.HasDeliveryID, x.DeliveryTag = true, []byte{1}
		}
		p.Send(amqptest.Transfer(x, payload))
		p.Forget()
		if w := p.Conn.IncomingWindow(0); w > limit/60_000 {
			t.Fatalf("after %d frames, %d more may come", i+1, w)
		}
	}
	p.Conn.Hold(0, true)
	for p.Conn.IncomingWindow(0) > 0 {
		p.Send(amqptest.Transfer(wire.Transfer{More: true}, payload))
	}
	p.Conn.Hold(0, false)
	p.Want("it goes on", amqptest.Like(func(x *wire.Flow) bool { return x.IncomingWindow == limit/60_000 }))
	p.Conn.LimitWindow(0, 0)
	p.Want("the limit may be taken back", amqptest.Like(func(x *wire.Flow) bool { return x.IncomingWindow == 256 }))
}
