package router

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
	"github.com/postroad/postroad/router/route"
)

// quieten lets everything come to its end: every address gets a consumer on every router, all consumers take and
// settle what comes, senders finish what they have begun; then nobody may wait for anything.
func (w *propertyWorld) quieten() {
	rng := rand.New(rand.NewPCG(w.seed, 1<<40))
	w.tell("quiet")
	var lines []*line
	for _, r := range w.alive() {
		l := newLine(w, r, "harvest at "+r.ID(), 64<<10)
		if l == nil {
			return
		}
		s := l.session(0, 1<<20)
		for _, address := range w.addresses {
			s.attachReceiver(w.uids.Add(1), address, 200, func(x *rxLink) { x.eager, x.kind = true, true })
		}
		lines = append(lines, l)
	}
	for _, a := range w.actors {
		if a.line != nil && a.line.alive() {
			lines = append(lines, a.line)
		}
	}
	for _, l := range lines {
		l.mu.Lock()
		l.bow(rng)
		l.mu.Unlock()
	}
	w.await("every delivery has its outcome, every sender has credit", lines, (*line).restless)
	if w.t.Failed() {
		return
	}
	w.await("probes are accepted", lines, (*line).probe)
	w.await("every delivery has its outcome, every sender has credit", lines, (*line).restless)
	for _, l := range lines {
		l.mu.Lock()
		for _, x := range l.receivers() {
			x.first = 0
			x.drain()
		}
		l.mu.Unlock()
	}
	w.await("drains are answered", lines, (*line).draining)
	w.awaitRouters("the routers hold nothing for anybody", lines, unrest)
	w.countPresettled(lines)
}

// await waits until a check finds nothing wrong with any line; meanwhile the lines stay alive.
func (w *propertyWorld) await(why string, lines []*line, check func(*line) error) {
	var errs []error
	err := w.poll(func() error {
		errs = errs[:0]
		for _, l := range lines {
			l.mu.Lock()
			if !l.ended {
				errs = append(errs, check(l))
			}
			l.mu.Unlock()
		}
		return errors.Join(errs...)
	}, lines)
	if err != nil {
		w.report("%s: %v", why, err)
		w.dump()
	}
}

func (w *propertyWorld) awaitRouters(why string, lines []*line, check func(*Router) error) {
	if err := w.poll(func() error {
		var errs []error
		for _, r := range w.alive() {
			errs = append(errs, check(r))
		}
		return errors.Join(errs...)
	}, lines); err != nil {
		w.report("%s: %v", why, err)
	}
}

// poll calls a check until it finds nothing wrong, for as long as a wait may take.
func (w *propertyWorld) poll(check func() error, lines []*line) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	alive := time.NewTicker(time.Second)
	defer alive.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-alive.C:
			for _, l := range lines {
				l.mu.Lock()
				l.say(frame{})
				l.mu.Unlock()
			}
		case <-timer.C:
			return err
		}
	}
}

// bow makes a client finish what it has begun and take all that comes. The mutex is held.
func (l *line) bow(rng *rand.Rand) {
	l.reading = true
	for _, x := range l.senders() {
		if rng.IntN(3) == 0 {
			x.abort()
		}
		x.write(1 << 20)
	}
	for _, x := range l.receivers() {
		x.eager, x.kind, x.first = true, true, 100
		for _, d := range x.waiting() {
			if d != x.partial {
				x.say(d, forwarding.Accepted, true)
			}
		}
		if x.credit < x.first {
			x.grant(x.first - x.credit)
		}
	}
	l.change()
}

// restless tells what a client still waits for. The mutex is held.
func (l *line) restless() error {
	var errs []error
	for _, x := range l.senders() {
		switch {
		case x.writing != nil:
			x.write(1 << 20)
			errs = append(errs, fmt.Errorf("%s has not written all of %s", x.name, l.w.book.show(x.writing.p)))
		case len(x.unsettled) > 0:
			for id, p := range x.unsettled {
				errs = append(errs, fmt.Errorf("%s waits for the outcome of %d deliveries, one is %d, %s", x.name,
					len(x.unsettled), id, l.w.book.show(p)))
				break
			}
		case x.credit == 0:
			errs = append(errs, fmt.Errorf("%s to %q has no credit", x.name, x.address))
		}
	}
	for _, x := range l.receivers() {
		if x.partial != nil {
			errs = append(errs, fmt.Errorf("%s is in the middle of %s", x.name, l.w.book.show(x.partial.parcel)))
		}
	}
	return errors.Join(errs...)
}

