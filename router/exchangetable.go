package router

import (
	"fmt"
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/router/route"
)

// topicExchange forwards the messages for its address to the next hops of all bindings whose keys match their subjects.
//
// The data plane reads the table, which is replaced and never changed, and counts; the rest is the control loop's.
type topicExchange struct {
	number uint64 // unique in this router, for management
	config config.Exchange
	method addressing.MatchMethod
	route.Exchange

	address   *entry
	bindings  []*binding
	hops      []*exchangeHop // by index, nil where there is none; the alternate is not one of them
	alternate *exchangeHop
}

// binding is a key and where the messages go whose subject it matches.
type binding struct {
	number uint64 // unique in this router, for management
	config config.Binding
	route.Binding
	hop *exchangeHop
}

// exchangeHop is a next hop, and how many bindings lead there.
type exchangeHop struct {
	route.NextHop
	text     string
	phase    int
	bindings int
	address  *entry
}

// addExchange makes an exchange without bindings. It runs in the control loop, as all functions below do.
func (k *control) addExchange(cfg config.Exchange) (*topicExchange, error) {
	method, err := addressing.ParseMatchMethod(cfg.MatchMethod)
	if err != nil {
		return nil, fmt.Errorf("exchange %q: %w", cfg.Name, err)
	}
	key, err := k.keyAt(cfg.Address, cfg.Phase)
	if err != nil {
		return nil, fmt.Errorf("exchange %q: %w", cfg.Name, err)
	}
	a := k.address(key)
	if k.exchange(cfg.Name) != nil || a.exchange != nil {
		k.dropUnused(a)
		return nil, fmt.Errorf("exchange %q: there is one with this name or address already", cfg.Name)
	}
	x := &topicExchange{number: k.plane.numbers.Add(1), config: cfg, method: method, address: a}
	x.Passed = k.plane.id + " " + cfg.Name
	if cfg.AlternateAddress != "" {
		if x.alternate, err = k.newHop(x, cfg.AlternateAddress, cfg.AlternatePhase); err != nil {
			k.dropUnused(a)
			return nil, fmt.Errorf("exchange %q: alternate address: %w", cfg.Name, err)
		}
	}
	x.Table.Store(&route.ExchangeTable{Bindings: addressing.NewBindings[*route.Binding](method), Alternate: x.alternate.face()})
	a.exchange = x
	k.exchanges = append(k.exchanges, x)
	k.changed(a)
	return x, nil
}

// removeExchange takes an exchange with all its bindings away.
func (k *control) removeExchange(x *topicExchange) {
	for len(x.bindings) > 0 {
		k.removeBinding(x, x.bindings[len(x.bindings)-1])
	}
	if x.alternate != nil {
		k.unpin(x.alternate)
	}
	k.exchanges = slices.DeleteFunc(k.exchanges, func(other *topicExchange) bool { return other == x })
	x.address.exchange = nil
	k.changed(x.address)
}

// addBinding adds a binding to the exchange that it names.
func (k *control) addBinding(cfg config.Binding) (*binding, error) {
	x := k.exchange(cfg.ExchangeName)
	if x == nil {
		return nil, fmt.Errorf("binding of %q to %q: there is no exchange %q", cfg.BindingKey, cfg.NextHopAddress,
			cfg.ExchangeName)
	}
	b := &binding{number: k.plane.numbers.Add(1), config: cfg}
	t := x.Table.Load()
	bindings, err := t.Bindings.Add(cfg.BindingKey, &b.Binding)
	if err != nil {
		return nil, fmt.Errorf("binding of exchange %q to %q: %w", cfg.ExchangeName, cfg.NextHopAddress, err)
	}
	if b.hop, err = k.hopOf(x, cfg.NextHopAddress, cfg.NextHopPhase); err != nil {
		return nil, fmt.Errorf("binding of exchange %q: next hop: %w", cfg.ExchangeName, err)
	}
	b.Hop = b.hop.face()
	b.hop.bindings++
	x.bindings = append(x.bindings, b)
	k.replaceTable(x, bindings)
	return b, nil
}

