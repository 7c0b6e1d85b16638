package router

import (
	"testing"
)

func TestTiming(t *testing.T) {
	n := chain(t, 3)
	a, c := connect(t, n.node("A")), connect(t, n.node("C"))
	r := c.receiver("closest/x", 10)
	n.consumers("A", "closest/x", 0, 1)
	s := a.sender("closest/x", nil)
	rc := s.begin(text("hello"))
	r.accept()
	wantAccepted(t, "x", s.outcome(rc))
}
func TestTimingRing(t *testing.T) { ring(t, 4) }
func TestTimingStar(t *testing.T) { star(t, 4) }
func TestTimingMesh(t *testing.T) { fullMesh(t, 4) }
