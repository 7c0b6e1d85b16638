package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// SASL mechanisms a bench connection can use. NoSASL leaves the SASL layer out.
const (
	NoSASL        = ""
	SASLAnonymous = "ANONYMOUS"
	SASLPlain     = "PLAIN"
	SASLExternal  = "EXTERNAL"
)

// Protocol headers [2.2] [5.3.2].
var (
	headerAMQP = [8]byte{'A', 'M', 'Q', 'P', 0, 1, 0, 0}
	headerSASL = [8]byte{'A', 'M', 'Q', 'P', 3, 1, 0, 0}
)

// Endpoint is a container to connect to, and how.
type Endpoint struct {
	Address   string // host:port
	Hostname  string // hostname field of open and sasl-init
	Mechanism string // a SASL mechanism, or NoSASL
	User      string // for PLAIN
	Password  string // for PLAIN
	TLS       bool   // Dial speaks TLS; only reported

	// Dial opens the transport; nil means plain TCP. Its errors name the address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// peer is an open AMQP connection with one session on channel 0.
//
// input: the read side belongs to one goroutine; writes are whole frames in one Write each, so any goroutine may write.
type peer struct {
	conn      net.Conn
	in        *frameReader
	container string        // container-id of the other side
	maxFrame  uint32        // largest frame the other side takes
	idle      time.Duration // the other side closes after so long without a frame; 0 never
	window    uint32        // incoming-window of the other side's begin
	handleMax uint32        // largest handle of the session
	incoming  uint32        // next-incoming-id at the begin: next-outgoing-id of the other side

	closeOnce sync.Once
	leaving   chan struct{} // closed when this side closes the connection
}

// connect dials, authenticates, opens the connection and begins a session. ctx bounds all of it.
func connect(ctx context.Context, e Endpoint, frameSize uint32, readBuffer int) (*peer, error) {
	dial := e.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", e.Address)
	if err != nil {
		return nil, err
	}
	p := &peer{conn: conn, in: newFrameReader(conn, readBuffer, int(frameSize)), leaving: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	err = p.handshake(e, frameSize)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no end of the handshake: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("opening an AMQP connection to %s: %w", e.Address, err)
	}
	return p, nil
}

// handshake does everything between the transport and a begun session.
func (p *peer) handshake(e Endpoint, frameSize uint32) error {
	if e.Mechanism != NoSASL {
		if err := p.authenticate(e); err != nil {
			return err
		}
	}
	open := encodeDescribed(codeOpen, encodeString("postroad-bench-"+randomName()), encodeString(e.Hostname),
		encodeUint(frameSize), encodeUshort(0xffff))
	begin := encodeDescribed(codeBegin, null, encodeUint(0), encodeUint(sessionWindow), encodeUint(sessionWindow),
		encodeUint(0xffffffff))
	out := append([]byte(nil), headerAMQP[:]...)
	out = appendFrame(out, frameAMQP, 0, open)
	out = appendFrame(out, frameAMQP, 0, begin)
	if _, err := p.conn.Write(out); err != nil {
		return err
	}
	if err := p.wantHeader(headerAMQP); err != nil {
		return err
	}
	d, err := p.want(codeOpen)
	if err != nil {
		return err
	}
	p.container = d.at(0).text()
	p.maxFrame = min(d.at(2).uintOr(0xffffffff), frameSize)
	p.idle = time.Duration(d.at(4).uintOr(0)) * time.Millisecond
	if p.maxFrame < 512 {
		return fmt.Errorf("peer wants frames of at most %d octets; AMQP allows no less than 512", p.maxFrame)
	}
	if d, err = p.want(codeBegin); err != nil {
		return err
	}
	p.incoming = d.at(1).uintOr(0)
	p.window = d.at(2).uintOr(0)
	p.handleMax = d.at(4).uintOr(0xffffffff)
	return nil
}

// sessionWindow is the session window offered to the other side: so large that it never needs to be granted again,
// because the next-incoming-id sent with every flow moves it along [2.5.6].
const sessionWindow = 1<<31 - 1

// authenticate goes through the SASL layer as client [5.3].
func (p *peer) authenticate(e Endpoint) error {
	if _, err := p.conn.Write(headerSASL[:]); err != nil {
		return err
	}
	if err := p.wantHeader(headerSASL); err != nil {
		return err
	}
	d, err := p.want(codeSASLMechanisms)
	if err != nil {
		return err
	}
	offered := d.at(0).symbols()
	if !slices.Contains(offered, e.Mechanism) {
		return fmt.Errorf("SASL mechanism %s is not offered; the peer offers %s", e.Mechanism,
			strings.Join(offered, ", "))
	}
	response := null
	switch e.Mechanism {
	case SASLPlain:
		response = encodeBinary([]byte("\x00" + e.User + "\x00" + e.Password))
	case SASLAnonymous:
		response = encodeBinary([]byte("postroad"))
	case SASLExternal:
		response = encodeBinary(nil)
	}
	init := encodeDescribed(codeSASLInit, encodeSymbol(e.Mechanism), response, encodeString(e.Hostname))
	if _, err := p.conn.Write(appendFrame(nil, frameSASL, 0, init)); err != nil {
		return err
	}
	if d, err = p.want(codeSASLOutcome); err != nil {
		return err
	}
	if code, _ := d.at(0).ulong(); code != 0 {
		return fmt.Errorf("SASL %s was refused with code %d; check user and password", e.Mechanism, code)
	}
	return nil
}

// wantHeader reads a protocol header and compares it.
func (p *peer) wantHeader(h [8]byte) error {
	got, err := p.in.header()
	if err != nil {
		return explainEOF(err)
	}
	if got != h {
		return fmt.Errorf("peer answered with protocol header %q, %q was expected; is it an AMQP 1.0 container that "+
			"allows this kind of authentication?", got[:], h[:])
	}
	return nil
}

// want reads the next performative of the handshake and fails when it is another one.
func (p *peer) want(code uint64) (described, error) {
	f, err := p.in.read()
	if err != nil {
		return described{}, explainEOF(err)
	}
	d, _, err := decodeDescribed(f.body)
	if err != nil {
		return d, err
	}
	if d.code == codeClose {
		return d, fmt.Errorf("peer closed the connection: %s", orText(d.at(0).peerError(), "no reason given"))
	}
	if d.code == codeEnd {
		return d, fmt.Errorf("peer ended the session: %s", orText(d.at(0).peerError(), "no reason given"))
	}
	if d.code != code {
		return d, fmt.Errorf("peer sent performative 0x%02x where 0x%02x was expected", d.code, code)
	}
	return d, nil
}

// explainEOF makes the end of the stream readable.
func explainEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("peer closed the socket")
	}
	return err
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// emptyFrame keeps a connection alive [2.4.5].
var emptyFrame = []byte{0, 0, 0, 8, 2, 0, 0, 0}