// removeBinding takes a binding of an exchange away.
func (k *control) removeBinding(x *topicExchange, b *binding) {
	bindings, ok := x.Table.Load().Bindings.Remove(b.config.BindingKey, &b.Binding)
	if !ok {
		return
	}
	x.bindings = slices.DeleteFunc(x.bindings, func(other *binding) bool { return other == b })
	k.replaceTable(x, bindings)
	if b.hop.bindings--; b.hop.bindings == 0 {
		x.hops[b.hop.Index] = nil
		k.unpin(b.hop)
	}
}

// replaceTable gives the data plane other bindings.
func (k *control) replaceTable(x *topicExchange, bindings *addressing.Bindings[*route.Binding]) {
	usable := x.usable()
	x.Table.Store(&route.ExchangeTable{Bindings: bindings, Alternate: x.alternate.face(), Hops: len(x.hops)})
	if x.usable() != usable {
		k.changed(x.address)
	}
}

// usable reports whether there is anywhere that the exchange could forward to.
func (x *topicExchange) usable() bool { return x.Table.Load().IsUsable() }

// face is what the data plane sees of a next hop; nil for none.
func (h *exchangeHop) face() *route.NextHop {
	if h == nil {
		return nil
	}
	return &h.NextHop
}

// exchange returns the exchange with a name, or nil.
func (k *control) exchange(name string) *topicExchange {
	i := slices.IndexFunc(k.exchanges, func(x *topicExchange) bool { return x.config.Name == name })
	if i < 0 {
		return nil
	}
	return k.exchanges[i]
}

// hopOf returns the next hop of an exchange, making it when there is none.
func (k *control) hopOf(x *topicExchange, text string, phase int) (*exchangeHop, error) {
	free := len(x.hops)
	for i, h := range x.hops {
		switch {
		case h == nil:
			free = min(free, i)
		case h.text == text && h.phase == phase:
			return h, nil
		}
	}
	h, err := k.newHop(x, text, phase)
	if err != nil {
		return nil, err
	}
	if free == len(x.hops) {
		x.hops = append(x.hops, nil)
	}
	h.Index = free
	x.hops[free] = h
	return h, nil
}

// newHop makes a next hop. Its address stays in the table as long as it is there.
func (k *control) newHop(x *topicExchange, text string, phase int) (*exchangeHop, error) {
	key, err := k.keyAt(text, phase)
	if err != nil {
		return nil, err
	}
	a := k.address(key)
	a.pins++
	k.changed(a)
	h := &exchangeHop{text: text, phase: phase, address: a}
	h.Via = route.Via{Hop: h.face(), Address: a.Address, To: []byte(text), Exchange: &x.Exchange}
	if f := a.Fallback; f != nil {
		h.Fallback = &route.Via{Hop: h.face(), Address: f, To: addressing.AppendMobile(nil, f.Text), Exchange: &x.Exchange}
	}
	return h, nil
}

// unpin lets the address of a next hop go that is not used any more.
func (k *control) unpin(h *exchangeHop) {
	h.address.pins--
	k.changed(h.address)
}

// keyAt is the key of an address with a phase, 0 to 9, which counts for mobile addresses only.
func (k *control) keyAt(text string, phase int) (string, error) {
	a := k.plane.identity.Parse(text)
	p, ok := addressing.PhaseNumber(phase)
	if !ok {
		return "", fmt.Errorf("phase %d of %q: use 0 to 9", phase, text)
	}
	if a.Text == "" {
		return "", fmt.Errorf("%q is no address", text)
	}
	a.Phase = p
	return a.Key(), nil
}

// load makes the exchanges of the configuration. Nothing runs yet.
func (k *control) load(exchanges []config.Exchange, bindings []config.Binding) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range exchanges {
		if _, err := k.addExchange(exchanges[i]); err != nil {
			return err
		}
	}
	for i := range bindings {
		if _, err := k.addBinding(bindings[i]); err != nil {
			return err
		}
	}
	k.publishChanges()
	return nil
}
