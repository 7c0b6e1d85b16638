package bench

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// receiver consumes from one link of one connection. Everything but the atomic counters and the histogram belongs to its
// one goroutine.
type receiver struct {
	peer  *peer
	index int
	clock clock
	size  int     // octets of body expected
	rate  float64 // messages per second taken at most; 0 all there are

	arrived []*arrivals // by sender; shared by the receivers that share the messages

	credit     uint32
	granted    uint32 // delivery-count at which the credit granted ends
	count      uint32 // delivery-count [2.6.7]
	incomingID uint32 // next-incoming-id [2.5.6]

	out                 []byte // frames to be written after this read
	first, last, accept uint32 // range of deliveries to be settled; accept is how many
	run                 run

	// The delivery being received.
	partial  bool
	id       uint32
	settled  bool
	mark     mark
	marked   bool
	head     []byte // octets collected until the mark can be read
	octets   int
	measured atomic.Bool              // record latencies
	gaps     atomic.Pointer[gapWatch] // is told of arrivals; may be nil

	received atomic.Uint64
	bytes    atomic.Uint64 // of bodies
	aborted  atomic.Uint64
	corrupt  atomic.Uint64 // messages that did not look as sent

	mu      sync.Mutex
	latency Histogram

	done chan struct{}
}

// run is a stretch of messages with consecutive sequence numbers and the same due time, counted at once.
type run struct {
	seq, n uint64
	due    int64
}

// startReceiver grants credit and runs the reader of a link that has been attached. Errors go to fail.
func startReceiver(r *receiver, initialCount uint32, fail func(error)) error {
	r.count, r.incomingID = initialCount, r.peer.incoming
	r.grant()
	if _, err := r.peer.conn.Write(r.out); err != nil {
		return fmt.Errorf("receiver %d: granting credit: %w", r.index, err)
	}
	r.peer.keepAlive()
	r.done = make(chan struct{})
	go func() {
		defer close(r.done)
		if err := r.read(); err != nil && !r.peer.isLeaving() {
			fail(fmt.Errorf("receiver %d: %w", r.index, err))
		}
	}()
	return nil
}

// grant appends a flow that opens the whole credit window again.
func (r *receiver) grant() {
	r.granted = r.count + r.credit
	r.out = appendFrame(r.out, frameAMQP, 0, encodeFlow(r.incomingID, 0, r.count, r.credit, false))
}

// read takes transfers until the connection ends. Per read of the socket: one time stamp, one write with the
// dispositions and, when a quarter of the window is used up, new credit.
func (r *receiver) read() error {
	in := r.peer.in
	began := r.clock.now()
	for {
		if err := in.fill(); err != nil {
			return explainEOF(err)
		}
		if r.rate > 0 {
			r.dawdle(began)
		}
		now, before := r.clock.now(), r.received.Load()
		r.mu.Lock()
		err := r.take(now)
		r.flushRun(now)
		r.mu.Unlock()
		if g := r.gaps.Load(); g != nil && r.received.Load() != before {
			g.arrive(now)
		}
		if err != nil {
			return err
		}
		r.settleRange()
		if r.granted-r.count <= r.credit-max(1, r.credit/4) {
			r.grant()
		}
		if len(r.out) == 0 {
			continue
		}
		if _, err := r.peer.conn.Write(r.out); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		r.out = r.out[:0]
	}
}

// dawdle waits until what was taken so far is no more than the receiver's rate allows, or the connection is to end.
func (r *receiver) dawdle(began int64) {
	due := began + int64(float64(r.received.Load())*float64(time.Second)/r.rate)
	limit := time.NewTimer(time.Duration(due - r.clock.now()))
	defer limit.Stop()
	select {
	case <-limit.C:
	case <-r.peer.leaving:
	}
}

