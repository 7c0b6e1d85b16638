package netlab

import "testing"

func TestARouterThatIsToldToEndHandsNothingBack(t *testing.T) {
	eachWay(t, func(t *testing.T, l *Lab, w way, rate int) {
		s := flowing(t, l, w.from, w.to, rate)
		must(t, l.Terminate(w.transit))
		must(t, s.Flow(limited(t), uint64(rate/2)))
		account(t, s, allowed{})
	})
}

// five are five routers between the two that the clients are at.
const five = `
name: five
routers: [{id: in}, {id: r1}, {id: r2}, {id: r3}, {id: r4}, {id: r5}, {id: out}]
links:
  - {a: in, b: r1}
  - {a: in, b: r2}
  - {a: r1, b: r2}
  - {a: r2, b: r3}
  - {a: r3, b: r4}
  - {a: r1, b: r3}
  - {a: r4, b: r5}
  - {a: r3, b: r5}
  - {a: r2, b: r4}
  - {a: r4, b: out}
  - {a: r5, b: out}
`

func TestARollingRestartHandsNothingBack(t *testing.T) {
	t.Parallel()
	l := startLab(t, parsed(t, five), Options{})
	there := flowing(t, l, "in", "out", 1000)
	for _, id := range []string{"r1", "r2", "r3", "r4", "r5"} {
		must(t, l.Terminate(id))
		must(t, there.Flow(limited(t), 200))
		must(t, l.Start(id))
		must(t, l.Converge(limited(t)))
		must(t, there.Flow(limited(t), 200))
	}
	account(t, there, allowed{})
}
