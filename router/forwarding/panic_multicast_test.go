package forwarding_test

import "testing"

// TestAPanicWhileAMulticastIsHandedOnLeavesNothing panics with a multicast that is half handed on.
func TestAPanicWhileAMulticastIsHandedOnLeavesNothing(t *testing.T) {
	t.Parallel()
	const count = 5000
	w := newWorld(t)
	rx, tx := w.client(), w.client()
	rx.receivers("multicast/x", count, 1)
	tx.send(tx.sender("multicast/x"), false, body("x"))
	tx.say()
	tx.input()
	if !tx.e.IsLeft() {
		t.Fatal("the multicast is not divided into turns")
	}
	tx.e.CrashWith("a mistake", &tx.woken)
	tx.leave()
	w.rest()
	if n := tx.e.Meter.Held(); n != 0 {
		t.Errorf("%d octets are still counted", n)
	}
}
