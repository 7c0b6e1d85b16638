package sim

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

// regions builds a mesh of a core, a ring with chords, and routers that hang on one or two of the core: the shape of a
// mesh of many sites. Hellos are slow, so that the test does not spend its time on them.
func regions(w *World, core, others int) {
	w.Config.FastHelloInterval = w.hello()
	w.Config.HelloInterval = w.hello()
	w.Config.HelloMaxAge = 3 * w.hello()
	for i := range core + others {
		w.AddRouter(fmt.Sprintf("R%03d", (i*389)%1000), Postroad).Boot()
	}
	for i := range core {
		w.Connect(w.Routers[i], w.Routers[(i+1)%core], 1+i%3, 2*time.Millisecond)
		if i%2 == 0 {
			w.Connect(w.Routers[i], w.Routers[(i+core/2)%core], 2, 5*time.Millisecond)
		}
	}
	for i := range others {
		w.Connect(w.Routers[core+i], w.Routers[i%core], 1, time.Millisecond)
	}
}

func (w *World) hello() time.Duration { return 5 * time.Second }

// converged reports whether all routers reach all others and know the same.
func (w *World) converged() bool {
	for _, r := range w.Routers {
		if n := r.Node(); n == nil || n.Size().Reachable != len(w.Routers)-1 {
			return false
		}
	}
	return w.agreed()
}

var routersFlag = flag.Int("routers", 200, "how many routers the large mesh has")

// TestLargeMeshConverges starts all routers of a large mesh at once, and then cuts a connection in its core. What that
// costs each router is what BenchmarkChange shows. A thousand routers (make sim), eight times what Interconnect can take,
// need 5 GB of memory in one process, and some minutes.
func TestLargeMeshConverges(t *testing.T) {
	t.Parallel()
	w := NewWorld(1)
	w.Config.Clock = time.Now // for how long computations take
	core := max(4, min(40, *routersFlag/10))
	regions(w, core, *routersFlag-core)
	for !w.converged() {
		if w.Since() > time.Minute {
			t.Fatal("not converged after a minute")
		}
		w.Run(100 * time.Millisecond)
	}
	t.Logf("%d routers have converged %v after all were started at once, with %d messages", len(w.Routers), w.Since(),
		w.Messages())
	w.Run(20 * time.Second)
	before, began := w.Messages(), w.Since()
	computed, spent, most := computations(w), make([]time.Duration, len(w.Routers)), time.Duration(0)
	for i, r := range w.Routers {
		spent[i] = r.Node().Counters().PathTime.Sum
	}
	w.Cables[0].Cut()
	w.Run(5 * time.Second)
	if !w.converged() {
		t.Fatal("not converged five seconds after a change")
	}
	t.Logf("a change: %d messages in %v, %.1f computations at each router", w.Messages()-before, w.Since()-began,
		float64(computations(w)-computed)/float64(len(w.Routers)))
	sum := time.Duration(0)
	for i, r := range w.Routers {
		d := r.Node().Counters().PathTime.Sum - spent[i]
		sum, most = sum+d, max(most, d)
	}
	t.Logf("computing paths and origins after it takes a router %v, and %v at most", sum/time.Duration(len(w.Routers)), most)
	for i := 0; i < len(w.Routers); i += len(w.Routers) / 10 {
		if err := w.walk(w.Routers[i], w.Routers[len(w.Routers)-1-i]); err != nil {
			t.Error(err)
		}
	}
	if p := w.Problems(); len(p) > 0 {
		t.Errorf("%v", p)
	}
}

func computations(w *World) (total uint64) {
	for _, r := range w.Routers {
		total += r.Node().Counters().PathComputations
	}
	return total
}

// BenchmarkChange is what one change in the mesh, a connection in the core that goes or comes, costs one router: taking
// the messages, computing paths, equal-cost sets, alternates and valid origins, and publishing them.
func BenchmarkChange(b *testing.B) {
	for _, size := range [][2]int{{8, 2}, {40, 60}, {40, 260}} {
		b.Run(fmt.Sprint(size[0]+size[1]), func(b *testing.B) {
			w := NewWorld(1)
			regions(w, size[0], size[1])
			for !w.converged() {
				w.Run(500 * time.Millisecond)
			}
			w.Run(20 * time.Second)
			spent := func() (d time.Duration, n uint64) {
				for _, r := range w.Routers {
					c := r.Node().Counters()
					d += c.PathTime.Sum
					n += c.PathComputations
				}
				return d, n
			}
			_, before := spent()
			messages := w.Messages()
			for i := 0; b.Loop(); i++ {
				if i%2 == 0 {
					w.Cables[0].Cut()
				} else {
					w.Cables[0].Restore()
				}
				w.Run(5 * time.Second)
			}
			_, after := spent()
			routers := float64(len(w.Routers) * b.N)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/routers, "ns/router-change")
			b.ReportMetric(float64(after-before)/routers, "computations/router-change")
			b.ReportMetric(float64(w.Messages()-messages)/routers, "messages/router-change")
		})
	}
}
