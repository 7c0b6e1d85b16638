package attack

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/lab"
)

const (
	// mostGrowth is how much the router's process may grow while it is attacked, in octets.
	mostGrowth = 64 << 20
	// stopGrowth is the growth at which an attack stops by itself, killGrowth the one at which the router is killed.
	stopGrowth = 300 << 20
	killGrowth = 800 << 20
	// calmLimit is how soon after its attackers have left a router is at level 0 again.
	calmLimit = 5 * time.Second
	// strikeLimit is how long an attack lasts at most.
	strikeLimit = 1500 * time.Millisecond
	// sentLimit is how many octets an attack sends at most.
	sentLimit = 256 << 20
	// lookPeriod is the time between two looks at the process, scrapePeriod that between two at its metrics.
	lookPeriod   = 5 * time.Millisecond
	scrapePeriod = 250 * time.Millisecond
)

// Attack is something that a client may do to a router.
type Attack struct {
	Name string
	// Limit is the GOMEMLIMIT of the router, none when empty.
	Limit string
	// Addresses is the section of the configuration with the addresses, which may be empty.
	Addresses string
	// Mesh gives the router a neighbor, which must stay one.
	Mesh bool
	// UnderFire ends the router while the attackers are still there. Otherwise they have left before.
	UnderFire bool
	// Lean makes the router collect garbage early. It is for a state so large that its garbage would look like growth.
	Lean bool
	// Time is how long the attack lasts at most, strikeLimit when zero.
	Time time.Duration
	// Prepare brings the router to the state that is attacked; what it takes for that is not counted. It may be nil.
	Prepare func(*Scene) error
	// Strike attacks once, until it is done or the context is. The attackers stay until the scene's end.
	Strike func(context.Context, *Scene)
}

// Scene is what an attack is made with: a router, and the attackers' connections to it.
type Scene struct {
	router   *router
	neighbor *router // nil without one
	changed  float64 // when the neighbor saw the topology change, before the attack

	mu    sync.Mutex
	peers []*peer
	notes []string
	wrong []string
	dead  bool // the router was killed
	deaf  bool // the metrics have not answered
}

// dial opens an attacker's connection. The scene closes it at its end.
func (s *Scene) dial(buffer int) (*peer, error) {
	p, err := dial(s.router.Clients, buffer)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, p)
	return p, nil
}

// note keeps a remark for the report.
func (s *Scene) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// fail notes that the router broke a promise.
func (s *Scene) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dead { // what comes of that is not the router's fault
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// leave closes all attackers' connections, without a word.
func (s *Scene) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		p.close()
	}
}

// sent returns how many octets the attackers have sent.
func (s *Scene) sent() (octets int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		octets += p.sent.Load()
	}
	return octets
}

// pour sends what next gives, again and again, until the router takes no more or the attack has been long enough.
func (s *Scene) pour(ctx context.Context, p *peer, next func() []byte) {
	for ctx.Err() == nil && s.sent() < sentLimit {
		if err := p.send(next()); err != nil {
			s.note("the router takes no more (%v)", err)
			return
		}
	}
}

// rest waits until the attack has been long enough.
func rest(ctx context.Context) { <-ctx.Done() }

// pause waits for a time, or until the attack has been long enough.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Report is what an attack did.
type Report struct {
	Name         string
	Prepared     int64 // octets by which the process grew in the preparation
	Growth       int64 // octets by which the process grew at most, from then on
	Sent         int64 // octets that the attackers sent
	Log          int64 // octets of the router's log
	Level        int   // the worst level of overload
	Calm         time.Duration
	Ended        time.Duration // from SIGTERM to the end
	Before, Felt felt
	Notes        []string
	Wrong        []string // promises that were broken, none when all is well
}

// String returns the figures in words.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "grew %d MiB (%d in the preparation) for %.1f MiB sent; level %d at worst, 0 again after %v; "+
		"ended in %v; log %d KiB\n", r.Growth>>20, r.Prepared>>20, float64(r.Sent)/(1<<20), r.Level,
		r.Calm.Round(time.Millisecond), r.Ended.Round(time.Millisecond), r.Log>>10)
	fmt.Fprintf(&b, "innocent before: %v\ninnocent during: %v", r.Before, r.Felt)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\nnote: %s", n)
	}
	return b.String()
}

// Doubtful reports whether a single promise was broken that a busy machine can break: that the router ends in time, for it
// may wait for most of that time itself; or that it does not grow, when its garbage was collected late.
func (r *Report) Doubtful() bool {
	near := r.Growth > mostGrowth && r.Growth <= 2*mostGrowth
	return len(r.Wrong) == 1 && (near || r.Ended >= endLimit)
}

// Run starts a router, attacks it with an innocent client beside, and says which promises it broke. An error says that
// the attack could not be made.
func (a Attack) Run(ctx context.Context) (report *Report, err error) {
	plans := []plan{{id: "A", limit: a.Limit, addresses: a.Addresses, mesh: a.Mesh, lean: a.Lean}}
	if a.Mesh {
		plans = append(plans, plan{id: "B", mesh: true})
	}
	n, routers, err := start(plans...)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	s := &Scene{router: routers[0]}
	defer s.leave()
	if a.Mesh {
		s.neighbor = routers[1]
		if err := s.adjacent(ctx); err != nil {
			return nil, err
		}
	}
	i, err := newInnocent(s.router.Clients)
	if err != nil {
		return nil, err
	}
	select {
	case <-i.warm:
	case <-time.After(patience):
		return nil, fmt.Errorf("no %d round trips in %v: %v", warmTrips, patience, i.report().Harm)
	}
	report = &Report{Name: a.Name}
	if err := a.run(ctx, s, i, report); err != nil {
		return nil, err
	}
	s.finish(i, report)
	return report, nil
}

