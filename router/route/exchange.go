package route

import (
	"sync/atomic"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// Exchange forwards the messages for its address to the next hops of all bindings whose keys match the subjects.
type Exchange struct {
	Passed string // "<router id> <name>", as in annotations; router ids hold no space
	Table  atomic.Pointer[ExchangeTable]

	// Messages: those that came, those that went nowhere, those that went anywhere, and of these those for the
	// alternate.
	Received, Dropped, Forwarded, Diverted atomic.Uint64
}

// ExchangeTable is what an exchange forwards by. It never changes after it was published.
type ExchangeTable struct {
	Bindings  *addressing.Bindings[*Binding]
	Alternate *NextHop // nil for none
	Hops      int      // larger than the index of every next hop
}

// IsUsable reports whether the exchange has anywhere to forward to. Otherwise it counts as no consumer of its address,
// so that nobody has credit to send to the address.
func (t *ExchangeTable) IsUsable() bool { return t.Alternate != nil || t.Bindings.Len() > 0 }

// Binding is where the messages go whose subject matches a key.
type Binding struct {
	Hop     *NextHop
	Matched atomic.Uint64 // messages
}

// NextHop is an address and a phase that an exchange forwards to. Bindings to the same address and phase share it: a
// message goes there once, whatever number of bindings it matches.
type NextHop struct {
	Index    int // in the exchange; of no meaning for the alternate
	Via      Via
	Fallback *Via // to the fallback of its address, or nil
}

// Via is the way of a copy of a message through exchanges to its target. It never changes. Methods take nil for a
// message that went through none.
type Via struct {
	Hop      *NextHop
	Address  *Address // whose consumers the copy is for: that of the next hop, or its fallback
	To       []byte   // this address as other routers read it in the annotations
	Exchange *Exchange
	Before   *Via // the way through the exchanges before, nil for the first one
}

// after returns the way w behind another one, nil for none.
func (w *Via) after(before *Via) *Via {
	if before == nil {
		return w
	}
	behind := *w
	behind.Before = before
	return &behind
}

// Length returns the number of exchanges on the way.
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

// NextHop returns where the way ends, nil for no way.
func (w *Via) NextHop() *NextHop {
	if w == nil {
		return nil
	}
	return w.Hop
}

// Priority returns the priority of the copy between routers: that of its address, or else own, which is the message's.
func (w *Via) Priority(own uint8) uint8 {
	if w != nil && w.Address.Priority >= 0 {
		return uint8(w.Address.Priority)
	}
	return own
}
