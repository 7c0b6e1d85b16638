package engine_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestOurHandlesKeepToThePeersHandleMax(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(&wire.Begin{HandleMax: 1})
	for i := range 2 {
		if p.Conn.NewLink(0, &wire.Attach{Name: fmt.Sprint(i)}) == engine.None {
			t.Fatal("handles 0 and 1 are allowed [2.7.2]")
		}
	}
	if id := p.Conn.NewLink(0, &wire.Attach{Name: "2"}); id != engine.None {
		t.Errorf("link %d got a handle above handle-max", id)
	}
	p.Forget()
	p.Send(&wire.Attach{Name: "peer's", Handle: 9, Role: wire.RoleReceiver})
	p.Want("a link that cannot be answered ends the session", amqptest.End(0, wire.ErrResourceLimitExceeded))
	p.Advance(time.Second)
	p.WantEvents("the caller is told", engine.EventAttach, engine.EventSessionError)
	wantSessions(t, p, 1)
}

func TestALinkThatCannotBeRefusedEndsTheSession(t *testing.T) {
	t.Parallel()
	p := amqptest.Opened(t, engine.Config{})
	p.Send(&wire.Begin{HandleMax: 0})
	p.Conn.NewLink(0, &wire.Attach{Name: "only"})
	p.Forget()
	p.Answer = func(e *engine.Event) {
		if e.Kind == engine.EventAttach {
			p.Conn.Detach(e.Link, true, nil)
			return
		}
		p.Accept(e)
	}
	p.Send(&wire.Attach{Name: "l", Handle: 9, Role: wire.RoleReceiver})
	p.Want("there is no handle for attach and detach", amqptest.End(0, wire.ErrResourceLimitExceeded))
}

func TestHandlesAreUsedAgain(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	var links []engine.LinkID
	for i := range 10 {
		links = append(links, p.Conn.NewLink(0, &wire.Attach{Name: fmt.Sprint(i), Role: wire.RoleSender}))
		p.Send(&wire.Attach{Name: fmt.Sprint(i), Role: wire.RoleReceiver, Handle: uint32(i)})
	}
	for _, i := range []int{7, 3, 5} {
		p.Conn.Detach(links[i], true, nil)
		p.Send(&wire.Detach{Handle: uint32(i), Closed: true})
	}
	p.Forget()
	for _, want := range []uint32{3, 5, 7, 10} {
		p.Conn.NewLink(0, &wire.Attach{Name: fmt.Sprint("new", want)})
		p.Want("the lowest free handle [2.6.2]", amqptest.Like(func(x *wire.Attach) bool { return x.Handle == want }))
	}
}

// An attach of the highest handle takes memory for one link, not for 65,536.
func TestFarHandlesTakeNoTable(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	handles := []uint32{65535, 0, 1, 63, 64, 127, 128, 1000, 2, 65534}
	for _, h := range handles {
		p.Send(&wire.Attach{Name: fmt.Sprint(h), Handle: h, Role: wire.RoleSender, HasInitialDelivery: true})
	}
	if n := p.Conn.HandleTables(0); n > 300 {
		t.Errorf("tables of %d for %d links", n, len(handles))
	}
	p.Forget()
	for _, h := range handles {
		p.Send(&wire.Attach{Name: "again", Handle: 1 << 10, Role: wire.RoleReceiver}, &wire.Detach{Handle: 1 << 10,
			Closed: true})
		p.Send(&wire.Detach{Handle: h, Closed: true})
		p.Want("each is found", amqptest.Any[wire.Attach](), amqptest.Any[wire.Detach](), amqptest.Any[wire.Detach]())
	}
	p.WantIdle("and only once")
}

func TestAttachStormIsBounded(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	p.Send(amqptest.On(1, &wire.Begin{HandleMax: math.MaxUint32}))
	for i := range uint32(65_000) {
		p.Send(&wire.Attach{Name: fmt.Sprint(i), Handle: i, Role: wire.RoleSender, HasInitialDelivery: true})
		if i%1000 == 0 {
			p.Forget()
		}
	}
	p.Forget()
	for i := range uint32(1000) {
		p.Send(amqptest.On(1, &wire.Attach{Name: fmt.Sprint("b", i), Handle: i, Role: wire.RoleSender,
			HasInitialDelivery: true}))
	}
	for range 536 {
		p.Want("up to 65,536 links are attached", amqptest.Any[wire.Attach]())
	}
	p.Want("one more ends the session that asks for it", amqptest.End(1, wire.ErrResourceLimitExceeded))
}

func TestAttachAndDetachStormTakesNoMemory(t *testing.T) {
	t.Parallel()
	p := amqptest.Begun(t, engine.Config{})
	for i := range 10_000 {
		p.Send(&wire.Attach{Name: fmt.Sprint(i), Role: wire.RoleSender, HasInitialDelivery: true}, &wire.Detach{Closed: true})
		p.Forget()
	}
	if _, links, _, _ := p.Conn.Numbers(); links > 3 {
		t.Errorf("%d link numbers for one link at a time", links)
	}
}
