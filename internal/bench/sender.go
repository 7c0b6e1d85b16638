package bench

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// sender sends on one link of one connection. Its writer owns the batch, the counters of its link and the pace; its
// reader owns the outcomes. They share what is atomic, and the control octets.
type sender struct {
	peer  *peer
	index int
	clock clock
	batch *batch

	// Of the writer.
	pace          pace
	deliveryCount uint32 // [2.6.7]
	transferID    uint32 // next-outgoing-id [2.5.6]
	presettled    bool
	offer         uint64 // messages to be sent, 0 for no limit
	message       int    // message in the buffer to write next
	frame         int    // frame of it
	sequence      uint64
	readySince    int64 // when the writer last had nothing to do
	woke          int64 // when its timer last fired

	lateness *lockedHistogram // by which the timer was late

	// Written by the reader, read by the writer.
	creditEnd atomic.Uint32 // delivery-count at which credit ends
	windowEnd atomic.Uint32 // transfer-id at which the session window ends
	drain     atomic.Bool
	stopping  atomic.Bool
	wake      chan struct{}

	mu      sync.Mutex
	control []byte // frames to be written before the next transfer

	started   atomic.Uint32 // delivery-id of the next message
	sent      atomic.Uint64 // messages written whole
	outcomes  [outcomeKinds]atomic.Uint64
	settled   atomic.Uint64 // sum of the outcomes
	again     atomic.Uint64 // outcomes for deliveries that had one
	unsettled unsettled

	writerDone, readerDone chan struct{}
}

// lockedHistogram is a histogram behind a mutex, locked once per batch.
type lockedHistogram struct {
	mu sync.Mutex
	h  Histogram
}

// startReader runs the reader of a link that has been attached. Errors go to fail.
func startReader(s *sender, fail func(error)) {
	s.wake = make(chan struct{}, 1)
	s.readerDone = make(chan struct{})
	s.windowEnd.Store(s.peer.window)
	s.peer.keepAlive()
	go func() {
		if err := s.read(); err != nil && !s.peer.isLeaving() {
			fail(fmt.Errorf("sender %d: %w", s.index, err))
		}
		close(s.readerDone)
		s.stop()
	}()
}

// startWriter runs the writer. Errors go to fail.
func startWriter(s *sender, fail func(error)) {
	s.writerDone = make(chan struct{})
	go func() {
		defer close(s.writerDone)
		if err := s.write(); err != nil && !s.peer.isLeaving() {
			fail(fmt.Errorf("sender %d: %w", s.index, err))
		}
	}()
}

// writerEnded reports whether the writer has nothing more to write.
func (s *sender) writerEnded() bool {
	select {
	case <-s.writerDone:
		return true
	default:
		return false
	}
}

// poke wakes the writer.
func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// stop lets the writer finish the message it is in and end.
func (s *sender) stop() {
	s.stopping.Store(true)
	s.poke()
}

// write sends until it is stopped.
func (s *sender) write() error {
	if s.pace.period > 0 {
		defer preciseTimers()()
	}
	for {
		if err := s.writeControl(); err != nil {
			return err
		}
		if s.stopping.Load() && (s.frame == 0 || s.readerEnded()) {
			return nil
		}
		frames, blocked := s.room()
		if frames == 0 {
			if blocked {
				<-s.wake
			} else {
				s.sleep()
			}
			continue
		}
		if err := s.writeFrames(frames); err != nil {
			return err
		}
	}
}

// readerEnded reports whether the peer can no longer give anything.
func (s *sender) readerEnded() bool {
	select {
	case <-s.readerDone:
		return true
	default:
		return false
	}
}

// sleep waits for the next message to become due.
func (s *sender) sleep() {
	s.readySince = s.clock.now()
	s.clock.sleepUntil(s.pace.due(s.pace.next))
	s.woke = s.clock.now()
}