// keepAlive writes empty frames until the connection is closed, at half the time the other side asked for.
func (p *peer) keepAlive() {
	if p.idle <= 0 {
		return
	}
	go func() {
		t := time.NewTicker(max(p.idle/2, time.Millisecond))
		defer t.Stop()
		for {
			select {
			case <-p.leaving:
				return
			case <-t.C:
				if _, err := p.conn.Write(emptyFrame); err != nil {
					return
				}
			}
		}
	}()
}

// sayClose sends the close performative; the other side answers with its own and closes the socket [2.4.3]. From now on
// whatever ends the connection is no error.
func (p *peer) sayClose() {
	p.closeOnce.Do(func() {
		close(p.leaving)
		p.conn.SetWriteDeadline(time.Now().Add(farewell))
		p.conn.Write(appendFrame(nil, frameAMQP, 0, encodeDescribed(codeClose)))
	})
}

// farewell bounds how long this side waits for the close of the other side.
const farewell = time.Second

// isLeaving reports whether this side has said close.
func (p *peer) isLeaving() bool {
	select {
	case <-p.leaving:
		return true
	default:
		return false
	}
}

// awaitEOF reads until the other side has closed the socket too. It belongs to the goroutine that reads.
func (p *peer) awaitEOF() {
	p.conn.SetReadDeadline(time.Now().Add(farewell))
	for {
		p.in.start, p.in.end = 0, 0
		if err := p.in.fill(); err != nil {
			return
		}
	}
}