// run prepares the attack, makes it, and waits for what must be so afterwards.
func (a Attack) run(ctx context.Context, s *Scene, i *innocent, report *Report) error {
	r := s.router
	first := r.resident()
	if a.Prepare != nil {
		if err := a.Prepare(s); err != nil {
			return fmt.Errorf("preparation: %w\n%s", err, r.Log(lab.Brief))
		}
	}
	if s.neighbor != nil {
		var err error
		if s.changed, err = s.topology(ctx); err != nil {
			return err
		}
	}
	base := r.resident()
	report.Prepared, report.Before = base-first, i.report()
	i.forget()
	striking, cancel := context.WithTimeout(ctx, cmp.Or(a.Time, strikeLimit))
	watching, stopWatching := context.WithCancel(ctx)
	var watches sync.WaitGroup
	watches.Go(func() { report.Growth = s.watchSize(watching, base, cancel) })
	watches.Go(func() { report.Level = s.watchLevel(watching) })
	a.Strike(striking, s)
	pause(striking, time.Second/4)
	report.Felt = i.report()
	cancel()
	if s.neighbor != nil {
		s.checkNeighbor(ctx)
	}
	if !a.UnderFire {
		s.leave()
		report.Calm = s.awaitCalm(ctx)
	}
	stopWatching()
	watches.Wait()
	if report.Growth > mostGrowth {
		s.fail("the router grew by %d MiB, more than %d", report.Growth>>20, mostGrowth>>20)
	}
	return nil
}

// finish ends the innocent client and then the router, and completes the report.
func (s *Scene) finish(i *innocent, report *Report) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		report.Notes, report.Wrong = s.notes, s.wrong
		report.Log = s.router.Logged()
	}()
	report.Sent = s.sent()
	if !s.router.Up() {
		s.fail("%v", s.router.Death())
		return
	}
	i.stop()
	report.Felt.Harm = i.report().Harm
	for _, harm := range report.Felt.Harm {
		s.fail("%s", harm)
	}
	if panics, ok := s.ask("postroad_connection_panics_total"); ok && panics > 0 {
		s.fail("%v connections ended with a panic\n%s", panics, s.router.panicked())
	}
	var err error
	if report.Ended, err = s.router.stop(); err != nil {
		s.fail("%v", err)
	}
}

// watchSize looks at the router's size until the context ends, and returns by how much it grew at most. The attack
// stops when it has grown too much.
func (s *Scene) watchSize(ctx context.Context, base int64, stop func()) (growth int64) {
	ticker := time.NewTicker(lookPeriod)
	defer ticker.Stop()
	for {
		growth = max(growth, s.router.resident()-base)
		if growth > stopGrowth {
			stop()
		}
		if growth > killGrowth {
			s.fail("the router was killed at a growth of %d MiB", growth>>20)
			s.mu.Lock()
			s.dead = true
			s.mu.Unlock()
			s.router.Kill()
			return growth
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return growth
		}
	}
}

// watchLevel asks for the level of overload until the context ends, and returns the worst. The metrics must always
// answer.
func (s *Scene) watchLevel(ctx context.Context) (worst int) {
	ticker := time.NewTicker(scrapePeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return worst
		}
		level, ok := s.ask("postroad_overload_level")
		if !ok {
			return worst
		}
		worst = max(worst, int(level))
	}
}

// ask returns a metric. It notes if the metrics do not answer, and asks no more then.
func (s *Scene) ask(name string) (float64, bool) {
	s.mu.Lock()
	deaf := s.deaf
	s.mu.Unlock()
	if deaf {
		return 0, false
	}
	v, err := s.router.metric(context.Background(), name)
	if err != nil {
		s.fail("the metrics do not answer: %v", err)
		s.mu.Lock()
		s.deaf = true
		s.mu.Unlock()
	}
	return v, err == nil
}

// awaitCalm waits until the level of overload is 0, and returns how long that took.
func (s *Scene) awaitCalm(ctx context.Context) time.Duration {
	ticker := time.NewTicker(scrapePeriod / 5)
	defer ticker.Stop()
	for begun := time.Now(); ; {
		level, ok := s.ask("postroad_overload_level")
		switch {
		case !ok || level == 0:
			return time.Since(begun)
		case time.Since(begun) > calmLimit:
			s.fail("the level of overload is %v, %v after the attackers left", level, calmLimit)
			return calmLimit
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return time.Since(begun)
		}
	}
}

// adjacent waits until the neighbor has an adjacency with the router.
func (s *Scene) adjacent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(scrapePeriod / 5)
	defer ticker.Stop()
	for {
		if up, err := s.neighbor.metric(ctx, "postroad_neighbor_up"); err == nil && up == 1 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("no adjacency\n%s", s.neighbor.Log(lab.Brief))
		}
	}
}

// topology returns when the neighbor saw the topology change last.
func (s *Scene) topology(ctx context.Context) (float64, error) {
	return s.neighbor.metric(ctx, "postroad_last_topology_change_timestamp_seconds")
}

// checkNeighbor notes if the neighbor has lost its adjacency since the attack began, be it for a moment.
func (s *Scene) checkNeighbor(ctx context.Context) {
	up, err := s.neighbor.metric(ctx, "postroad_neighbor_up")
	if err != nil || up != 1 {
		s.fail("the neighbor has no adjacency any more (%v)", err)
	} else if changed, err := s.topology(ctx); err != nil || changed != s.changed {
		s.fail("the neighbor's adjacency was lost for a while (%v)", err)
	}
}
