package bench

import (
	"fmt"
	"net"
	"sync"
)

// Relay is the yardstick: the least that one hop can cost in Go. It answers the handshake of AMQP 1.0 clients with one
// link each, pairs the first sender to an address with the first receiver from it, the second with the second, and then
// copies frames between the two as they are: a reader that parses the stream into frames and copies them, a writer that
// writes whatever has gathered. It knows no credit, no routing and no settlement of its own; those of the two clients
// fit together because both number their deliveries from 0.
type Relay struct {
	frameSize uint32

	mu      sync.Mutex
	waiting map[string]*relayQueue // by address
	ends    map[*relayEnd]struct{}
	closed  bool
}

// relayQueue holds the clients of one address that have no partner yet.
type relayQueue struct{ senders, receivers []*relayEnd }

// NewRelay returns a relay that takes frames of at most frameSize octets.
func NewRelay(frameSize uint32) *Relay {
	return &Relay{frameSize: frameSize, waiting: map[string]*relayQueue{}, ends: map[*relayEnd]struct{}{}}
}

// Serve accepts clients until the listener is closed, then closes them all and waits for their goroutines.
func (r *Relay) Serve(ln net.Listener) error {
	var work sync.WaitGroup
	defer work.Wait()
	defer r.closeAll()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		e := &relayEnd{relay: r, conn: conn, paired: make(chan struct{}), gone: make(chan struct{})}
		e.room.L, e.work.L = &e.mu, &e.mu
		if !r.add(e) {
			conn.Close()
			continue
		}
		work.Go(func() {
			defer r.remove(e)
			e.serve()
		})
	}
}

func (r *Relay) add(e *relayEnd) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.ends[e] = struct{}{}
	}
	return !r.closed
}

func (r *Relay) remove(e *relayEnd) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ends, e)
}

func (r *Relay) closeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for e := range r.ends {
		e.shut()
	}
}

// match pairs an end with one that waits for the same address, or lets it wait.
func (r *Relay) match(e *relayEnd, address string, kind linkKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.waiting[address]
	if q == nil {
		q = &relayQueue{}
		r.waiting[address] = q
	}
	own, others := &q.senders, &q.receivers
	if kind == receivingLink {
		own, others = others, own
	}
	if e.partner != nil {
		return // only the first link of a client counts
	}
	for len(*others) > 0 {
		other := (*others)[0]
		*others = (*others)[1:]
		if other.isGone() || other.partner != nil || other == e {
			continue
		}
		e.partner, other.partner = other, e
		e.push(other.held)
		other.push(e.held)
		e.held, other.held = nil, nil
		close(e.paired)
		close(other.paired)
		return
	}
	*own = append(*own, e)
}

// relayEnd is one client of a relay. Its reader appends to the partner's out, its writer writes its own.
type relayEnd struct {
	relay   *Relay
	conn    net.Conn
	in      *frameReader
	partner *relayEnd     // guarded by the relay's mutex until paired is closed
	held    []byte        // frames that came before there was a partner; guarded by the relay's mutex
	paired  chan struct{} // closed by match
	gone    chan struct{} // closed when the connection is over
	once    sync.Once
	writer  sync.WaitGroup

	mu      sync.Mutex
	room    sync.Cond // out has become smaller
	work    sync.Cond // out has become larger, or the end is gone
	out     []byte    // whole frames to be written
	writing bool      // some are being written
	over    bool
}

// isGone reports whether the connection is over.
func (e *relayEnd) isGone() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

// relayBacklog bounds what waits for one client.
const relayBacklog = 4 << 20

// shut ends the connection.
func (e *relayEnd) shut() {
	e.once.Do(func() {
		close(e.gone)
		e.mu.Lock()
		e.over = true
		e.mu.Unlock()
		e.room.Broadcast()
		e.work.Broadcast()
		e.conn.Close()
	})
}

// serve is the life of one client. Errors of the client end it and nobody else.
func (e *relayEnd) serve() {
	defer e.writer.Wait()
	defer e.shut()
	e.in = newFrameReader(e.conn, receiverBuffer, int(max(e.relay.frameSize, 512)))
	if err := e.handshake(); err != nil {
		return
	}
	e.writer.Go(e.write)
	if err := e.copyFrames(); err != nil {
		return
	}
	e.flush()
}

