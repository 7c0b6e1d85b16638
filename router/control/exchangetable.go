package control

import (
	"fmt"
	"slices"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/router/route"
)

// topicExchange forwards the messages for its address to the next hops of all bindings whose keys match the subjects.
//
// The data plane reads and counts in route.Exchange, whose table is replaced and never changed. The rest is the
// control's.
type topicExchange struct {
	Number uint64 // unique in this router, for management
	Config config.Exchange
	Method addressing.MatchMethod
	route.Exchange

	address   *Entry
	Bindings  []*binding     // in the order in which they were added
	hops      []*exchangeHop // by index, nil where there is none; the alternate is not one of them
	alternate *exchangeHop
}

// binding is a key, and where the messages go whose subject matches it.
type binding struct {
	Number uint64 // unique in this router, for management
	Config config.Binding
	route.Binding
	hop *exchangeHop
}

// exchangeHop is a next hop of an exchange.
type exchangeHop struct {
	route.NextHop
	text     string // the address, as configured
	phase    int
	bindings int // how many bindings lead there
	address  *Entry
}

// addExchange makes an exchange without bindings. It is an error if its name or its address has one already.
func (k *Control) addExchange(cfg config.Exchange) (*topicExchange, error) {
	method, err := addressing.ParseMatchMethod(cfg.MatchMethod)
	if err != nil {
		return nil, fmt.Errorf("exchange %q: %w", cfg.Name, err)
	}
	key, err := k.keyAt(cfg.Address, cfg.Phase)
	if err != nil {
		return nil, fmt.Errorf("exchange %q: %w", cfg.Name, err)
	}
	a := k.Address(key)
	if k.Exchange(cfg.Name) != nil || a.Exchange != nil {
		k.DropUnused(a)
		return nil, fmt.Errorf("exchange %q: there is one with this name or address already", cfg.Name)
	}
	x := &topicExchange{Number: k.Plane.Numbers.Add(1), Config: cfg, Method: method, address: a}
	x.Passed = k.Plane.ID + " " + cfg.Name
	if cfg.AlternateAddress != "" {
		if x.alternate, err = k.newHop(x, cfg.AlternateAddress, cfg.AlternatePhase); err != nil {
			k.DropUnused(a)
			return nil, fmt.Errorf("exchange %q: alternate address: %w", cfg.Name, err)
		}
	}
	x.Table.Store(&route.ExchangeTable{Bindings: addressing.NewBindings[*route.Binding](method), Alternate: x.alternate.face()})
	a.Exchange = x
	k.Exchanges = append(k.Exchanges, x)
	k.changed(a)
	return x, nil
}

// RemoveExchange removes an exchange with all its bindings.
func (k *Control) RemoveExchange(x *topicExchange) {
	for len(x.Bindings) > 0 {
		k.RemoveBinding(x, x.Bindings[len(x.Bindings)-1])
	}
	if x.alternate != nil {
		k.unpin(x.alternate)
	}
	k.Exchanges = slices.DeleteFunc(k.Exchanges, func(other *topicExchange) bool { return other == x })
	x.address.Exchange = nil
	k.changed(x.address)
}

// AddBinding adds a binding to the exchange that it names, which must exist. Its key must be one of the exchange's
// match method.
func (k *Control) AddBinding(cfg config.Binding) (*binding, error) {
	x := k.Exchange(cfg.ExchangeName)
	if x == nil {
		return nil, fmt.Errorf("binding of %q to %q: there is no exchange %q", cfg.BindingKey, cfg.NextHopAddress,
			cfg.ExchangeName)
	}
	b := &binding{Number: k.Plane.Numbers.Add(1), Config: cfg}
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
	x.Bindings = append(x.Bindings, b)
	k.replaceTable(x, bindings)
	return b, nil
}

// RemoveBinding removes a binding of an exchange. It does nothing for one that is not there.
func (k *Control) RemoveBinding(x *topicExchange, b *binding) {
	bindings, ok := x.Table.Load().Bindings.Remove(b.Config.BindingKey, &b.Binding)
	if !ok {
		return
	}
	x.Bindings = slices.DeleteFunc(x.Bindings, func(other *binding) bool { return other == b })
	k.replaceTable(x, bindings)
	if b.hop.bindings--; b.hop.bindings == 0 {
		x.hops[b.hop.Index] = nil
		k.unpin(b.hop)
	}
}

// replaceTable publishes other bindings.
func (k *Control) replaceTable(x *topicExchange, bindings *addressing.Bindings[*route.Binding]) {
	usable := x.usable()
	x.Table.Store(&route.ExchangeTable{Bindings: bindings, Alternate: x.alternate.face(), Hops: len(x.hops)})
	if x.usable() != usable {
		k.changed(x.address)
	}
}

// usable reports whether the exchange has anywhere to forward to.
func (x *topicExchange) usable() bool { return x.Table.Load().IsUsable() }

// face returns what the data plane sees of a next hop, nil for none.
func (h *exchangeHop) face() *route.NextHop {
	if h == nil {
		return nil
	}
	return &h.NextHop
}

// Exchange returns the exchange with a name, or nil.
func (k *Control) Exchange(name string) *topicExchange {
	i := slices.IndexFunc(k.Exchanges, func(x *topicExchange) bool { return x.Config.Name == name })
	if i < 0 {
		return nil
	}
	return k.Exchanges[i]
}

// hopOf returns the next hop of an exchange to an address and a phase. It makes the next hop when there is none.
func (k *Control) hopOf(x *topicExchange, text string, phase int) (*exchangeHop, error) {
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

// newHop makes a next hop. The address stays in the table until unpin.
func (k *Control) newHop(x *topicExchange, text string, phase int) (*exchangeHop, error) {
	key, err := k.keyAt(text, phase)
	if err != nil {
		return nil, err
	}
	a := k.Address(key)
	a.Pins++
	k.changed(a)
	h := &exchangeHop{text: text, phase: phase, address: a}
	h.Via = route.Via{Hop: h.face(), Address: a.Address, To: []byte(text), Exchange: &x.Exchange}
	if f := a.Fallback; f != nil {
		h.Fallback = &route.Via{Hop: h.face(), Address: f, To: addressing.AppendMobile(nil, f.Text), Exchange: &x.Exchange}
	}
	return h, nil
}

// unpin lets go of the address of a next hop that is not used any more.
func (k *Control) unpin(h *exchangeHop) {
	h.address.Pins--
	k.changed(h.address)
}

// keyAt returns the key of an address in a phase, 0 to 9. The phase counts for mobile addresses only.
func (k *Control) keyAt(text string, phase int) (string, error) {
	a := k.Plane.Identity.Parse(text)
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

// Load makes the exchanges and bindings of the configuration, before the router runs. It takes Mu.
func (k *Control) Load(exchanges []config.Exchange, bindings []config.Binding) error {
	k.Mu.Lock()
	defer k.Mu.Unlock()
	for i := range exchanges {
		if _, err := k.addExchange(exchanges[i]); err != nil {
			return err
		}
	}
	for i := range bindings {
		if _, err := k.AddBinding(bindings[i]); err != nil {
			return err
		}
	}
	k.PublishChanges()
	return nil
}
