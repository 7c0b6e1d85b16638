package membership

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Limits of what the book remembers.
const (
	earlyRecords = 256 // details that came before their members
	flapWindow   = time.Minute
	flapMost     = 4 // returns of a member within the window, after which it is held
	flapHold     = 30 * time.Second
	leftMost     = 1024 // members that have left, which are remembered for leftTime
	leftTime     = 10 * time.Minute
)

// book is all that is known of the members. Its lock is a leaf: memberlist calls it while it holds its own.
type book struct {
	config   *Config
	counters *counters
	log      *logger
	dirty    func() // something changed

	mu       sync.Mutex
	instance uint64 // of this router
	denied   bool   // somebody said that this router has left, which is not so
	entries  map[string]*entry
	early    map[string]details
	left     map[string]departure
	fresh    bucket // members that were not known
	quiet    bool   // over: changes are not taken any more
}

// entry is one member.
type entry struct {
	member    Member
	known     details // version 0 if there are none
	version   uint32  // of the details that the member has
	lost      bool
	since     time.Time
	returns   []time.Time // the last ones after it was lost
	heldUntil time.Time
}

// departure is a member that has left by will.
type departure struct {
	instance uint64
	at       time.Time
}

// complete reports whether the details belong to what the member says.
func (e *entry) complete() bool {
	return e.known.version == e.version && e.known.instance == e.member.Instance
}

