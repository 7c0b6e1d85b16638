package membership

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Membership is one router's part in the gossip of its mesh. Its methods may be called by anybody at any time.
type Membership struct {
	config    Config
	counters  counters
	log       *logger
	book      *book
	transport *transport
	list      *memberlist.Memberlist
	queue     *memberlist.TransmitLimitedQueue // details that are told on
	answers   bucket                           // to those who ask for details; guarded by mu

	snapshot atomic.Pointer[Snapshot]
	wake     chan struct{} // the book has changed
	search   chan struct{} // somebody was lost

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	stop   sync.Once

	announce sync.Mutex // one announcement of this router at a time, and none after the end

	mu      sync.Mutex
	version uint32
	leaving bool
	own     []Endpoint
	relays  []string
	seeds   []Endpoint
}

// The distances between actions.
const (
	settleFirst = 20 * time.Millisecond  // from a change to its snapshot, after a quiet time
	settleMin   = 100 * time.Millisecond // doubling to Timing.Settle while there are changes
	settleQuiet = 5 * time.Second
	housework   = 500 * time.Millisecond // missing details, relays
	askMost     = 16                     // members whose details are asked for at once
	joinMin     = 250 * time.Millisecond // doubling to Timing.Rejoin
	answerRate  = 500.0                  // answers with details a second
	goodbye     = 2 * time.Second        // the most that Leave waits for each of two rounds of gossip
)

