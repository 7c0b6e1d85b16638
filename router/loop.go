package router

import (
	"sync"
	"time"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// loop is the control loop: it gives the control what others tell it and the time, and looks after the memory meanwhile.
type loop struct {
	router  *Router
	control *control.Control
	wake    chan struct{} // capacity 1: the queue has events
	queue   struct {      // bounded by what each connection may leave unanswered
		sync.Mutex
		events []forwarding.Event
		closed bool
	}
	spare []forwarding.Event // memory for the queue
}

// Put tells the loop something. It never blocks; the reader of a connection that has told too much waits by itself.
func (l *loop) Put(e forwarding.Event) {
	e.End.Unanswered.Add(e.Weight())
	l.queue.Lock()
	if !l.queue.closed {
		l.queue.events = append(l.queue.events, e)
	}
	l.queue.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run handles events and the mesh's deadlines until the router stops.
func (l *loop) run(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(l.turn())
		select {
		case <-stop:
			l.queue.Lock()
			l.queue.closed = true
			l.queue.Unlock()
			l.turn() // the connections that ended last
			l.guarded(func(k *control.Control) { k.ForgetLost(time.Now().Add(k.Plane.Hold)) })
			return
		case <-l.wake:
		case <-timer.C:
		}
	}
}

// portion is how many events are handled before the mesh's time passes again and the lock is given to others.
const portion = 256

// turn lets the mesh's time pass and handles the events that have come. It returns how long the loop can wait.
func (l *loop) turn() (wait time.Duration) {
	l.queue.Lock()
	events := l.queue.events
	l.queue.events = l.spare[:0]
	l.queue.Unlock()
	for rest := events; ; {
		some := rest[:min(len(rest), portion)]
		l.guarded(func(k *control.Control) { k.Take(time.Now(), some) })
		if rest = rest[len(some):]; len(rest) == 0 {
			break
		}
	}
	clear(events)
	l.spare = events
	now := time.Now()
	wait = forwarding.ScanInterval
	l.guarded(func(k *control.Control) {
		if at := k.Deadline(); !at.IsZero() {
			wait = min(wait, max(at.Sub(now), 0))
		}
		if k.Panicked { // the same may happen again at once
			k.Panicked = false
			wait = max(wait, afterPanic)
		}
	})
	return min(wait, l.upkeep(now))
}

// afterPanic is how long the loop waits for something else to happen after a panic.
const afterPanic = 100 * time.Millisecond

// guarded does something with the control, and wakes those who have notes then.
func (l *loop) guarded(what func(*control.Control)) {
	k := l.control
	var woken forwarding.Wakes
	func() {
		k.Mu.Lock()
		defer k.Mu.Unlock()
		what(k)
		woken, k.Wakes = k.Wakes, forwarding.Wakes{}
	}()
	woken.Poke()
}

// upkeep looks after the memory and the links. It returns how long until it is to be called again.
func (l *loop) upkeep(now time.Time) (wait time.Duration) {
	r := l.router
	r.attempt(func() { wait = r.watchMemory(now) })
	r.attempt(func() { r.view.Scan(now, forwarding.ScanInterval) })
	r.attempt(func() { r.giveMemoryBack(now) })
	return wait
}

// attempt does something that may panic, and is the control loop's.
func (r *Router) attempt(what func()) {
	defer func() {
		if v := recover(); v != nil {
			r.panicIn(logging.RouterCore, "control loop", v)
		}
	}()
	what()
}

// logs are what the control writes for people.
type logs struct{ *Router }

func (l logs) Line(module mesh.Module, level mesh.Level, text string) {
	m, err := logging.ParseModule(string(module))
	if err != nil {
		m = logging.Router
	}
	l.host.Log(m).Log(logging.Level(level), text)
}

func (l logs) Server(text string) { l.host.Log(logging.Server).Info(text) }

func (l logs) Panicked(where string, v any) { l.panicIn(logging.RouterCore, where, v) }
