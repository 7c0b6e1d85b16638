package route

import (
	"sync/atomic"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Exchange forwards the messages for its address to the next hops of all bindings whose keys match their subjects.
type Exchange struct {
	Passed string // "<router id> <name>", as in annotations; router ids hold no space
	Table  atomic.Pointer[ExchangeTable]

	Received, Dropped, Forwarded, Diverted atomic.Uint64
}

// ExchangeTable is what an exchange forwards by. It never changes after it was published.
type ExchangeTable struct {
	Bindings  *addressing.Bindings[*Binding]
	Alternate *NextHop // nil for none
	Hops      int      // the index of every next hop is below
}

// IsUsable reports whether there is anywhere that the exchange could forward to. An exchange that is not counts as no
// consumer of its address, so that nobody has credit to send to it.
func (t *ExchangeTable) IsUsable() bool { return t.Alternate != nil || t.Bindings.Len() > 0 }

// Binding is where the messages go whose subject matches a key.
type Binding struct {
	Hop     *NextHop
	Matched atomic.Uint64
}

// NextHop is an address and a phase that an exchange forwards to. Bindings with the same ones share it, so that a
// message goes there once, whatever number of them it matches.
type NextHop struct {
	Index    int // in the exchange; the alternate has none
	Via      Via
	Fallback *Via // to the fallback of its address, or nil
}

// Via is how a copy of a message came to its target. It never changes.
type Via struct {
	Hop      *NextHop
	Address  *Address // whose consumers the copy is for: that of the next hop, or its fallback
	To       []byte   // the same as other routers read it in the annotations
	Exchange *Exchange
	Before   *Via // the way through the exchanges before, nil for the first one
}

// after returns the same way behind another one.
func (w *Via) after(before *Via) *Via {
	if before == nil {
		return w
	}
	behind := *w
	behind.Before = before
	return &behind
}

// Length is the number of exchanges on the way.
func (w *Via) Length() (n int) {
	for ; w != nil; w = w.Before {
		n++
	}
	return n
}

// AppendPassed appends the encoded names of the exchanges on the way.
func (w *Via) AppendPassed(dst []byte) []byte {
	if w == nil {
		return dst
	}
	return wire.AppendString(w.Before.AppendPassed(dst), w.Exchange.Passed)
}

// NextHop is where the way ends, nil for no way.
func (w *Via) NextHop() *NextHop {
	if w == nil {
		return nil
	}
	return w.Hop
}

// Priority is that of a message's copy between routers.
func (w *Via) Priority(own uint8) uint8 {
	if w != nil && w.Address.Priority >= 0 {
		return uint8(w.Address.Priority)
	}
	return own
}
