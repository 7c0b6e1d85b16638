package router

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// TestFramesAreNeverLargerThanThePeerTakes receives with the smallest max-frame-size there is.
func TestFramesAreNeverLargerThanThePeerTakes(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	p := rawOpen(t, n.node("B"), &wire.Open{ContainerID: "small", MaxFrameSize: 512, ChannelMax: 10})
	p.begin(0)
	p.attachReceiver(0, "closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	for _, size := range []int{1, 400, 500, 520, 5000, 300_000} {
		m := text("%s", strings.Repeat("x", size))
		s.settled(m)
		var got []byte
		for more := true; more; {
			f := wantFrame[*wire.Transfer](p, "a frame arrives")
			if octets := len(f.Payload); octets > 512 {
				t.Fatalf("a frame with %d octets of payload", octets)
			}
			got = append(got, f.Payload...)
			more = f.Body.(*wire.Transfer).More
		}
		if encoded, _ := m.MarshalBinary(); string(got) != string(encoded) {
			t.Errorf("a message of %d octets arrives as %d", size, len(got))
		}
	}
}

// TestSessionThatEndsForAnAttachTooLargeLeavesItsMessagesInDoubt has an answer that does not fit a frame of the peer:
// the router ends the session, and must not forget what was unsettled on it.
func TestSessionThatEndsForAnAttachTooLargeLeavesItsMessagesInDoubt(t *testing.T) {
	t.Parallel()
	n := chain(t, 2)
	p := rawOpen(t, n.node("B"), &wire.Open{ContainerID: "small", MaxFrameSize: 512, ChannelMax: 10})
	p.begin(0)
	p.attachReceiver(0, "closest/x", 1)
	n.consumers("A", "closest/x", 0, 1)
	s := connect(t, n.node("A")).sender("closest/x", nil)
	had, queued := s.begin(text("1")), s.begin(text("2"))
	p.receive(0)
	p.attachSender(1, "")
	x := p.first(1)
	x.More = true
	p.send(transfer(x, body("half")))
	p.send(&wire.Attach{Name: "large", Handle: 7, Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed,
		Source: &wire.Source{Address: "closest/" + strings.Repeat("x", 600), HasAddress: true}})
	p.wantSessionEnd("an answer that does not fit", wire.ErrFrameSizeTooSmall)
	wantInDoubt(t, "what the receiver had", s.outcome(had))
	wantReleased(t, "what it was not offered", s.outcome(queued))
	p.lives()
}

// TestPeerWithASmallIdleTimeOutIsKeptAwake leaves a connection idle for several of its time-outs.
func TestPeerWithASmallIdleTimeOutIsKeptAwake(t *testing.T) {
	t.Parallel()
	n := alone(t)
	p := rawOpen(t, n.node("A"), &wire.Open{ContainerID: "x", MaxFrameSize: 512, ChannelMax: 1, IdleTimeOut: 100})
	for i := range 8 { // each is half the time-out after the one before [2.4.5]
		if _, err := p.read(); err != nil {
			t.Fatalf("empty frame %d: %v", i, err)
		}
	}
	p.begin(0)
}

// TestSilentPeersAreGivenUp has a listener whose idle time-out is a second.
func TestSilentPeersAreGivenUp(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true,
		listeners: "  - {name: lively, host: 127.0.0.1, port: 0, idleTimeoutSeconds: 1}"})
	p := rawTo(t, r.Addr("lively"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "x", MaxFrameSize: 512, ChannelMax: 1})
	open := want[*wire.Open](p, "open is answered")
	if open.IdleTimeOut == 0 || open.IdleTimeOut > 1000 {
		t.Errorf("the idle time-out told is %d ms", open.IdleTimeOut)
	}
	p.wantClose("nothing was heard for the idle time-out", wire.ErrResourceLimitExceeded)
}

func TestFailoverListAndPropertiesAreToldInOpen(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	r := n.add(plan{id: "A", standalone: true,
		listeners: `  - {name: told, host: 127.0.0.1, port: 0, failoverUrls: "amqps://other:7777, third",
     openProperties: {site: here}}`})
	p := rawTo(t, r.Addr("told"))
	p.send(wire.HeaderAMQP, &wire.Open{ContainerID: "x", MaxFrameSize: 512, ChannelMax: 1})
	open := want[*wire.Open](p, "open is answered")
	v, _, err := wire.DecodeValue(open.Properties)
	m, ok := v.(wire.Map)
	if err != nil || !ok {
		t.Fatalf("properties %v, %v", v, err)
	}
	list, _ := m.Get("failover-server-list")
	if got := fmt.Sprint(list); !strings.Contains(got, "other") || !strings.Contains(got,
		"7777") || !strings.Contains(got, "third") {
		t.Errorf("failover-server-list: %v", got)
	}
	if site, _ := m.Get("site"); site != "here" {
		t.Errorf("properties: %v", m)
	}
	if open.ContainerID != "A" {
		t.Errorf("container-id %q", open.ContainerID)
	}
}
