package netlab

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/postroad/postroad/topologies"
)

// wired lets every link of a lab lead through a wire.
func wired(c Conditions) Options {
	return Options{Wire: func(topologies.Link) (Conditions, bool) { return c, true }}
}

// pairOf is two routers with a link.
const pairOf = "routers: [{id: a}, {id: b}]\nlinks: [{a: a, b: b}]"

func TestAWireDelaysInBothDirections(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	l := startLab(t, parsed(t, pairOf), wired(Conditions{Delay: delay}))
	s := flowing(t, l, "a", "b", 500)
	s.Mark()
	must(t, s.Flow(limited(t), 100))
	if w := s.Watch(); w.Latency < delay {
		t.Errorf("a message took %v over a wire of %v", w.Latency, delay)
	}
	account(t, s, allowed{})
}

func TestMessagesCrossAWireThatLosesPackets(t *testing.T) {
	t.Parallel()
	l := startLab(t, parsed(t, pairOf), wired(Conditions{Loss: 0.02, Delay: time.Millisecond}))
	s := flowing(t, l, "a", "b", 500)
	must(t, s.Flow(limited(t), 1000))
	account(t, s, allowed{})
	if l.link("a", "b").wire.lost.Load() == 0 {
		t.Error("the wire has lost nothing")
	}
}

func TestABlackHoleIsGoneAround(t *testing.T) {
	t.Parallel()
	l := startLab(t, named(t, "diamond"), wired(Conditions{}))
	s := flowing(t, l, "A", "D", 500)
	s.Mark()
	l.Impair("A", "B", Conditions{BlackHole: true})
	must(t, s.Flow(limited(t), 500))
	within(t, s, silent)
	must(t, l.Converge(limited(t)))
	l.Impair("A", "B", Conditions{})
	must(t, l.Converge(limited(t)))
	account(t, s, allowed{modified: true, released: true})
}

func TestWithoutTheRightsItIsSaidWhatIsMissing(t *testing.T) {
	t.Parallel()
	var err error
	var thread sync.WaitGroup
	thread.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here, and with it what it has given up
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err = unix.Capset(&header, &none[0]); err != nil {
			err = fmt.Errorf("give the rights up: %w", err)
			return
		}
		_, err = netns.New()
	})
	thread.Wait()
	if err == nil {
		t.Fatal("a thread without rights has made a network namespace")
	}
	if text := explain(err).Error(); !strings.Contains(text, "it takes root, or the capabilities CAP_SYS_ADMIN") {
		t.Errorf("the explanation is %q", text)
	}
}
