package mesh

import (
	"time"

	"github.com/postroad/postroad/addressing"
)

// mobileState is what this router announces to others.
type mobileState struct {
	seq       int64 // number of the last change that others were told
	addresses map[string]*localAddress
	queue     []string // addresses that may have changed since
	pacer     pacer
	cached    *message // absolute MAU of the number seq
}

type localAddress struct {
	hint     addressing.Distribution
	present  bool // there is a consumer
	told     bool // others know
	toldHint addressing.Distribution
	queued   bool
}

func newMobileState() mobileState {
	return mobileState{addresses: make(map[string]*localAddress),
		pacer: pacer{first: mauFirst, min: mauMin, max: mauMax, quiet: quiet}}
}

func (s *mobileState) add(key string, hint addressing.Distribution) {
	if a, ok := addressing.ParseKey(key); !ok || !a.Class.Announced() || len(key) > maxKeyLength {
		return
	}
	a := s.addresses[key]
	if a == nil {
		a = &localAddress{}
		s.addresses[key] = a
	}
	a.hint, a.present = hint, true
	s.enqueue(key, a)
}

func (s *mobileState) remove(key string) {
	if a := s.addresses[key]; a != nil {
		a.present = false
		s.enqueue(key, a)
	}
}

func (s *mobileState) enqueue(key string, a *localAddress) {
	if (a.present != a.told || a.hint != a.toldHint) && !a.queued {
		a.queued = true
		s.queue = append(s.queue, key)
	}
}

func (s *mobileState) changed() bool { return len(s.queue) > 0 }

// announceAddresses tells all routers what has changed since the last time. Changes that cancelled each other are not
// mentioned; if there are no others, nothing is sent. An address whose hint has changed is added again, which means
// nothing to Interconnect.
func (n *Node) announceAddresses() {
	s := &n.mobile
	m := &message{id: n.config.ID, add: []string{}, del: []string{}}
	for _, key := range s.queue {
		a := s.addresses[key]
		a.queued = false
		switch {
		case a.present && (!a.told || a.hint != a.toldHint):
			m.add, m.hints = append(m.add, key), append(m.hints, int64(a.hint))
		case !a.present && a.told:
			m.del = append(m.del, key)
		}
		if a.told, a.toldHint = a.present, a.hint; !a.present {
			delete(s.addresses, key)
		}
	}
	s.queue = nil
	if len(m.add)+len(m.del) == 0 {
		return
	}
	if s.seq == maxSequence {
		n.renew() // others ask for everything
		return
	}
	s.seq++
	s.cached = nil
	m.mobileSeq = s.seq
	n.sign(m)
	links := n.pathLinks(0, nil)
	n.sendAll(links, allRouters+pathMobile, OpcodeMAU, m)
	n.raAt = earlier(n.raAt, n.now.Add(raMobile))
	n.log(LevelDebug, ModuleMA, "New mobile sequence: mobile_seq=%d, addrs_added=%d, addrs_deleted=%d, fanout=%d",
		s.seq, len(m.add), len(m.del), len(links))
}

// absolute returns the message with all addresses that others know at the current number. What is waiting to be
// announced is not in it: it will come with the next number.
func (n *Node) absolute() *message {
	s := &n.mobile
	if s.cached != nil {
		return s.cached
	}
	m := &message{id: n.config.ID, mobileSeq: s.seq, absolute: true}
	for _, key := range sortedKeys(s.addresses) {
		if a := s.addresses[key]; a.told {
			m.exist, m.hints = append(m.exist, key), append(m.hints, int64(a.toldHint))
		}
	}
	n.sign(m)
	s.cached = m
	return m
}

// sign puts the instance into a MAU.
func (n *Node) sign(m *message) {
	if !n.config.Plain {
		m.instance, m.has = n.instance, hasInstance
	}
}

// remoteAddresses is what another router has announced.
type remoteAddresses struct {
	seq        int64     // number of the last change that is known
	advertised int64     // number of the last change that there was, never below seq
	confirmed  time.Time // when it was heard last that the number is at least as high
	hints      map[string]hint
}

// raise takes note of the number of a change, and reports whether there was none with a higher one.
func (a *remoteAddresses) raise(seq int64, now time.Time) bool {
	if seq < a.advertised {
		return false
	}
	a.advertised, a.confirmed = seq, now
	return true
}

type hint struct {
	distribution addressing.Distribution
	known        bool
}

// marHold is how long a request for addresses waits after an RA: normally the MAU that makes it superfluous is under
// way.
const marHold = 100 * time.Millisecond

// addressesAdvertised takes the number of a router's addresses from its RA, and asks for them if they are not known. A
// lower number than before counts as in linkStateAdvertised.
func (n *Node) addressesAdvertised(r *router, seq int64) {
	a := &r.addresses
	if !a.raise(seq, n.now) && n.now.Sub(a.confirmed) > n.config.RAIntervalFlux {
		n.complain(LevelWarning, ModuleMA, "back", "Addresses of router %s go back from %d to %d", r.id, a.advertised, seq)
		n.flushAddresses(r)
		a.raise(seq, n.now)
	}
	n.askAddresses(r)
}