// probe sends one more message on every sender, which a consumer accepts. The mutex is held.
func (l *line) probe() error {
	var errs []error
	for _, x := range l.senders() {
		if x.probe == nil || x.probe.outcome.Kind == wire.StateReleased { // the mesh may still be changing
			if x.credit == 0 || x.writing != nil {
				errs = append(errs, fmt.Errorf("%s has no credit", x.name))
				continue
			}
			x.seq++
			address := x.address
			if address == "" {
				address = l.w.addresses[0]
			}
			x.probe = newProbe(x, address)
			x.begin(x.probe, parcelBody(x.probe.id, x.probe.size), 1<<10)
			x.write(1)
		}
		g := l.w.book
		g.mu.Lock()
		if x.probe.outcome.Kind != wire.StateAccepted {
			errs = append(errs, fmt.Errorf("%s has sent one more: %v", x.name, x.probe))
		}
		g.mu.Unlock()
	}
	return errors.Join(errs...)
}

// draining tells which drains have not been answered. The mutex is held.
func (l *line) draining() error {
	var errs []error
	for _, x := range l.receivers() {
		if x.credit > 0 {
			errs = append(errs, fmt.Errorf("%s still has credit %d after a drain", x.name, x.credit))
		}
	}
	return errors.Join(errs...)
}

// unrest tells what a router holds of messages though nobody waits for one, and senders whose credit does not add up.
func unrest(r *Router) error {
	var errs []error
	if n := r.plane.Panics.Load(); n > 0 {
		errs = append(errs, fmt.Errorf("%s has panicked %d times", r.plane.ID, n))
	}
	for _, c := range append(r.endpoints(), r.agent.conn) {
		c.Mu.Lock()
		errs = append(errs, unrestOf(c)...)
		c.Mu.Unlock()
	}
	for _, a := range r.plane.Table.All() {
		for _, m := range remotesNow(a) {
			if n := m.Outstanding.Load(); n != 0 {
				errs = append(errs, fmt.Errorf("%s counts %d outstanding for %s at %s", r.plane.ID, n, a.Key, m.Router.ID))
			}
		}
	}
	return errors.Join(errs...)
}

func remotesNow(a *route.Address) []*route.Remote {
	if routes := a.Routes.Load(); routes != nil {
		return routes.Remote
	}
	return nil
}

// show describes a delivery and its branches, for the story of a seed that has failed.
func showDelivery(d *forwarding.Delivery) string {
	s := fmt.Sprintf("pending %d, attempts %d, stage %v, arrival %v", d.Pending, d.Attempts, d.Stage, d.Arrival)
	d.Branches(func(b *forwarding.Branch) {
		c := b.Link.End
		s += fmt.Sprintf("; on %s of connection %d to %s (gone %v, link dead %v), over %v, state %d", b.Link.Name, c.Number,
			c.Near.ID, c.Near.Gone.Load(), b.Link.Dead.Load(), b.Over, b.State)
	})
	return s
}

