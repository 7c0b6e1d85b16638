package engine_test

import (
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestASilentPeerIsLeftAtTheIdleTimeOut(t *testing.T) {
	t.Parallel()
	const limit = 16 * time.Second
	p := amqptest.Opened(t, engine.Config{IdleTimeOut: limit})
	p.Advance(limit - 1)
	p.WantIdle("the peer still has a moment")
	p.Advance(1)
	p.Want("the connection is closed with an error [2.4.5]", amqptest.Close(wire.ErrResourceLimitExceeded))
	wantRefused(t, p, wire.ErrResourceLimitExceeded)
}

func TestAnyOctetsShowThatThePeerLives(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{IdleTimeOut: 10 * time.Second})
	half := amqptest.Encode(nil, &wire.Begin{})
	for i := range 8 {
		p.Advance(9 * time.Second)
		p.Send(half[i : i+1])
	}
	for range 10 {
		p.Advance(9 * time.Second)
		p.Send([]byte(nil))
		if i := 8; i < len(half) {
			p.Send(half[8:])
			half = half[:8]
		} else {
			p.Send(amqptest.Empty)
		}
	}
	if !p.Conn.Opened() {
		t.Error("a living peer was left [2.4.5]")
	}
}

func TestAPeerThatIsNotReadFromIsNotSilent(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	p := amqptest.Opened(t, engine.Config{IdleTimeOut: limit})
	p.Conn.Pause()
	p.Advance(time.Hour)
	p.WantIdle("nobody has looked whether it says anything")
	p.Send(&wire.Begin{})
	p.Want("it is read from again", amqptest.Any[wire.Begin]())
	p.Advance(limit - 1)
	p.WantIdle("its time begins anew")
	p.Advance(1)
	p.Want("the connection is closed with an error [2.4.5]", amqptest.Close(wire.ErrResourceLimitExceeded))
}

func TestKeepAliveIsSentAtHalfThePeersIdleTimeOut(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Send(&wire.Open{ContainerID: "peer", MaxFrameSize: 512, IdleTimeOut: 1000})
	p.Forget()
	p.Advance(499 * time.Millisecond)
	p.WantIdle("nothing is due yet")
	p.Advance(time.Millisecond)
	p.Want("an empty frame shows that this side lives [2.4.5]", amqptest.Empty)
	p.Advance(400 * time.Millisecond)
	p.Send(&wire.Begin{})
	p.Want("other frames do as well", amqptest.Any[wire.Begin]())
	p.Advance(499 * time.Millisecond)
	p.WantIdle("so the next empty frame is put off")
	p.Advance(time.Millisecond)
	p.Want("until half of the time-out has passed again [2.4.5]", amqptest.Empty)
	p.Advance(10 * time.Second)
	for range 20 {
		p.Want("keep-alives go on", amqptest.Empty)
	}
	p.WantIdle("two a second, no more")
}

// A writer that is stuck in a write has octets waiting: a keep-alive would only add to them, and a deadline in the past
// would make the caller's timer fire without end.
func TestNoKeepAliveIsDueWhileOctetsWait(t *testing.T) {
	t.Parallel()
	c := engine.New(engine.Config{SASL: engine.SASLOptional, ContainerID: "router"})
	open := amqptest.Encode(amqptest.Encode(nil, wire.HeaderAMQP), &wire.Open{ContainerID: "p", MaxFrameSize: 512,
		IdleTimeOut: 1000})
	for used := 0; used < len(open); {
		used += c.Input(amqptest.Start, open[used:])
		c.Open(nil)
	}
	later := amqptest.Start.Add(time.Minute)
	c.Advance(later)
	if at := c.Deadline(); !at.IsZero() {
		t.Errorf("deadline %v while %d octets wait", at, c.Pending())
	}
	var o engine.Output
	c.Take(&o)
	c.Sent(later, o.Size)
	o.Release()
	if at := c.Deadline(); !at.Equal(later.Add(500 * time.Millisecond)) {
		t.Errorf("deadline %v after the write at %v", at, later)
	}
}

func TestNoIdleTimeOutMeansNoDeadline(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	if at := p.Conn.Deadline(); !at.IsZero() {
		t.Errorf("deadline %v", at)
	}
	p.Advance(1000 * time.Hour)
	p.WantIdle("nobody asked for a sign of life [2.4.5]")
}

func TestTheShortestIdleTimeOutIsKept(t *testing.T) {
	t.Parallel()
	p := listening(t, engine.Config{ContainerID: "router"})
	p.Send(&wire.Open{ContainerID: "peer", MaxFrameSize: 512, IdleTimeOut: 100})
	p.Forget()
	p.Advance(time.Second)
	for range 20 {
		p.Want("an empty frame every 50 ms", amqptest.Empty)
	}
	p.WantIdle("no more than that")
}