// askAddresses asks for the addresses of a router if they are not known.
func (n *Node) askAddresses(r *router) {
	a := &r.addresses
	r.mar.soon(n.now)
	if a.advertised <= a.seq {
		return
	}
	hold := marHold
	if a.seq == 0 {
		hold = 0
	}
	r.mar.want(n.now, hold)
	n.wakeRouters(r.mar.next)
}

// handleMAR answers with all addresses if the other router does not have them.
func (n *Node) handleMAR(r *router, m *message) {
	n.log(LevelDebug, ModuleMA, "Received MAR from %s, have_seq=%d", r.id, m.haveSeq)
	if m.haveSeq >= n.mobile.seq || !r.answers.take(n.now, answerRate, answerBurst) {
		return
	}
	n.sendTo(r, pathMobile, OpcodeMAU, n.absolute())
	n.log(LevelDebug, ModuleMA, "Sent MAU to requestor: mobile_seq=%d", n.mobile.seq)
}

// handleMAU takes changes of a router's addresses, or all of them. Changes are taken only if none before them is
// missing; otherwise all addresses are asked for. Nothing older than what is known is taken.
func (n *Node) handleMAU(r *router, m *message) {
	if m.has&hasInstance != 0 && !n.setInstance(r, m.instance, false) {
		return
	}
	a := &r.addresses
	switch {
	case !r.hasInstance: // it may be of an earlier life: ask when it is known which life this is
		a.raise(m.mobileSeq, n.now)
		return
	case m.mobileSeq <= a.seq:
		return
	case !m.absolute && m.mobileSeq != a.seq+1:
		a.raise(m.mobileSeq, n.now)
		r.mar.want(n.now, 0)
		n.wakeRouters(n.now)
		return
	}
	kind := "differential"
	if m.absolute {
		kind = "absolute"
	}
	n.log(LevelDebug, ModuleMA, "Received MAU (%s) from %s, mobile_seq=%d", kind, r.id, m.mobileSeq)
	a.seq = m.mobileSeq
	if a.raise(a.seq, n.now) {
		r.mar.answered()
	}
	if m.absolute {
		n.keepAddresses(r, m.exist)
		n.addAddresses(r, m.exist, m.hints)
		return
	}
	n.addAddresses(r, m.add, m.hints)
	for _, key := range m.del {
		n.deleteAddress(r, key)
	}
}

// keepAddresses deletes all addresses of a router but those in keys.
func (n *Node) keepAddresses(r *router, keys []string) {
	if len(r.addresses.hints) == 0 {
		return
	}
	keep := make(map[string]bool, len(keys))
	for _, key := range keys {
		keep[key] = true
	}
	for _, key := range sortedKeys(r.addresses.hints) {
		if !keep[key] {
			n.deleteAddress(r, key)
		}
	}
}

func (n *Node) addAddresses(r *router, keys []string, hints []int64) {
	a := &r.addresses
	if a.hints == nil {
		a.hints = make(map[string]hint)
	}
	for i, key := range keys {
		h := hint{}
		if hints != nil {
			h.distribution, h.known = addressing.DistributionFromHint(hints[i])
		}
		before, known := a.hints[key]
		if known && (h == before || !h.known) {
			continue
		}
		if parsed, ok := addressing.ParseKey(key); !ok || !parsed.Class.Announced() || len(key) > maxKeyLength {
			n.complain(LevelWarning, ModuleMA, "key", "Router %s announces the address %.80q, which no router can have", r.id,
				key)
			continue
		}
		if !known && len(a.hints) >= n.config.MaxAddresses {
			n.counters.Dropped[DropNoRoom]++
			n.complain(LevelError, ModuleMA, "addresses", "Router %s announces more than %d addresses: the others are ignored",
				r.id, n.config.MaxAddresses)
			return
		}
		a.hints[key] = h
		if r.reached {
			n.addressUp(r, key, h)
		}
	}
}

func (n *Node) deleteAddress(r *router, key string) {
	if _, known := r.addresses.hints[key]; !known {
		return
	}
	delete(r.addresses.hints, key)
	if r.reached {
		n.emit(Event{Kind: EventAddressDown, Router: r.number, ID: r.id, Key: key})
	}
}

// flushAddresses forgets all addresses of a router.
func (n *Node) flushAddresses(r *router) {
	n.keepAddresses(r, nil)
	r.addresses = remoteAddresses{}
	r.mar.answered()
	n.log(LevelDebug, ModuleRouter, "Remote destinations flushed from router %s", r.id)
}

func (n *Node) addressUp(r *router, key string, h hint) {
	n.emit(Event{Kind: EventAddressUp, Router: r.number, ID: r.id, Key: key, Hint: h.distribution, HasHint: h.known})
}

// showAddresses emits the addresses of a router that has become reachable, and hideAddresses those of one that has not
// any more.
func (n *Node) showAddresses(r *router) {
	for _, key := range sortedKeys(r.addresses.hints) {
		n.addressUp(r, key, r.addresses.hints[key])
	}
}

func (n *Node) hideAddresses(r *router) {
	for _, key := range sortedKeys(r.addresses.hints) {
		n.emit(Event{Kind: EventAddressDown, Router: r.number, ID: r.id, Key: key})
	}
}