// handshake answers headers and SASL.
func (e *relayEnd) handshake() error {
	h, err := e.in.header()
	if err != nil {
		return err
	}
	if h == headerSASL {
		mechanisms := append(field{0xe0, 18, 2, 0xa3, 9}, "ANONYMOUS\x05PLAIN"...)
		out := append([]byte(nil), headerSASL[:]...)
		out = appendFrame(out, frameSASL, 0, encodeDescribed(codeSASLMechanisms, mechanisms))
		if _, err := e.conn.Write(out); err != nil {
			return err
		}
		if _, err := e.in.read(); err != nil {
			return err
		}
		outcome := encodeDescribed(codeSASLOutcome, encodeUbyte(0))
		if _, err := e.conn.Write(appendFrame(nil, frameSASL, 0, outcome)); err != nil {
			return err
		}
		if h, err = e.in.header(); err != nil {
			return err
		}
	}
	if h != headerAMQP {
		e.conn.Write(headerAMQP[:])
		return fmt.Errorf("protocol header %q", h[:])
	}
	out := append([]byte(nil), headerAMQP[:]...)
	open := encodeDescribed(codeOpen, encodeString("relay"), null, encodeUint(e.relay.frameSize), encodeUshort(0))
	_, err = e.conn.Write(appendFrame(out, frameAMQP, 0, open))
	return err
}

// copyFrames answers what concerns this client alone and copies the rest to the partner, runs of frames at once.
func (e *relayEnd) copyFrames() error {
	for {
		from := e.in.start
		for {
			at := e.in.start
			f, ok, err := e.in.next()
			if err != nil {
				return err
			}
			if ok && len(f.body) > 2 && f.body[1] == 0x53 && f.body[2] >= codeFlow && f.body[2] <= codeDisposition {
				continue
			}
			if err := e.forward(e.in.buf[from:at]); err != nil {
				return err
			}
			if !ok {
				break
			}
			from = e.in.start
			if len(f.body) == 0 {
				continue
			}
			if done, err := e.answer(f); done || err != nil {
				return err
			}
		}
		if err := e.in.fill(); err != nil {
			return err
		}
	}
}

// forward hands whole frames to the partner, waiting for room, or keeps them until there is one.
func (e *relayEnd) forward(frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	select {
	case <-e.paired:
		e.partner.push(frames)
		return nil
	default:
	}
	e.relay.mu.Lock()
	defer e.relay.mu.Unlock()
	if e.partner != nil {
		e.partner.push(frames)
		return nil
	}
	if len(e.held)+len(frames) > relayBacklog {
		return fmt.Errorf("more than %d octets before there was a partner", relayBacklog)
	}
	e.held = append(e.held, frames...)
	return nil
}

// push appends frames to be written; what comes for a client that is gone is dropped.
func (e *relayEnd) push(frames []byte) {
	e.mu.Lock()
	for len(e.out) > relayBacklog && !e.over {
		e.room.Wait()
	}
	idle := len(e.out) == 0
	if !e.over {
		e.out = append(e.out, frames...)
	}
	e.mu.Unlock()
	if idle {
		e.work.Signal()
	}
}

// write writes whatever has gathered, until the end is gone.
func (e *relayEnd) write() {
	var spare []byte
	for {
		e.mu.Lock()
		e.writing = false
		for len(e.out) == 0 && !e.over {
			e.room.Broadcast()
			e.work.Wait()
		}
		if e.over {
			e.mu.Unlock()
			return
		}
		out := e.out
		e.out, e.writing = spare[:0], true
		e.mu.Unlock()
		e.room.Broadcast()
		if _, err := e.conn.Write(out); err != nil {
			e.shut()
			return
		}
		spare = out
	}
}

// flush waits until everything has been written.
func (e *relayEnd) flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for (len(e.out) > 0 || e.writing) && !e.over {
		e.room.Wait()
	}
}

// answer plays the part of the other container for open, begin, attach and the three that end them. done tells that the
// connection is over.
func (e *relayEnd) answer(f frame) (done bool, err error) {
	d, _, err := decodeDescribed(f.body)
	if err != nil {
		return false, err
	}
	var reply field
	switch d.code {
	case codeBegin:
		reply = encodeDescribed(codeBegin, encodeUshort(f.channel), encodeUint(0), encodeUint(sessionWindow),
			encodeUint(sessionWindow), encodeUint(0xffffffff))
	case codeAttach:
		kind := linkKind(d.at(2).truth())
		terminus, initial := d.at(6), null
		if kind == receivingLink {
			terminus, initial = d.at(5), encodeUint(0)
		}
		node, _, err := decodeDescribed(terminus)
		if err != nil {
			return false, err
		}
		reply = encodeDescribed(codeAttach, d.at(0), d.at(1), encodeBool(!bool(kind)), d.at(3), d.at(4), d.at(5),
			d.at(6), null, null, initial)
		defer e.relay.match(e, node.at(0).text(), kind)
	case codeDetach:
		reply = encodeDescribed(codeDetach, d.at(0), d.at(1))
	case codeEnd:
		reply = encodeDescribed(codeEnd)
	case codeClose:
		reply, done = encodeDescribed(codeClose), true
	default:
		return false, nil
	}
	e.push(appendFrame(nil, frameAMQP, f.channel, reply))
	return done, nil
}
