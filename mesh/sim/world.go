package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/mesh"
)

// Engine is what a router of the world runs: a mesh.Node, or the model of qdrouterd.
type Engine interface {
	Start(now time.Time)
	Advance(now time.Time)
	LinkUp(now time.Time, id mesh.LinkID, cost int, peer string, extended bool)
	LinkDown(now time.Time, id mesh.LinkID)
	Input(now time.Time, id mesh.LinkID, payload []byte)
	AddAddress(now time.Time, key string, hint addressing.Distribution)
	RemoveAddress(now time.Time, key string)
	Events() []mesh.Event
	Deadline() time.Time
}

// World is a set of routers and cables in virtual time. It belongs to one goroutine.
type World struct {
	Rand *rand.Rand
	// Config is what new engines start with; ID and Instance are filled in.
	Config mesh.Config
	// Loss and Double are the fractions of messages that get lost and that arrive twice.
	Loss, Double float64
	// Overtake is the fraction of messages that are overtaken by later ones on the same cable. A control link keeps the
	// order; messages on two connections between the same routers do not.
	Overtake float64
	// Skew says that clocks of routers differ, run fast or slow by up to a hundredth, and are set anew at a restart.
	Skew bool
	// Measured says that the costs of connections follow from their round-trip times.
	Measured bool
	// Hostile says that routers may log errors: somebody gives them reason to.
	Hostile bool
	// Log, if set, is told what happens.
	Log func(format string, args ...any)
	// Deliver, if set, sees every message when it arrives.
	Deliver func(from, to *Router, payload []byte)

	Routers []*Router
	Cables  []*Cable

	now      time.Time
	begin    time.Time
	instance int64
	queue    queue
	problems []string
	messages uint64
	lossy    time.Time // when a message was lost or overtaken last
	fresh    bool      // routes were published that have not been looked at together
	looked   time.Time // when it was looked whether the routers agree
}

// NewWorld returns an empty world whose chance comes from seed.
func NewWorld(seed uint64) *World {
	begin := time.Unix(1_700_000_000, 0)
	return &World{Rand: rand.New(rand.NewPCG(seed, 0)), now: begin, begin: begin, instance: begin.Unix(),
		Config: mesh.Config{LogLevel: mesh.LevelWarning}}
}

// Now returns the virtual time.
func (w *World) Now() time.Time { return w.now }

// Since returns how long the world has existed.
func (w *World) Since() time.Duration { return w.now.Sub(w.begin) }

// Messages returns how many messages have been sent.
func (w *World) Messages() uint64 { return w.messages }

// Between returns a random duration of at least least and less than most.
func (w *World) Between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.Rand.Int64N(int64(most-least)))
}

// Problems returns the breaches of the contract of package mesh that were seen so far.
func (w *World) Problems() []string { return w.problems }

func (w *World) problem(r *Router, format string, args ...any) {
	if len(w.problems) < 20 {
		w.problems = append(w.problems, fmt.Sprintf("%v: router %s: %s", w.Since(), r.ID, fmt.Sprintf(format, args...)))
	}
}

func (w *World) log(format string, args ...any) {
	if w.Log != nil {
		w.Log("%12v  %s", w.Since(), fmt.Sprintf(format, args...))
	}
}

func (w *World) schedule(at time.Time, o occurrence) { w.queue.put(at.Sub(w.begin), o) }

// After makes step happen after the duration.
func (w *World) After(d time.Duration, step func()) {
	w.schedule(w.now.Add(d), occurrence{step: step})
}

// Run lets the world go on for the duration.
func (w *World) Run(d time.Duration) {
	end := w.now.Add(d)
	for {
		at, o, ok := w.queue.take(end.Sub(w.begin))
		if !ok {
			break
		}
		w.now = w.begin.Add(max(at, w.now.Sub(w.begin)))
		switch {
		case o.step != nil:
			o.step()
		case o.cable != nil:
			o.cable.arrive(o)
		case o.router.life == o.crash && o.router.engine != nil && w.now.Equal(o.router.wake):
			o.router.wake = time.Time{}
			o.router.engine.Advance(o.router.now())
			o.router.drain()
		}
		w.look()
	}
	w.now = end
}

// look checks new routes of a small mesh as soon as all routers agree.
func (w *World) look() {
	if w.fresh && len(w.Routers) <= smallWorld && w.now.Sub(w.looked) >= time.Millisecond {
		w.looked = w.now
		w.fresh = !w.CheckInstant()
	}
}