// unrest is that of one connection. The mutex is held.
func unrestOf(c *forwarding.Endpoint) (errs []error) {
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s, connection %d (%s): %s", c.Plane.ID, c.Number, c.Near.ID,
			fmt.Sprintf(format, args...)))
	}
	if c.Terms.Role != forwarding.RoleInterRouter { // routers always talk to each other
		for i, d := range c.Deliveries.In {
			if d != nil {
				wrong("incoming delivery %d is left, %s", i, showDelivery(d))
			}
		}
		for i, b := range c.Deliveries.Out {
			if b != nil {
				wrong("outgoing delivery %d is left on %s", i, b.Link.Name)
			}
		}
		if c.Engine != nil {
			if in, out := c.Engine.Unsettled(); in+out > 0 {
				wrong("the engine has %d incoming and %d outgoing deliveries", in, out)
			}
		}
		if c.Meter != nil && c.Meter.Held() != 0 {
			wrong("%d octets are metered", c.Meter.Held())
		}
	}
	for _, l := range c.Links {
		if l == nil || l.Kind == forwarding.LinkControl {
			continue
		}
		if l.Outgoing {
			if l.Head != nil || l.Queued != 0 || l.Unsettled != 0 || l.Outstanding.Load() != 0 || l.WaitingSize != 0 {
				wrong("link %s has %d queued, %d unsettled, %d outstanding, %d octets waiting", l.Name, l.Queued,
					l.Unsettled, l.Outstanding.Load(), l.WaitingSize)
			}
			continue
		}
		if l.Receiving != nil {
			wrong("link %s is in the middle of a delivery", l.Name)
		}
		if l.Kind == forwarding.LinkEndpoint && l.Attached && l.ID != engine.None {
			if credit := int(c.Engine.Credit(l.ID)); l.InHand != 0 || credit+l.Back != l.Capacity {
				wrong("sender %s has %d in hand, credit %d, %d to be given back, capacity %d", l.Name, l.InHand, credit,
					l.Back, l.Capacity)
			}
		}
	}
	return errs[:min(len(errs), 5)]
}

// countPresettled checks that what was sent pre-settled was received or is counted as dropped, where nothing was lost
// with a connection.
func (w *propertyWorld) countPresettled(lines []*line) {
	if len(w.addresses) > 4 || w.book.disturbed || w.book.lossy || w.book.anyCut() {
		return
	}
	sent, lost, unsure := w.book.presettled()
	if err := w.poll(func() error {
		dropped := 0
		for _, r := range w.alive() {
			dropped += int(r.view.Sum(false).Totals.Dropped())
		}
		if dropped < lost || dropped > lost+unsure {
			return fmt.Errorf("of %d pre-settled messages %d were not received, and perhaps up to %d others, but %d are "+
				"counted as dropped", sent, lost, unsure, dropped)
		}
		return nil
	}, lines); err != nil {
		w.report("%v", err)
	}
}

// everybodyLeaves has all clients go in various ways, and waits until the routers hold nothing of them.
func (w *propertyWorld) everybodyLeaves() {
	rng := rand.New(rand.NewPCG(w.seed, 1<<41))
	w.mu.Lock()
	lines := w.lines
	w.mu.Unlock()
	for _, l := range lines {
		if !l.alive() {
			continue
		}
		switch rng.IntN(4) {
		case 0:
			l.abort(true)
		case 1:
			l.abort(false)
		case 2:
			l.close()
		default:
			l.mu.Lock()
			tx, rx := l.senders(), l.receivers()
			l.mu.Unlock()
			for _, x := range tx {
				x.detach()
			}
			for _, x := range rx {
				x.detach()
			}
			l.close()
		}
	}
	w.awaitRouters("after everybody has left", nil, func(r *Router) error {
		return errors.Join(clientsLeft(r), addressesLeft(r), unrest(r))
	})
}

// addressesLeft tells which addresses a router still has, but its own and those that only routers without a way to
// them have announced.
func addressesLeft(r *Router) error {
	var errs []error
	r.control.Mu.Lock()
	defer r.control.Mu.Unlock()
	for key, a := range r.control.Addresses {
		if key[0] != 'M' || a.Text == "$management" {
			continue
		}
		for _, m := range a.Remotes {
			if m.Router.Hop.Load() != nil {
				errs = append(errs, fmt.Errorf("%s still has %s, which %s is said to consume", r.plane.ID, key, m.Router.ID))
			}
		}
	}
	return errors.Join(errs...)
}

// dump adds to the story what the routers hold, and the accounts of all senders.
func (w *propertyWorld) dump() {
	for _, r := range w.alive() {
		if err := unrest(r); err != nil {
			w.tell("router %s holds: %v", r.ID(), err)
		}
		for _, c := range r.endpoints() {
			c.Mu.Lock()
			for _, l := range c.Links {
				if l != nil && l.Kind == forwarding.LinkEndpoint && l.Attached && !l.Outgoing {
					w.tell("router %s, %s, %s: reachable %v, credit %d, back %d, in hand %d", r.ID(), l.Name, l.AddressText,
						l.Reachable, c.Engine.Credit(l.ID), l.Back, l.InHand)
				}
			}
			c.Mu.Unlock()
		}
	}
}
