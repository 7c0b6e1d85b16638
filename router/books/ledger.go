package books

import (
	"maps"
	"sync"
)

// Ledger is what is left of connections that are over. When a link ends, its counters move to the past of its
// connection and to the connection's shares, under the endpoint's mutex. When the connection is over, or its shares are
// many, they move on to the ledger and to the addresses, under the ledger's mutex. So whoever sums up with the ledger
// locked and looks at all connections misses nothing, counts nothing twice, and never sees a sum go down.
//
// Locked, Fail, Past and Retire are safe for concurrent use; Failed and Close want the ledger locked.
type Ledger struct {
	mu     sync.Mutex // taken before the mutex of an endpoint; whoever holds one of those only tries it
	past   Tally
	failed map[Failure]uint64
}

// Failure is one way in which connections fail.
type Failure struct {
	Role   string // as in the configuration
	Dialed bool   // by this router
	Reason string // one of those below: see docs/operations/monitoring.md
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

// Locked calls f with the ledger locked. Nothing moves from connections to the ledger or to addresses meanwhile. f must
// not call Locked or Fail.
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

// Past returns what those connections have counted that are over.
func (l *Ledger) Past() Counts { return l.past.Get() }

// Retire keeps counters that come after their connection was closed here: for the sums, and for an address unless a is
// nil.
func (l *Ledger) Retire(p Part, a *Tally, s *Stats) {
	l.past.Retire(p, s)
	if a != nil {
		a.Retire(p, s)
	}
}

// Close takes all that a connection has counted: its past and its shares. failure says how the connection failed; its
// Reason is "" for one that has not. The ledger is locked, and the endpoint's mutex held.
func (l *Ledger) Close(past *Counts, s *Shares, failure Failure) {
	l.past.Take(past)
	s.flush()
	if failure.Reason != "" {
		l.fail(failure)
	}
}
