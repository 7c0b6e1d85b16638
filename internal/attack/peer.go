package attack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroad/postroad/internal/amqp/wire"
)

const (
	// writeSize is how much is written at once.
	writeSize = 64 << 10
	// writeLimit is how long a write may make no progress. The router reads no more, then.
	writeLimit = time.Second
	// patience is how long an answer that must come is waited for. Only a router that hangs takes as long.
	patience = 15 * time.Second
	// keepPeriod is the time between two empty frames.
	keepPeriod = 4 * time.Second
)

// peer is a raw connection: it sends what it is told to, and keeps no rules. One goroutine at a time may read.
type peer struct {
	nc      net.Conn
	in      []byte
	closed  chan struct{}
	closing sync.Once
	sent    atomic.Int64 // octets

	mu     sync.Mutex // held while something is written
	broken error      // of an earlier write
	ids    uint32     // of the next delivery
}

// dial opens a connection; buffer is the size of the socket's read buffer, 0 for the usual one.
func dial(port, buffer int) (*peer, error) {
	nc, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		return nil, err
	}
	if buffer > 0 {
		if err := nc.(*net.TCPConn).SetReadBuffer(buffer); err != nil {
			return nil, errors.Join(err, nc.Close())
		}
	}
	return &peer{nc: nc, closed: make(chan struct{})}, nil
}

// close closes the connection without a word.
func (p *peer) close() {
	p.closing.Do(func() {
		close(p.closed)
		p.nc.Close()
	})
}

// send writes, and gives up when there was no progress for writeLimit. After that nothing is written any more.
func (p *peer) send(frames ...[]byte) error { return p.sendWithin(writeLimit, frames...) }

func (p *peer) sendWithin(limit time.Duration, frames ...[]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return p.broken
	}
	for all := join(frames...); len(all) > 0; {
		p.nc.SetWriteDeadline(time.Now().Add(limit))
		n, err := p.nc.Write(all[:min(len(all), writeSize)])
		p.sent.Add(int64(n))
		if all = all[n:]; err != nil && n == 0 {
			p.broken = err
			return err
		}
	}
	return nil
}

// start says who the peer is and begins a session, all at once, and reads no answer.
func (p *peer) start(container string) error {
	return p.send(wire.HeaderAMQP[:], open(container), begin(0))
}

// message is a frame from the router. Body is decoded where the attacks need it, else nil.
type message struct {
	code    uint64
	channel uint16
	body    any
	payload int // octets
}

// errPeerClosed says that the router has closed, ended or detached what is needed.
var errPeerClosed = errors.New("closed by the router")

// next returns the next frame.
func (p *peer) next(limit time.Duration) (m message, err error) {
	until := time.Now().Add(limit)
	for {
		if len(p.in) >= 8 && string(p.in[:4]) == "AMQP" {
			p.in = p.in[8:]
		}
		f, n, err := wire.ParseFrame(p.in, frameSize)
		if err != nil {
			return m, err
		}
		if n > 0 {
			p.in = p.in[n:]
			if len(f.Body) > 0 {
				return decode(f)
			}
			continue
		}
		b := make([]byte, writeSize)
		p.nc.SetReadDeadline(until)
		n, err = p.nc.Read(b)
		if n == 0 {
			return m, err
		}
		p.in = append(p.in, b[:n]...)
	}
}

// decode decodes a frame.
func decode(f wire.Frame) (m message, err error) {
	m.channel = f.Channel
	if m.code, err = wire.PeekDescriptor(f.Body); err != nil {
		return m, err
	}
	var rest []byte
	var x interface {
		Decode([]byte) ([]byte, error)
	}
	switch m.code {
	case wire.DescriptorBegin:
		x = new(wire.Begin)
	case wire.DescriptorAttach:
		x = new(wire.Attach)
	case wire.DescriptorFlow:
		x = new(wire.Flow)
	case wire.DescriptorTransfer:
		x = new(wire.Transfer)
	case wire.DescriptorDisposition:
		x = new(wire.Disposition)
	case wire.DescriptorDetach:
		x = new(wire.Detach)
	case wire.DescriptorEnd:
		x = new(wire.End)
	case wire.DescriptorClose:
		x = new(wire.Close)
	default:
		return m, nil
	}
	rest, err = x.Decode(f.Body)
	m.body, m.payload = x, len(rest)
	return m, err
}

// over returns an error if the message is a detach, an end or a close.
func (m message) over() error {
	var why *wire.Error
	switch x := m.body.(type) {
	case *wire.Detach:
		why = x.Error
	case *wire.End:
		why = x.Error
	case *wire.Close:
		why = x.Error
	default:
		return nil
	}
	if why == nil {
		return errPeerClosed
	}
	return fmt.Errorf("%w: %w", errPeerClosed, why)
}

// await returns the next performative of a kind. A detach, an end or a close in between is an error.
func await[T any](p *peer, limit time.Duration) (x *T, err error) {
	until := time.Now().Add(limit)
	for {
		m, err := p.next(time.Until(until))
		if err != nil {
			return nil, fmt.Errorf("no %T: %w", x, err)
		}
		if x, ok := m.body.(*T); ok {
			return x, nil
		}
		if err := m.over(); err != nil {
			return nil, fmt.Errorf("no %T: %w", x, err)
		}
	}
}