// take handles every complete frame in the buffer.
func (r *receiver) take(now int64) error {
	for {
		f, ok, err := r.peer.in.next()
		if err != nil || !ok {
			return err
		}
		if len(f.body) == 0 {
			continue
		}
		code, fields, rest, err := splitDescribed(f.body)
		if err != nil {
			return err
		}
		switch code {
		case codeTransfer:
			t, err := parseTransfer(fields, rest)
			if err != nil {
				return err
			}
			r.incomingID++
			if err := r.takeTransfer(&t, now); err != nil {
				return err
			}
		case codeFlow:
			f, err := parseFlow(fields)
			if err != nil {
				return err
			}
			if f.echo {
				r.grant()
			}
		case codeDetach, codeEnd, codeClose:
			d, _, err := decodeDescribed(f.body)
			if err != nil {
				return err
			}
			return endOf(d)
		}
	}
}

// takeTransfer handles one frame of a delivery.
func (r *receiver) takeTransfer(t *transfer, now int64) error {
	if !r.partial {
		if !t.hasID {
			return fmt.Errorf("peer sent the first transfer of a delivery without delivery-id")
		}
		r.partial, r.id, r.settled = true, t.deliveryID, false
		r.marked, r.octets, r.head = false, 0, r.head[:0]
	} else if t.hasID && t.deliveryID != r.id {
		return fmt.Errorf("peer began delivery %d before delivery %d was complete", t.deliveryID, r.id)
	}
	r.settled = r.settled || t.settled
	r.octets += len(t.payload)
	if !r.marked && !t.aborted {
		r.readMark(t)
	}
	if t.more && !t.aborted {
		return nil
	}
	r.partial = false
	r.count++
	if t.aborted {
		r.aborted.Add(1)
		return nil
	}
	r.complete(now)
	if !r.settled {
		r.settle(r.id)
	}
	return nil
}

// readMark looks for the head of the body, in this frame or in what has come so far.
func (r *receiver) readMark(t *transfer) {
	b := t.payload
	if len(r.head) > 0 {
		r.head = append(r.head, b...)
		b = r.head
	}
	m, ok, err := parseMark(b)
	switch {
	case ok:
		r.mark, r.marked = m, true
	case err == nil && t.more && len(r.head) == 0:
		r.head = append(r.head, b...)
	}
}

// complete counts a whole message.
func (r *receiver) complete(now int64) {
	r.received.Add(1)
	if !r.marked || r.mark.size != r.size || r.octets != r.mark.offset+r.size ||
		int(r.mark.seq>>sequenceBits) >= len(r.arrived) {
		r.corrupt.Add(1)
		return
	}
	r.bytes.Add(uint64(r.size))
	if r.run.n > 0 && r.mark.seq == r.run.seq+r.run.n && r.mark.due == r.run.due {
		r.run.n++
		return
	}
	r.flushRun(now)
	r.run = run{seq: r.mark.seq, n: 1, due: r.mark.due}
}

// flushRun records what has been collected.
func (r *receiver) flushRun(now int64) {
	if r.run.n == 0 {
		return
	}
	r.arrived[r.run.seq>>sequenceBits].add(r.run.seq&(1<<sequenceBits-1), r.run.n)
	if r.measured.Load() {
		r.latency.Record(time.Duration(now-r.run.due), r.run.n)
	}
	r.run.n = 0
}

// settle adds a delivery to the range that is settled with one disposition after this read.
func (r *receiver) settle(id uint32) {
	if r.accept > 0 && id != r.last+1 {
		r.settleRange()
	}
	if r.accept == 0 {
		r.first = id
	}
	r.last = id
	r.accept++
}

// settleRange appends the disposition.
func (r *receiver) settleRange() {
	if r.accept > 0 {
		r.out = appendAccepted(r.out, r.first, r.last)
		r.accept = 0
	}
}

// state describes the receiver for the report of a stall.
func (r *receiver) state() string {
	return fmt.Sprintf("receiver %d: %d received, %d aborted, credit window %d", r.index, r.received.Load(),
		r.aborted.Load(), r.credit)
}