// New starts the membership. It begins to join at once; an error says what is wrong with the configuration.
func New(config Config) (*Membership, error) {
	if err := config.setDefaults(); err != nil {
		return nil, err
	}
	m := &Membership{
		config: config, log: &logger{write: config.Log},
		wake: make(chan struct{}, 1), search: make(chan struct{}, 1),
		own: slices.Clone(config.Endpoints), seeds: slices.Clone(config.Seeds), version: 1,
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.book = &book{
		config: &m.config, counters: &m.counters, log: m.log, dirty: func() { poke(m.wake) },
		instance: config.Instance, entries: make(map[string]*entry), early: make(map[string]details),
		left: make(map[string]departure),
	}
	if err := m.describe(); err != nil {
		m.cancel()
		return nil, err
	}
	members, _ := m.book.snapshot(time.Now())
	m.snapshot.Store(&Snapshot{Members: members})

	e := envelopes{mesh: config.Mesh, keys: config.Keyring}
	m.transport = newTransport(config.Network, e, &m.counters, m.log, m.book.lookup)
	m.queue = &memberlist.TransmitLimitedQueue{
		RetransmitMult: config.Timing.Retransmit,
		NumNodes:       func() int { return len(m.Snapshot().Members) },
	}
	c := config.memberlist()
	c.Transport = m.transport
	c.Logger = log.New(m.log, "", 0)
	c.Delegate, c.Events, c.Alive = (*delegate)(m), m.book, m.book
	list, err := memberlist.Create(c)
	if err != nil {
		m.cancel()
		return nil, errors.Join(err, m.transport.Shutdown())
	}
	m.list = list
	config.Network.Start(m.transport) // from now on memberlist calls back
	m.wg.Go(m.publish)
	m.wg.Go(m.join)
	return m, nil
}

// poke wakes whoever waits at a channel of capacity 1.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Snapshot returns the members as they are known now.
func (m *Membership) Snapshot() *Snapshot { return m.snapshot.Load() }

// Counters returns what became of gossip since the start.
func (m *Membership) Counters() Counters { return m.counters.snapshot() }

// SetSeeds replaces the seeds.
func (m *Membership) SetSeeds(seeds []Endpoint) error {
	for _, e := range seeds {
		if err := e.check(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.seeds = slices.Clone(seeds)
	m.mu.Unlock()
	poke(m.search)
	return nil
}

// SetEndpoints tells the others where this router can be dialed from now on.
func (m *Membership) SetEndpoints(endpoints []Endpoint) error {
	if len(endpoints) > maxEndpoints {
		return fmt.Errorf("%d endpoints, at most %d are possible", len(endpoints), maxEndpoints)
	}
	for _, e := range endpoints {
		if err := e.check(); err != nil {
			return err
		}
	}
	m.announce.Lock()
	defer m.announce.Unlock()
	return m.redescribe(endpoints, nil)
}

// redescribe tells the others where this router is, if that has changed. Relays count only without endpoints. The
// announce lock is held.
func (m *Membership) redescribe(endpoints []Endpoint, relays []string) error {
	m.mu.Lock()
	own, old := m.own, m.relays
	if m.leaving || slices.Equal(own, endpoints) && slices.Equal(old, relays) {
		m.mu.Unlock()
		return nil
	}
	m.own, m.relays = slices.Clone(endpoints), slices.Clone(relays)
	m.version++
	m.mu.Unlock()
	if err := m.describe(); err != nil {
		m.mu.Lock()
		m.own, m.relays = own, old
		m.mu.Unlock()
		return errors.Join(err, m.describe())
	}
	m.tellOwn()
	return nil
}

// tellOwn tells everything about this router again. The announce lock is held.
func (m *Membership) tellOwn() {
	if m.ctx.Err() == nil {
		m.tell(m.config.ID)
		_ = m.list.UpdateNode(time.Nanosecond) // which does not wait until it is told, and says so
	}
}

// deny tells that this router is there, when somebody has said that it has left: as a later instance. The announce lock
// is held.
func (m *Membership) deny() {
	m.book.mu.Lock()
	denied := m.book.denied
	m.book.denied = false
	if denied {
		m.book.instance++
	}
	m.book.mu.Unlock()
	m.mu.Lock()
	leaving := m.leaving
	m.mu.Unlock()
	if denied && !leaving {
		m.log.printf(LevelWarning, "somebody said that this router has left the mesh, which is not so")
		_ = m.describe() // it fits as it did before
		m.tellOwn()
	}
}

// describe writes this router into its own book.
func (m *Membership) describe() error {
	m.mu.Lock()
	d := details{id: m.config.ID, version: m.version, endpoints: m.own, relays: m.relays}
	m.mu.Unlock()
	if n := len(d.append(nil)); n > maxDetails {
		return fmt.Errorf("the endpoints take %d octets, and may take %d; use fewer or shorter ones", n, maxDetails)
	}
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	e := m.book.entries[m.config.ID]
	if e == nil {
		e = &entry{since: time.Now()}
		e.member = Member{ID: m.config.ID, Site: m.config.Site, Role: m.config.Role}
		m.book.entries[m.config.ID] = e
	}
	d.instance, e.member.Instance = m.book.instance, m.book.instance
	e.known, e.version = d, d.version
	m.book.dirty()
	return nil
}

// tell tells others the details of a member.
func (m *Membership) tell(id string) {
	record := m.book.record(id)
	if record == nil {
		return
	}
	m.queue.QueueBroadcast(&news{id: id, message: append([]byte{userDetails}, record...)})
	m.queue.Prune(m.config.MaxMembers)
}

// publish makes snapshots, at first at once and then at growing distances while members keep changing.
func (m *Membership) publish() {
	var wait time.Duration
	var last time.Time
	due, held := time.NewTimer(0), time.NewTimer(0)
	defer due.Stop()
	defer held.Stop()
	pending := true
	house := time.NewTicker(housework)
	defer house.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-house.C:
			m.keepHouse()
		case <-held.C:
			poke(m.wake)
		case <-m.wake:
			if pending {
				continue
			}
			pending = true
			now := time.Now()
			wait = min(max(2*wait, settleMin), m.config.Timing.Settle)
			if now.Sub(last) > settleQuiet {
				wait = 0
			}
			due.Reset(max(settleFirst, last.Add(wait).Sub(now)))
		case now := <-due.C:
			pending, last = false, now
			members, again := m.book.snapshot(now)
			if !again.IsZero() {
				held.Reset(again.Sub(now))
			}
			m.show(members)
		}
	}
}

// show publishes a snapshot if it differs from the last one.
func (m *Membership) show(members []Member) {
	old := m.snapshot.Load()
	if slices.EqualFunc(old.Members, members, sameMember) {
		return
	}
	s := &Snapshot{Generation: old.Generation + 1, Members: members}
	m.snapshot.Store(s)
	for _, member := range members {
		if before, _ := old.Find(member.ID); member.Lost && !before.Lost {
			poke(m.search)
		}
	}
	if len(s.Present()) < 2 {
		poke(m.search)
	}
	if m.config.Changed != nil {
		m.config.Changed(s)
	}
}

// sameMember reports whether nothing has changed about a member.
func sameMember(a, b Member) bool {
	return a.ID == b.ID && a.Site == b.Site && a.Role == b.Role && a.Instance == b.Instance && a.Lost == b.Lost &&
		a.Since.Equal(b.Since) && slices.Equal(a.Endpoints, b.Endpoints) && slices.Equal(a.Relays, b.Relays)
}

// keepHouse asks for details that are missing, and tells the others through whom this router can be reached.
func (m *Membership) keepHouse() {
	if ids := m.book.missing(askMost); len(ids) > 0 {
		question := m.question(ids)
		m.send(ids[0], question) // itself, or anybody
		m.send(m.book.pick(func(e *entry) bool { return !e.lost }), question)
	}
	if !m.announce.TryLock() { // this router leaves; if not, there is a next time
		return
	}
	defer m.announce.Unlock()
	m.deny()
	if len(m.ownEndpoints()) == 0 {
		relays := m.config.Network.Relays()
		_ = m.redescribe(nil, relays[:min(len(relays), maxRelays)]) // ids have a length that fits
	}
}

// question asks for details of as many members as fit into a packet.
func (m *Membership) question(ids []string) []byte {
	var list []byte
	n := 0
	for ; n < len(ids) && len(list)+len(ids[n]) < maxPacket/2; n++ {
		list = appendText(list, ids[n])
	}
	question := appendText([]byte{userQuestion}, m.config.ID)
	return append(append(question, byte(n)), list...)
}

// send sends a message to a member.
func (m *Membership) send(id string, message []byte) {
	if id == "" {
		return
	}
	address := net.JoinHostPort(pseudoAddress(id).String(), strconv.Itoa(pseudoPort))
	_ = m.list.SendToAddress(memberlist.Address{Addr: address, Name: id}, message) // it may be lost anyway
}

// join finds the mesh, and later those who were lost.
func (m *Membership) join() {
	var wait time.Duration
	joined := false // ever
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.search:
			if joined && wait > joinMin { // try soon: this is news
				wait = 0
				timer.Reset(joinMin)
			}
			continue
		case <-timer.C:
		}
		alone := len(m.Snapshot().Present()) < 2
		found := m.attempt(alone)
		joined = joined || found || !alone
		lost := m.book.pick(func(e *entry) bool { return e.lost }) != ""
		switch {
		case m.ctx.Err() != nil:
			return
		case !lost && (!alone || found):
			wait = m.config.Timing.Rejoin
		default:
			wait = min(max(2*wait, joinMin), m.config.Timing.Rejoin)
		}
		timer.Reset(wait/2 + rand.N(wait)) // never all at the same time
	}
}