// discard reads and forgets from now on, so that the router can always write, and keeps the connection alive.
func (p *peer) discard() {
	go io.Copy(io.Discard, p.nc)
	p.keep()
}

// keep keeps the connection alive.
func (p *peer) keep() {
	go p.every(keepPeriod, func() error { return p.send(empty) })
}

// every calls f now and then, until the connection is closed or f fails.
func (p *peer) every(period time.Duration, f func() error) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if f() != nil {
				return
			}
		case <-p.closed:
			return
		}
	}
}

// trickle reads one octet a second.
func (p *peer) trickle() {
	b := make([]byte, 1)
	go p.every(time.Second, func() error {
		p.nc.SetReadDeadline(time.Now().Add(time.Second / 2))
		p.nc.Read(b)
		return nil
	})
}

// acceptAll reads and accepts whatever comes, each delivery when so many others have come after it.
func (p *peer) acceptAll(behind int) {
	p.keep()
	var waiting []uint32
	p.each(func(x *wire.Transfer) error {
		if waiting = append(waiting, x.DeliveryID); len(waiting) <= behind {
			return nil
		}
		id := waiting[0]
		waiting = waiting[1:]
		return p.send(disposition(wire.RoleReceiver, id, id, true, accepted))
	})
}

// count reads and counts deliveries, and forgets them.
func (p *peer) count(got *atomic.Int64) {
	p.keep()
	p.each(func(*wire.Transfer) error {
		got.Add(1)
		return nil
	})
}

// each reads until the connection ends, and calls f for the first frame of each delivery.
func (p *peer) each(f func(*wire.Transfer) error) {
	for {
		m, err := p.next(time.Hour) // as long as the attack takes
		if err != nil {
			return
		}
		if x, ok := m.body.(*wire.Transfer); ok && x.HasDeliveryID && f(x) != nil {
			return
		}
	}
}

// transfer encodes a delivery, in as many frames as it takes, and counts its frames.
func (p *peer) transfer(handle uint32, payload []byte, settled bool) (all []byte, frames int) {
	const room = 64 // octets that a transfer takes of a frame beside its payload, at most
	tag := binary.BigEndian.AppendUint32(nil, p.ids)
	x := wire.Transfer{Handle: handle, DeliveryID: p.ids, HasDeliveryID: true, DeliveryTag: tag, HasMessageFormat: true}
	p.ids++
	for {
		n := min(len(payload), frameSize-room)
		x.Settled, x.HasSettled, x.More = settled, true, n < len(payload)
		all = append(all, frame(0, &x, payload[:n]...)...)
		payload = payload[n:]
		frames++
		if !x.More {
			return all, frames
		}
		x = wire.Transfer{Handle: handle}
	}
}

// load is what pump sends.
type load struct {
	links   int // senders with the handles 0 to links-1, attached before
	payload func(i int) []byte
	settled bool
	count   int           // deliveries at most, 0 for any number
	patient bool          // a write may take as long as an answer
	quiet   time.Duration // how long credit is waited for, 0 for as long as the context lives
}

// pump sends deliveries on links as credit and window allow, and returns how many. It reads what the router says.
func (p *peer) pump(ctx context.Context, l load) (sent int, err error) {
	limit := writeLimit
	if l.patient {
		limit = patience
	}
	window := 0
	handles := make(map[uint32]int) // of the router to ours
	credit := make([]int, l.links)
	counts := make([]int, l.links)
	next := 0 // transfer-id
	last := time.Now()
	for ctx.Err() == nil {
		for handle := range credit {
			for credit[handle] > 0 && window > 0 && (l.count == 0 || sent < l.count) && ctx.Err() == nil {
				b, frames := p.transfer(uint32(handle), l.payload(sent), l.settled)
				if err := p.sendWithin(limit, b); err != nil {
					return sent, err
				}
				sent, next, window = sent+1, next+frames, window-frames
				credit[handle]--
				counts[handle]++
				last = time.Now()
			}
		}
		if l.count > 0 && sent >= l.count || l.quiet > 0 && time.Since(last) > l.quiet {
			return sent, nil
		}
		m, err := p.next(50 * time.Millisecond)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			continue
		}
		if err == nil {
			err = m.over()
		}
		if err != nil {
			return sent, err
		}
		switch x := m.body.(type) {
		case *wire.Begin:
			window = int(x.IncomingWindow)
		case *wire.Flow:
			window = int(x.NextIncomingID) + int(x.IncomingWindow) - next
			if handle, ok := handles[x.Handle]; ok && x.HasHandle {
				credit[handle] = int(x.DeliveryCount) + int(x.LinkCredit) - counts[handle]
			}
		case *wire.Attach:
			if handle, ok := senderHandle(x); ok {
				handles[x.Handle] = handle
			}
		}
	}
	return sent, nil
}
