package control

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/router/forwarding"
)

// pair makes the other half of an address with a fallback, and ties both together, before either is in the table.
func (k *Control) pair(a *Entry, parsed addressing.Address) *Entry {
	other := parsed
	if parsed.Phase == addressing.PhaseFallback {
		other.Phase = addressing.PhaseZero
	} else {
		other.Phase = addressing.PhaseFallback
	}
	b := k.newAddress(other)
	if parsed.Phase == addressing.PhaseFallback {
		a.FallbackFor, b.Fallback = b.Address, a.Address
	} else {
		a.Fallback, b.FallbackFor = b.Address, a.Address
	}
	return b
}

// reachabilityChanged tells the senders of an address whether there is anybody to send to, where that has changed.
func (k *Control) reachabilityChanged(a *Entry, wasServed, wasReachable bool) {
	served, reachable := a.IsServed(), a.Reachable()
	if served == wasServed && reachable == wasReachable {
		return
	}
	if k.Plane.Hold > 0 && (wasServed && !served || wasReachable && !reachable) {
		k.lose(a) // its senders keep their credit for the hold time
	}
	for l := range a.Senders {
		was, is := wasReachable, reachable
		if l.Fallback {
			was, is = wasServed, served
		}
		if was != is && (is || k.Plane.Hold <= 0) {
			k.Wakes.Post(l.End, forwarding.Note{Kind: forwarding.NoteReachable, Link: l, On: is})
		}
	}
}
