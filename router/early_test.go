package router

import (
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
)

// earlyPeer is a transport of which a test sees how it is used before the peer is admitted.
type earlyPeer struct {
	pipeEnd
	say      []byte
	most     int       // octets that were asked for at once, on top of those that were not used yet
	deadline time.Time // of the transport's handshake
}

func (p *earlyPeer) Read(b []byte) (int, error) {
	p.most = max(p.most, len(b))
	n := copy(b, p.say)
	if p.say = p.say[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (p *earlyPeer) Handshake(ctx context.Context) error {
	p.deadline, _ = ctx.Deadline()
	return nil
}

func TestHandshakeLimitIsForTheTransportAndAMQPTogether(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	p := &earlyPeer{}
	c := r.host.NewConn(p, &conn.Settings{Terms: forwarding.Terms{Capacity: 250}, MaxFrameSize: 65536, Handshake: time.Hour}, false)
	c.E.Began = time.Now().Add(-59 * time.Minute) // what the TLS handshake took
	if !c.Begin() {
		t.Fatal("the connection does not begin")
	}
	if want := c.E.Began.Add(time.Hour); !p.deadline.Equal(want) {
		t.Errorf("the transport's handshake has until %v, not %v", p.deadline, want)
	}
	if at := c.E.Engine.Deadline(); !at.Equal(p.deadline) {
		t.Errorf("the open has until %v, not %v", at, p.deadline)
	}
	c.End(nil)
}

// TestPeerThatIsNotAdmittedIsReadFromInSmallPortions sends a frame that is as large as it may be, and then what it can.
func TestPeerThatIsNotAdmittedIsReadFromInSmallPortions(t *testing.T) {
	t.Parallel()
	r := idleRouter(t)
	frame := binary.BigEndian.AppendUint32(nil, conn.EarlyOctets)
	frame = append(frame, 2, 0, 0, 0)
	frame = append(frame, make([]byte, 1<<20)...)
	for name, header := range map[string]wire.ProtocolHeader{"SASL": wire.HeaderSASL, "AMQP": wire.HeaderAMQP} {
		p := &earlyPeer{say: append(header[:], frame...)}
		c := r.host.NewConn(p, &conn.Settings{Terms: forwarding.Terms{Capacity: 250}, MaxFrameSize: 65536}, false)
		if !c.Begin() {
			t.Fatal("the connection does not begin")
		}
		if err := c.Reader(); err != io.EOF {
			t.Errorf("the reader ends with %v", err)
		}
		if p.most > conn.EarlyOctets {
			t.Errorf("%s: %d octets are asked for at once", name, p.most)
		}
		endNow(c.E)
	}
}