// room stamps as many messages as are due and as credit, session window and buffer allow, and returns how many frames
// can be written from the current place on. With none, blocked tells whether the peer must give something first.
func (s *sender) room() (frames int, blocked bool) {
	window := int(int32(s.windowEnd.Load() - s.transferID))
	if window <= 0 {
		return 0, true
	}
	if s.frame > 0 { // the rest of a message that has begun needs no credit
		return min(window, s.batch.frames-s.frame), false
	}
	credit := int(int32(s.creditEnd.Load() - s.deliveryCount))
	if !s.presettled {
		credit = min(credit, s.unsettled.room(s.started.Load()))
	}
	if s.offer > 0 {
		credit = int(min(int64(credit), int64(s.offer)-int64(s.sequence-firstSequence(s.index))))
	}
	if credit <= 0 {
		return 0, true
	}
	if s.message == s.batch.messages {
		s.message = 0
	}
	now := s.clock.now()
	limit := min(credit, s.batch.messages-s.message, (window+s.batch.frames-1)/s.batch.frames)
	n := s.pace.ready(now, limit)
	s.stamp(n, now)
	return min(window, n*s.batch.frames), false
}

// stamp prepares the next n messages of the buffer. A message is stamped with the time it was due; when it became due
// while the writer slept, with the time the timer fired, and the difference is recorded as the generator's own.
func (s *sender) stamp(n int, now int64) {
	id := s.started.Load()
	defer s.started.Store(id + uint32(n))
	if s.pace.period == 0 {
		for i := range n {
			s.batch.stamp(s.message+i, id+uint32(i), now, s.sequence+uint64(i))
		}
		s.sequence += uint64(n)
		return
	}
	s.lateness.mu.Lock()
	defer s.lateness.mu.Unlock()
	for i := range n {
		due := s.pace.due(s.pace.next)
		s.pace.next++
		stamp := due
		if due >= s.readySince && due <= s.woke {
			stamp = s.woke
			s.lateness.h.Record(time.Duration(s.woke-due), 1)
		}
		s.batch.stamp(s.message+i, id+uint32(i), stamp, s.sequence)
		s.sequence++
	}
}

// writeFrames writes frames of stamped messages in one write.
func (s *sender) writeFrames(n int) error {
	b := s.batch
	from := b.offset(s.message, s.frame)
	begun := s.message*b.frames + s.frame
	end := begun + n
	started := (end+b.frames-1)/b.frames - (begun+b.frames-1)/b.frames
	finished := end/b.frames - s.message
	s.message, s.frame = end/b.frames, end%b.frames
	if _, err := s.peer.conn.Write(b.buf[from:b.offset(s.message, s.frame)]); err != nil {
		return s.broken(err)
	}
	s.transferID += uint32(n)
	s.deliveryCount += uint32(started)
	s.sent.Add(uint64(finished))
	return nil
}

// broken explains a failed write: the reader may know better why.
func (s *sender) broken(err error) error {
	select {
	case <-s.readerDone:
		return nil // the reader has said why
	case <-time.After(100 * time.Millisecond):
		return fmt.Errorf("writing: %w", err)
	}
}

// writeControl writes what the reader wants to be said, and answers a drain [2.6.7].
func (s *sender) writeControl() error {
	if s.frame == 0 && s.drain.Swap(false) {
		s.deliveryCount = s.creditEnd.Load()
		s.queue(encodeFlow(s.peer.incoming, s.transferID, s.deliveryCount, 0, true))
	}
	s.mu.Lock()
	out := s.control
	s.control = nil
	s.mu.Unlock()
	if len(out) == 0 {
		return nil
	}
	if _, err := s.peer.conn.Write(out); err != nil {
		return s.broken(err)
	}
	return nil
}

// queue hands a frame to the writer.
func (s *sender) queue(body field) {
	s.mu.Lock()
	s.control = appendFrame(s.control, frameAMQP, 0, body)
	s.mu.Unlock()
	s.poke()
}

