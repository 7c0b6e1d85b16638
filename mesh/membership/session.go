package membership

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// session is a connection with a neighbor, after the introduction.
//
// The stream of the introduction carries frames, each with two octets, its length, before it; where there are datagrams,
// each carries one frame if it fits. Every other stream begins with
//
//	octet    connections that it may still pass
//	octet, n to whom
//	octet, n from whom
//
// which the router that it is for answers with (octet, n) "", or that it cannot be reached, and why.
type session struct {
	overlay *Overlay
	carrier Carrier
	control net.Conn
	peer    string
	dialed  bool

	queue   chan []byte
	used    atomic.Int64 // when something was last sent or received, in nanoseconds
	streams chan struct{}
	transit bucket // of the reader
	opens   bucket // of the acceptor

	ctx    context.Context
	cancel context.CancelFunc
	once   sync.Once
}

func newSession(o *Overlay, c Carrier, control net.Conn, peer string, dialed bool) *session {
	s := &session{
		overlay: o, carrier: c, control: control, peer: peer, dialed: dialed,
		queue: make(chan []byte, sessionQueue), streams: make(chan struct{}, peerStreams),
	}
	s.ctx, s.cancel = context.WithCancel(o.ctx)
	s.used.Store(time.Now().UnixNano())
	return s
}

// start starts the goroutines. The overlay's lock is held.
func (s *session) start() {
	s.overlay.wg.Go(s.write)
	s.overlay.wg.Go(s.read)
	s.overlay.wg.Go(s.accept)
	s.overlay.wg.Go(s.datagrams)
}

// close ends the session.
func (s *session) close() {
	s.once.Do(func() {
		s.cancel()
		_ = s.carrier.Close()
		s.overlay.remove(s)
	})
}

// send queues a frame, or drops it when the queue is full.
func (s *session) send(frame []byte) bool {
	select {
	case s.queue <- frame:
		return true
	default:
		return false
	}
}

// A frame is a packet on its way:
//
//	octet    connections that it may still pass
//	octet, n to whom
//	octet, n from whom
//	n        the packet
const maxFrame = 3 + 2*maxID + maxPacketIn + 128

func appendFrame(b []byte, hops int, to, from string, packet []byte) []byte {
	return append(appendText(appendText(append(b, byte(hops)), to), from), packet...)
}

// write writes frames: as datagrams where that is possible, otherwise several at once.
func (s *session) write() {
	defer s.close()
	w := bufio.NewWriterSize(s.control, 8<<10)
	for {
		var frame []byte
		select {
		case <-s.ctx.Done():
			return
		case frame = <-s.queue:
		}
		for frame != nil {
			if s.carrier.SendDatagram(frame) != nil {
				_ = s.control.SetWriteDeadline(time.Now().Add(writeLimit))
				var head [2]byte
				binary.BigEndian.PutUint16(head[:], uint16(len(frame)))
				_, _ = w.Write(head[:])
				if _, err := w.Write(frame); err != nil {
					return
				}
			}
			select {
			case frame = <-s.queue:
			default:
				frame = nil
			}
		}
		if err := w.Flush(); err != nil {
			return
		}
		s.used.Store(time.Now().UnixNano())
	}
}

// read reads frames from the control stream.
func (s *session) read() {
	defer s.close()
	r := bufio.NewReaderSize(s.control, 8<<10)
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		if n > maxFrame {
			s.overlay.log.printf(LevelWarning, "router %s sends a packet of %d octets, the connection is closed", s.peer, n)
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		s.take(frame)
	}
}

// datagrams reads frames from datagrams.
func (s *session) datagrams() {
	for {
		frame, err := s.carrier.ReceiveDatagram(s.ctx)
		if err != nil {
			return
		}
		if len(frame) <= maxFrame {
			s.take(frame)
		}
	}
}

// take takes a frame: it is for this router, or to be sent on.
func (s *session) take(frame []byte) {
	now := time.Now()
	s.used.Store(now.UnixNano())
	in := input{b: frame}
	hops, to, origin := in.octet(), in.text(), in.text()
	if in.short {
		return
	}
	if to == s.overlay.config.ID {
		if origin != s.peer {
			s.overlay.learnWay(origin, s)
		}
		s.overlay.receiver.ReceivePacket(in.b)
		return
	}
	if hops > 1 && hops <= maxHops && s.passes(now) {
		frame[0] = hops - 1
		if s.overlay.forward(to, frame, s) && origin != s.peer {
			s.overlay.learnWay(origin, s)
		}
	}
}

