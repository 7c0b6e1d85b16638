package membership

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// memberlist addresses members by IP address and port, beside their names. Here names are all there is: the address of
// a router is made from its id, so that memberlist does not see another one when the router moves.
const pseudoPort = 1

func pseudoAddress(id string) net.IP {
	sum := sha256.Sum256([]byte(id))
	ip := net.IP(sum[:net.IPv6len])
	ip[0] = 0xfd // unique local (RFC 4193), never sent anywhere
	return ip
}

// seedMark begins the name under which memberlist joins a seed, of which it knows no name. No router id begins with it.
const seedMark = "\x00seed"

const (
	packetQueue = 512 // packets that wait for memberlist
	maxStreams  = 64  // streams in both directions at the same time
)

// transport is a memberlist.NodeAwareTransport over a Network.
type transport struct {
	network   Network
	envelopes envelopes
	counters  *counters
	log       *logger
	lookup    func(id string) (Member, bool)

	packets chan *memberlist.Packet
	streams chan net.Conn
	ctx     context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	seeds   map[string]Endpoint // by the name for memberlist
	open    map[*stream]bool
	closing bool
}

func newTransport(network Network, e envelopes, c *counters, log *logger, lookup func(string) (Member, bool)) *transport {
	t := &transport{
		network: network, envelopes: e, counters: c, log: log, lookup: lookup,
		packets: make(chan *memberlist.Packet, packetQueue), streams: make(chan net.Conn, maxStreams),
		seeds: make(map[string]Endpoint), open: make(map[*stream]bool),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// anonymous is the address packets come from; nobody uses it.
var anonymous = &net.TCPAddr{IP: net.IPv6loopback, Port: pseudoPort}

// ReceivePacket implements [Receiver].
func (t *transport) ReceivePacket(b []byte) {
	message, err := t.envelopes.unpack(kindPacket, b)
	if err == nil {
		if err = checkPacket(message); err != nil {
			t.counters.refusedMessage.Add(1)
		}
	} else {
		t.counters.refuse(err)
	}
	if err != nil {
		t.log.printf(LevelWarning, "a packet is refused: %v", err)
		return
	}
	select {
	case t.packets <- &memberlist.Packet{Buf: message, From: anonymous, Timestamp: time.Now()}:
		t.counters.packetsIn.Add(1)
	default:
		t.counters.droppedIn.Add(1)
	}
}

// ReceiveStream implements [Receiver].
func (t *transport) ReceiveStream(c net.Conn) {
	s, err := t.wrap(c)
	if err != nil {
		t.counters.refusedStreams.Add(1)
		return
	}
	select {
	case t.streams <- s:
		t.counters.streamsIn.Add(1)
	default: // not possible: there are no more of them than have room
		_ = s.Close()
	}
}

// Member implements [Receiver].
func (t *transport) Member(id string) (Member, bool) { return t.lookup(id) }

// seed returns a name under which memberlist can join a seed.
func (t *transport) seed(e Endpoint) string {
	name := seedMark + strings.ReplaceAll(e.String(), "/", "\x01") // a slash ends a name
	t.mu.Lock()
	t.seeds[name] = e
	t.mu.Unlock()
	return name
}

// FinalAdvertiseAddr implements [memberlist.Transport].
func (t *transport) FinalAdvertiseAddr(ip string, _ int) (net.IP, int, error) {
	return net.ParseIP(ip), pseudoPort, nil
}

// WriteToAddress implements [memberlist.NodeAwareTransport].
func (t *transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	packet := t.envelopes.pack(make([]byte, 0, len(b)+envelopeOctets(t.envelopes.mesh)), kindPacket, b)
	if t.network.SendPacket(to.Name, packet) {
		t.counters.packetsOut.Add(1)
	} else {
		t.counters.droppedOut.Add(1)
	}
	return time.Now(), nil
}

// DialAddressTimeout implements [memberlist.NodeAwareTransport].
func (t *transport) DialAddressTimeout(to memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	t.mu.Lock()
	seed, isSeed := t.seeds[to.Name]
	t.mu.Unlock()
	var c net.Conn
	var err error
	if isSeed {
		c, err = t.network.DialSeed(ctx, seed)
	} else {
		c, err = t.network.DialStream(ctx, to.Name)
	}
	if err != nil {
		return nil, err
	}
	t.counters.streamsOut.Add(1)
	return t.wrap(c)
}

// WriteTo implements [memberlist.Transport]. It is not called: every member has a name.
func (t *transport) WriteTo([]byte, string) (time.Time, error) { return time.Time{}, errNameless }

// DialTimeout implements [memberlist.Transport]. It is not called either.
func (t *transport) DialTimeout(string, time.Duration) (net.Conn, error) { return nil, errNameless }

var errNameless = errors.New("a member without a name cannot be reached")

// PacketCh implements [memberlist.Transport].
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements [memberlist.Transport].
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown implements [memberlist.Transport].
func (t *transport) Shutdown() error {
	t.cancel()
	err := t.network.Close()
	t.mu.Lock()
	t.closing = true
	open := t.open
	t.open = nil
	t.mu.Unlock()
	for s := range open {
		_ = s.Conn.Close()
	}
	return err
}

// wrap puts envelopes around what goes over a stream. It fails, and closes the stream, when there are too many.
func (t *transport) wrap(c net.Conn) (net.Conn, error) {
	s := &stream{Conn: c, t: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing || len(t.open) >= maxStreams {
		_ = c.Close()
		return nil, fmt.Errorf("more than %d streams of gossip at the same time", maxStreams)
	}
	t.open[s] = true
	return s, nil
}

// stream is a stream as memberlist sees it: each Write is one message, and the next Reads return one message. On the
// wire a message is four octets, the length of the envelope, and the envelope.
type stream struct {
	net.Conn
	t       *transport
	message []byte // not read yet
	refused error
}

// Write implements [net.Conn].
func (s *stream) Write(b []byte) (int, error) {
	out := make([]byte, 4, 4+len(b)+envelopeOctets(s.t.envelopes.mesh))
	out = s.t.envelopes.pack(out, kindStream, b)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	if _, err := s.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read implements [net.Conn].
func (s *stream) Read(b []byte) (int, error) {
	if len(s.message) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.message)
	s.message = s.message[n:]
	return n, nil
}

// next reads a whole message. What memberlist makes of it stays in proportion to what has arrived.
func (s *stream) next() error {
	if s.refused != nil {
		return s.refused
	}
	var head [4]byte
	if _, err := io.ReadFull(s.Conn, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxStreamIn {
		s.t.counters.refusedMessage.Add(1)
		return s.refuse(fmt.Errorf("a message of %d octets, must be at most %d", size, maxStreamIn))
	}
	var packed bytes.Buffer // grows with what arrives, not with what is announced
	if _, err := io.CopyN(&packed, s.Conn, int64(size)); err != nil {
		return err
	}
	message, err := s.t.envelopes.unpack(kindStream, packed.Bytes())
	if err != nil {
		s.t.counters.refuse(err)
		return s.refuse(err)
	}
	if err := checkStream(message); err != nil {
		s.t.counters.refusedMessage.Add(1)
		return s.refuse(err)
	}
	s.message = message
	return nil
}

func (s *stream) refuse(err error) error {
	s.refused = fmt.Errorf("a stream is refused: %w", err)
	s.t.log.printf(LevelWarning, "%v", s.refused)
	return s.refused
}

// Close implements [net.Conn].
func (s *stream) Close() error {
	s.t.mu.Lock()
	delete(s.t.open, s)
	s.t.mu.Unlock()
	return s.Conn.Close()
}