// read takes flows and dispositions until the connection ends.
func (s *sender) read() error {
	for {
		f, err := s.peer.in.read()
		if err != nil {
			return explainEOF(err)
		}
		code, fields, _, err := splitDescribed(f.body)
		if err != nil {
			return err
		}
		switch code {
		case codeFlow:
			err = s.takeFlow(fields)
		case codeDisposition:
			err = s.takeDisposition(fields)
		case codeDetach, codeEnd, codeClose:
			d, _, err := decodeDescribed(f.body)
			if err != nil {
				return err
			}
			return endOf(d)
		}
		if err != nil {
			return err
		}
	}
}

// takeFlow updates session window and credit.
func (s *sender) takeFlow(fields cursor) error {
	f, err := parseFlow(fields)
	if err != nil {
		return err
	}
	s.windowEnd.Store(f.windowEnd)
	if f.onLink {
		s.creditEnd.Store(f.deliveryCount + f.credit)
		if f.drain {
			s.drain.Store(true)
		}
	}
	if f.echo && !f.drain {
		s.queue(encodeDescribed(codeFlow, encodeUint(s.peer.incoming), encodeUint(sessionWindow),
			encodeUint(s.started.Load()), encodeUint(sessionWindow)))
	}
	s.poke()
	return nil
}

// takeDisposition counts the outcomes of a range of deliveries [2.7.6].
func (s *sender) takeDisposition(fields cursor) error {
	d, err := parseDisposition(fields)
	if err != nil || !d.receiver { // about deliveries that come to us: there are none
		return err
	}
	kind := outcomeOf(d.state)
	if kind == outcomeNone && !d.settled {
		return nil // progress only, no outcome yet
	}
	n, again, err := s.unsettled.settle(d.first, d.last, s.started.Load())
	if err != nil {
		return err
	}
	s.outcomes[kind].Add(n)
	s.again.Add(again)
	s.settled.Add(n)
	if !d.settled { // the peer waits for us to settle
		s.queue(encodeDisposition(sendingLink, d.first, d.last, d.state))
	}
	s.poke()
	return nil
}

// state describes the sender for the report of a stall.
func (s *sender) state() string {
	sent, settled := s.sent.Load(), s.settled.Load()
	credit := int32(s.creditEnd.Load() - s.started.Load())
	return fmt.Sprintf("sender %d: %d sent, %d with outcome, credit %d, session window up to transfer %d",
		s.index, sent, settled, max(credit, 0), s.windowEnd.Load())
}

// unsettled knows which deliveries still wait for their outcome. The reader settles, the writer asks for room.
type unsettled struct {
	low  atomic.Uint32 // lowest delivery-id without outcome
	done [unsettledLimit / 64]uint64
}

// unsettledLimit bounds how many deliveries may be without outcome at once.
const unsettledLimit = 1 << 17

// room returns how many more deliveries may be sent when next is the next delivery-id.
func (u *unsettled) room(next uint32) int { return unsettledLimit - int(next-u.low.Load()) }

// settle records the outcome of a range of deliveries. It returns for how many it is the first one, and for how many it
// is one too many; a range that was never sent is an error. next is the next delivery-id to be sent.
func (u *unsettled) settle(first, last, next uint32) (n, again uint64, err error) {
	if int32(last-first) < 0 || int32(next-last) <= 0 {
		return 0, 0, fmt.Errorf("peer settled deliveries %d to %d, the next one to be sent is %d", first, last, next)
	}
	low := u.low.Load()
	for id := first; id != last+1; id++ {
		word, bit := &u.done[id%unsettledLimit/64], uint64(1)<<(id%64)
		if int32(id-low) < 0 || *word&bit != 0 {
			again++
			continue
		}
		*word |= bit
		n++
	}
	for low != next && u.done[low%unsettledLimit/64]&(1<<(low%64)) != 0 {
		u.done[low%unsettledLimit/64] &^= 1 << (low % 64)
		low++
	}
	u.low.Store(low)
	return n, again, nil
}
