package books

import (
	"maps"
	"sync"
)

// Ledger is what is left of connections that are over. Counters move from a link to its connection's past and to its
// shares when it ends, under the connection's mutex, and from there to the ledger and to the addresses when the
// connection is over or its shares are many, under the ledger's mutex. So who sums up with the ledger locked misses
// nothing, has nothing twice, and never sees a sum go down.
//
// Its methods are safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex // taken before the mutex of a connection; who holds one of those only tries it
	past   Tally
	failed map[Failure]uint64
}

// Failure is one way in which connections fail.
type Failure struct {
	Role   string
	Dialed bool
	Reason string // one of a fixed set: see docs/operations/monitoring.md
}

// Reasons for which connections fail.
const (
	FailedDial           = "dial"              // nobody answered, or the name is not known
	FailedTLS            = "tls"               // the handshake of the transport
	FailedHandshake      = "handshake"         // it ended before the peer's open
	FailedTimeout        = "handshake-timeout" // the peer's open did not come in time
	FailedAuthentication = "authentication"
	FailedRefused        = "refused"      // by the rules of the listener
	FailedIdle           = "idle-timeout" // the peer was silent for too long
	FailedProtocol       = "protocol"     // the peer broke a rule of AMQP
	FailedClosed         = "closed"       // this router closed it with an error
	FailedPeer           = "peer-error"   // the peer closed it with an error
	FailedLost           = "lost"         // it ended without a close
	FailedInternal       = "internal"     // a panic in this router
	FailedOverload       = "overload"     // it was refused for want of memory
)

// Locked calls f with the ledger locked: nothing moves to it, or from connections to addresses, meanwhile.
func (l *Ledger) Locked(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// Fail counts a connection that has failed.
func (l *Ledger) Fail(f Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(f)
}

func (l *Ledger) fail(f Failure) {
	if l.failed == nil {
		l.failed = make(map[Failure]uint64)
	}
	l.failed[f]++
}

// Failed returns how often connections have failed. The ledger is locked.
func (l *Ledger) Failed() map[Failure]uint64 { return maps.Clone(l.failed) }

// Past returns what connections have counted that are over.
func (l *Ledger) Past() Counts { return l.past.Get() }

// Retire keeps counters that a connection has when it is over already, also for an address unless that is nil.
func (l *Ledger) Retire(p Part, a *Tally, s *Stats) {
	l.past.Retire(p, s)
	if a != nil {
		a.Retire(p, s)
	}
}

// Close takes all that a connection has counted. failure is why it failed, with no reason if it has not. The ledger is
// locked, and the connection's mutex held.
func (l *Ledger) Close(past *Counts, s *Shares, failure Failure) {
	l.past.Take(past)
	s.flush()
	if failure.Reason != "" {
		l.fail(failure)
	}
}