// passes reports whether the neighbor may send a packet through this router.
func (s *session) passes(now time.Time) bool {
	s.overlay.mu.Lock() // datagrams and stream have a reader each
	defer s.overlay.mu.Unlock()
	return s.transit.take(now, transitRate, transitRate)
}

// open opens a stream to a router, which may be behind the neighbor.
func (s *session) open(ctx context.Context, hops int, to, origin string) (net.Conn, error) {
	s.used.Store(time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(ctx, streamOpen)
	defer cancel()
	c, err := s.carrier.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = c.Write(appendText(appendText([]byte{byte(hops)}, to), origin))
	if err == nil {
		var refusal string
		if refusal, err = readText(c); err == nil && refusal != "" {
			err = fmt.Errorf("router %s: %.200q", s.peer, refusal)
		}
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// accept takes the streams that the neighbor opens.
func (s *session) accept() {
	defer s.close()
	for {
		c, err := s.carrier.AcceptStream(s.ctx)
		if err != nil {
			return
		}
		// A stream takes memory for a while after it was closed: a neighbor that opens too many is no neighbor.
		if !s.opens.take(time.Now(), streamRate, streamBurst) {
			s.overlay.log.printf(LevelWarning, "router %s opens too many streams, the connection is closed", s.peer)
			return
		}
		select {
		case s.streams <- struct{}{}:
			if !s.overlay.spawn(func() { defer func() { <-s.streams }(); s.serve(c) }) {
				_ = c.Close()
				<-s.streams
			}
		default:
			_ = c.Close()
		}
	}
}

// serve takes one stream: it is for this router, or to be continued.
func (s *session) serve(c net.Conn) {
	s.used.Store(time.Now().UnixNano())
	_ = c.SetDeadline(time.Now().Add(hello))
	stop := context.AfterFunc(s.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var hops [1]byte
	err := readFull(c, hops[:])
	to, err := readTextAfter(err, c)
	origin, err := readTextAfter(err, c)
	if err != nil {
		_ = c.Close()
		return
	}
	if to == s.overlay.config.ID {
		if _, err := c.Write([]byte{0}); err != nil || !stop() {
			_ = c.Close()
			return
		}
		_ = c.SetDeadline(time.Time{})
		s.overlay.receiver.ReceiveStream(c)
		return
	}
	defer c.Close()
	if err := s.relay(c, int(hops[0]), to, origin); err != nil {
		text := err.Error()
		_, _ = c.Write(appendText(nil, text[:min(len(text), 200)]))
	}
}

var errTransit = errors.New("too many streams pass through this router")

// relay continues a stream through another neighbor. An error is for the router before.
func (s *session) relay(c net.Conn, hops int, to, origin string) error {
	o := s.overlay
	if hops <= 1 || hops > maxHops {
		return errors.New("the way is too long")
	}
	o.mu.Lock()
	full := o.transits >= transitStreams
	if !full {
		o.transits++
	}
	o.mu.Unlock()
	if full {
		return errTransit
	}
	defer func() { o.mu.Lock(); o.transits--; o.mu.Unlock() }()
	_ = c.SetDeadline(time.Now().Add(2 * streamOpen))
	ctx, cancel := context.WithTimeout(s.ctx, streamOpen)
	defer cancel()
	next, err := o.dialStream(ctx, hops-1, to, origin, s)
	if err != nil {
		return err
	}
	defer next.Close()
	limit := time.Now().Add(transitLimit)
	_ = c.SetDeadline(limit)
	_ = next.SetDeadline(limit)
	stop := context.AfterFunc(s.ctx, func() {
		_ = c.SetDeadline(time.Unix(1, 0))
		_ = next.SetDeadline(time.Unix(1, 0))
	})
	defer stop()
	if _, err := c.Write([]byte{0}); err != nil {
		return nil
	}
	// When one direction has ended, so has the conversation: memberlist closes a stream after the last answer.
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{c, next}, {next, c}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
	_ = c.Close()
	_ = next.Close()
	_ = c.SetDeadline(time.Unix(1, 0))
	_ = next.SetDeadline(time.Unix(1, 0))
	<-done
	return nil
}

func readFull(c net.Conn, b []byte) error {
	_, err := io.ReadFull(c, b)
	return err
}

// readText reads a text with an octet before it, its length.
func readText(c net.Conn) (string, error) {
	b := make([]byte, 1, 256)
	if err := readFull(c, b); err != nil {
		return "", err
	}
	b = b[:b[0]]
	err := readFull(c, b)
	return string(b), err
}

func readTextAfter(err error, c net.Conn) (string, error) {
	if err != nil {
		return "", err
	}
	return readText(c)
}