// NotifyAlive implements [memberlist.AliveDelegate]: it decides whether a member is taken, or taken again.
func (b *book) NotifyAlive(node *memberlist.Node) error {
	m, err := checkNode(node)
	if err != nil {
		b.counters.refusedMember.Add(1)
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if node.Name == b.config.ID {
		if m.instance > b.instance {
			b.counters.duplicates.Add(1)
			return fmt.Errorf("another router has the id %s of this one, and is younger", node.Name)
		}
		return nil // an older one is refuted
	}
	if !b.config.allowed(node.Name, m.site) {
		b.counters.refusedNotAllowed.Add(1)
		return fmt.Errorf("a member %s at site %q is on no list", node.Name, m.site)
	}
	if b.entries[node.Name] != nil {
		return nil
	}
	if len(b.entries) >= b.config.MaxMembers && !b.forget() {
		b.counters.refusedFull.Add(1)
		return fmt.Errorf("there are %d members, no more are taken", len(b.entries))
	}
	if !b.fresh.take(time.Now(), b.config.Timing.NewMembers, b.config.Timing.NewBurst) {
		b.counters.refusedRate.Add(1)
		return fmt.Errorf("more than %.0f new members a second", b.config.Timing.NewMembers)
	}
	return nil
}

// checkNode reports what is impossible about a member.
func checkNode(node *memberlist.Node) (meta, error) {
	if err := checkID(node.Name); err != nil {
		return meta{}, err
	}
	if !net.IP(node.Addr).Equal(pseudoAddress(node.Name)) || node.Port != pseudoPort {
		return meta{}, fmt.Errorf("member %s has an address of its own", node.Name)
	}
	// Versions that do not fit would make memberlist refuse every later comparison with anybody.
	const ours = memberlist.ProtocolVersion2Compatible
	if node.PMin > ours || node.PMax < ours || node.PCur != ours || node.DMin != 0 || node.DMax != 0 || node.DCur != 0 {
		return meta{}, fmt.Errorf("member %s speaks versions %d … %d (%d) of gossip, not %d", node.Name, node.PMin,
			node.PMax, node.PCur, ours)
	}
	m, err := parseMeta(node.Meta)
	if err != nil {
		return meta{}, fmt.Errorf("member %s: %w", node.Name, err)
	}
	return m, nil
}

// forget makes room by the member that was lost first.
func (b *book) forget() bool {
	oldest := ""
	for id, e := range b.entries {
		if e.lost && (oldest == "" || e.since.Before(b.entries[oldest].since)) {
			oldest = id
		}
	}
	delete(b.entries, oldest)
	return oldest != ""
}

// NotifyJoin implements [memberlist.EventDelegate].
func (b *book) NotifyJoin(node *memberlist.Node) { b.take(node, true) }

// NotifyUpdate implements [memberlist.EventDelegate].
func (b *book) NotifyUpdate(node *memberlist.Node) { b.take(node, false) }

// take takes what an alive message says.
func (b *book) take(node *memberlist.Node, joined bool) {
	m, err := parseMeta(node.Meta)
	if err != nil || node.Name == b.config.ID {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	e := b.entries[node.Name]
	switch {
	case b.quiet:
		return
	case b.left[node.Name].instance >= m.instance && e == nil:
		return // older news than that it has left
	case e == nil:
		e = &entry{since: now}
		b.entries[node.Name] = e
		b.log.printf(LevelInfo, "member %s joins", node.Name)
	case e.lost && joined:
		e.lost, e.since = false, now
		b.returned(e, node.Name, now)
		b.log.printf(LevelInfo, "member %s is back", node.Name)
	}
	e.member.ID, e.member.Site, e.member.Role, e.member.Instance = node.Name, m.site, m.role, m.instance
	e.version = m.version
	if d, ok := b.early[node.Name]; ok && !e.complete() && d.version == m.version && d.instance == m.instance {
		e.known = d
		delete(b.early, node.Name)
	}
	b.dirty()
}

// returned holds a member that comes and goes.
func (b *book) returned(e *entry, id string, now time.Time) {
	e.returns = append(e.returns, now)
	for len(e.returns) > 0 && now.Sub(e.returns[0]) > flapWindow {
		e.returns = e.returns[1:]
	}
	if len(e.returns) >= flapMost {
		e.returns = e.returns[1:]
		e.heldUntil = now.Add(flapHold)
		b.counters.held.Add(1)
		b.log.printf(LevelWarning, "member %s was lost %d times in a minute, and counts as lost for %v", id, flapMost,
			flapHold)
	}
}

// depart takes the news that a member has left by will, and reports whether they should be told on.
func (b *book) depart(id string, instance uint64) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := b.entries[id]; {
	case b.quiet:
		return false
	case id == b.config.ID:
		b.denied = b.denied || instance == b.instance
		return false
	case e == nil || e.member.Instance != instance:
		return false // known, or of another life
	}
	delete(b.entries, id)
	now := time.Now()
	for other, d := range b.left {
		if now.Sub(d.at) > leftTime || len(b.left) >= leftMost {
			delete(b.left, other)
		}
	}
	b.left[id] = departure{instance, now}
	b.log.printf(LevelInfo, "member %s leaves", id)
	b.dirty()
	return true
}

// NotifyLeave implements [memberlist.EventDelegate]. memberlist does not say whether a member was lost or has left by
// will; Postroad's own message does.
func (b *book) NotifyLeave(node *memberlist.Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[node.Name]; e != nil && !e.lost && !b.quiet && node.Name != b.config.ID {
		e.lost, e.since = true, time.Now()
		b.log.printf(LevelInfo, "member %s is lost", node.Name)
		b.dirty()
	}
}

// learn takes details, and reports whether they are news that should be told on.
func (b *book) learn(record []byte) (id string, news bool) {
	d, err := parseDetails(record)
	if err != nil {
		b.counters.refusedDetails.Add(1)
		b.log.printf(LevelWarning, "details of a member are refused: %v", err)
		return "", false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[d.id]
	if d.id == b.config.ID || b.quiet {
		return "", false
	}
	if e != nil {
		switch c := cmp.Or(cmp.Compare(d.instance, e.member.Instance), cmp.Compare(d.version, e.version)); {
		case c < 0 || c == 0 && e.complete():
			return "", false // old, or known
		case c == 0:
			e.known = d
			b.dirty()
			return d.id, true
		}
	}
	if len(b.early) >= earlyRecords { // they can be asked for
		b.counters.refusedDetails.Add(1)
		clear(b.early)
	}
	b.early[d.id] = d
	return "", false
}

// record returns the details of a member for others.
func (b *book) record(id string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[id]
	if e == nil || e.known.version == 0 {
		return nil
	}
	return e.known.append(nil)
}

// missing returns up to most members whose details are not known, in no order.
func (b *book) missing(most int) (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.entries {
		if !e.lost && !e.complete() && len(ids) < most {
			ids = append(ids, id)
		}
	}
	return ids
}

// pick returns a random member which the function takes.
func (b *book) pick(suits func(e *entry) bool) (id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for other, e := range b.entries {
		if other != b.config.ID && suits(e) {
			if n++; rand.IntN(n) == 0 {
				id = other
			}
		}
	}
	return id
}

// all returns the details of all members, and who has left, as the user state of a push/pull.
func (b *book) all() []byte {
	const most = 4 << 20 // others come one by one
	var out, record []byte
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if e.known.version != 0 && !e.lost {
			record = e.known.append(append(record[:0], userDetails))
			if len(out)+len(record)+2 <= most {
				out = appendRecord(out, record)
			}
		}
	}
	for id, d := range b.left {
		if time.Since(d.at) < leftTime {
			out = appendRecord(out, appendDeparture(nil, id, d.instance))
		}
	}
	return out
}

// lookup returns a member by what is known, even if it is not much.
func (b *book) lookup(id string) (Member, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[id]
	if e == nil {
		return Member{}, false
	}
	m := e.member
	m.Endpoints, m.Relays, m.Lost, m.Since = e.known.endpoints, e.known.relays, e.lost, e.since
	return m, true
}

// snapshot returns those whose details are known, and when it will be another one without a change. Who was lost too
// long ago is forgotten.
func (b *book) snapshot(now time.Time) (members []Member, again time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	members = make([]Member, 0, len(b.entries))
	for id, e := range b.entries {
		if e.lost && now.Sub(e.since) > b.config.Timing.Retain {
			delete(b.entries, id)
			continue
		}
		if e.known.version == 0 {
			continue
		}
		m := e.member
		m.Endpoints, m.Relays = e.known.endpoints, e.known.relays
		m.Lost, m.Since = e.lost, e.since
		if e.heldUntil.After(now) {
			m.Lost = true
			if again.IsZero() || e.heldUntil.Before(again) {
				again = e.heldUntil
			}
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members, again
}
