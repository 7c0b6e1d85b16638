package conn

import (
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
)

// slowPeer is the other end of a connection that is served.
type slowPeer struct {
	c     *Conn
	far   net.Conn
	ended chan struct{} // closed when the connection has
	began time.Time

	speaks sync.WaitGroup
}

// meet serves a connection to a peer that says something and then is heard of every two seconds.
func meet(t *testing.T, idle time.Duration, says []byte) *slowPeer {
	t.Helper()
	near, far := net.Pipe()
	h := newHost(t)
	p := &slowPeer{c: h.NewConn(piped{near}, settings(idle), false), far: far, ended: make(chan struct{}),
		began: time.Now()}
	go func() {
		defer close(p.ended)
		p.c.run()
		p.c.E.CloseAccount()
	}()
	p.speaks.Go(func() {
		beat := time.NewTicker(2 * time.Second)
		defer beat.Stop()
		for {
			if _, err := far.Write(says); err != nil {
				return
			}
			says = amqptest.Encode(nil, amqptest.Empty)
			select {
			case <-beat.C:
			case <-p.ended:
				return
			}
		}
	})
	return p
}

// end closes the connection from the peer's side, and says whether everything was given back.
func (p *slowPeer) end(t *testing.T) {
	t.Helper()
	p.far.Close()
	<-p.ended
	p.speaks.Wait()
	if m, s := p.c.E.Holds(); m != 0 || s != 0 {
		t.Errorf("%d octets of messages and %d of state are still counted", m, s)
	}
}

// TestAPeerThatReadsNothingIsEndedAfterItsIdleTimeOut sends heartbeats all the time, and reads nothing.
func TestAPeerThatReadsNothingIsEndedAfterItsIdleTimeOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ idle, want time.Duration }{{10 * time.Second, 10 * time.Second}, {0, writePatience}} {
		synctest.Test(t, func(t *testing.T) {
			p := meet(t, c.idle, begin(400))
			<-p.ended
			_, reason := p.c.E.Outcome()
			if passed := time.Since(p.began); passed < c.want || passed > c.want+Lingering ||
				!strings.Contains(reason, "has read nothing") {
				t.Errorf("with a time-out of %v it is ended after %v: %s", c.idle, passed, reason)
			}
			p.end(t)
		})
	}
}

// TestAPeerThatReadsAnOctetNowAndThenIsNotEnded reads one each nine seconds, for ten minutes.
func TestAPeerThatReadsAnOctetNowAndThenIsNotEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const idle = 10 * time.Second
		p := meet(t, idle, begin(400))
		var one [1]byte
		for time.Since(p.began) < 10*time.Minute {
			time.Sleep(idle - time.Second)
			if _, err := p.far.Read(one[:]); err != nil {
				_, reason := p.c.E.Outcome()
				t.Fatalf("after %v: %v: %s", time.Since(p.began), err, reason)
			}
		}
		p.end(t)
	})
}

// TestAPeerThatReadsNothingIsHeardNoMore asks for more answers than may wait: the router stops to read, and goes on
// when the peer has read.
func TestAPeerThatReadsNothingIsHeardNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 6000
		said := begin(count)
		near, far := net.Pipe()
		c := newHost(t).NewConn(piped{near}, settings(time.Minute), false)
		p := &slowPeer{c: c, far: far, ended: make(chan struct{})}
		go func() { defer close(p.ended); c.run(); c.E.CloseAccount() }()
		taken := 0
		go func() {
			for taken < len(said) {
				n, err := far.Write(said[taken:min(taken+1000, len(said))])
				if taken += n; err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if most := 2 * len(said) / 3; taken == 0 || taken > most || !c.E.Unread.Load() {
			t.Errorf("%d of %d octets are taken of who reads nothing", taken, len(said))
		}
		if outstanding := buf.OutstandingOctets(); outstanding > 4<<20 {
			t.Errorf("%d octets of buffers are in use", outstanding)
		}
		go func() {
			b := make([]byte, 64<<10)
			for {
				if _, err := far.Read(b); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if taken != len(said) {
			t.Errorf("when it reads, %d of %d octets are taken", taken, len(said))
		}
		p.end(t)
	})
}