// attempt tries all seeds if the router is alone. Otherwise it tries a lost member, and, as its own memory and that of
// the other side of a partition may have ended since, one seed.
func (m *Membership) attempt(alone bool) (found bool) {
	m.mu.Lock()
	seeds := slices.Clone(m.seeds)
	leaving := m.leaving
	m.mu.Unlock()
	if leaving {
		return false
	}
	rand.Shuffle(len(seeds), func(i, j int) { seeds[i], seeds[j] = seeds[j], seeds[i] })
	lost := m.book.pick(func(e *entry) bool { return e.lost && len(e.known.endpoints) > 0 })
	var problems []error
	try := func(name string) {
		if m.ctx.Err() == nil {
			_, err := m.list.Join([]string{name + "/" + net.JoinHostPort("::1", strconv.Itoa(pseudoPort))})
			found = found || err == nil
			problems = append(problems, err)
		}
	}
	if lost != "" {
		try(lost)
	}
	for _, seed := range seeds {
		if !slices.Contains(m.ownEndpoints(), seed) {
			try(m.transport.seed(seed))
			if !alone || found {
				break
			}
		}
	}
	if err := errors.Join(problems...); alone && !found && err != nil && m.ctx.Err() == nil {
		m.log.printf(LevelWarning, "no seed could be joined: %v", err)
	}
	return found
}

func (m *Membership) ownEndpoints() []Endpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own
}

// Leave says goodbye, so that the others do not take this router for lost, and then stops. The context bounds how long
// the goodbye may take, which is four seconds at most.
func (m *Membership) Leave(ctx context.Context) {
	m.announce.Lock()
	if m.ctx.Err() == nil {
		m.mu.Lock()
		m.leaving = true
		m.mu.Unlock()
		m.sayGoodbye(ctx)
	}
	m.announce.Unlock()
	m.Stop()
}

// sayGoodbye tells that this router leaves by will, and then that it is gone. Nobody may hear it, which changes nothing.
func (m *Membership) sayGoodbye(ctx context.Context) {
	if len(m.Snapshot().Present()) > 1 {
		m.book.mu.Lock()
		instance := m.book.instance
		m.book.mu.Unlock()
		told := make(chan struct{})
		m.queue.QueueBroadcast(&news{m.config.ID, appendDeparture(nil, m.config.ID, instance), told})
		timer := time.NewTimer(goodbye)
		defer timer.Stop()
		select {
		case <-told:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if left := timeLeft(ctx); left > 0 {
		_ = m.list.Leave(min(left, goodbye))
	}
}

// timeLeft returns how long the context lasts.
func timeLeft(ctx context.Context) time.Duration {
	switch deadline, ok := ctx.Deadline(); {
	case ctx.Err() != nil:
		return 0
	case ok:
		return time.Until(deadline)
	}
	return goodbye
}

// Stop ends the membership without a word, and its network. The goroutines of memberlist end within a probe interval.
func (m *Membership) Stop() {
	m.stop.Do(func() {
		m.cancel()
		m.announce.Lock()
		m.book.mu.Lock()
		m.book.quiet = true
		m.book.mu.Unlock()
		_ = m.list.Shutdown() // it does not fail
		m.announce.Unlock()
		m.wg.Wait()
	})
}
