package control

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
	Number uint64 // unique in this router, for management
	Config config.Exchange
	Method addressing.MatchMethod
	route.Exchange

	address   *Entry
	Bindings  []*binding
	hops      []*exchangeHop // by index, nil where there is none; the alternate is not one of them
	alternate *exchangeHop
}

// binding is a key and where the messages go whose subject it matches.
type binding struct {
	Number uint64 // unique in this router, for management
	Config config.Binding
	route.Binding
	hop *exchangeHop
}

// exchangeHop is a next hop, and how many bindings lead there.
type exchangeHop struct {
	route.NextHop
	text     string
	phase    int
	bindings int
	address  *Entry
}

// addExchange makes an exchange without bindings. It runs in the control loop, as all functions below do.
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
	x.Passed = k.Plane.Id + " " + cfg.Name
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

// RemoveExchange takes an exchange with all its bindings away.
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

// AddBinding adds a binding to the exchange that it names.
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

// RemoveBinding takes a binding of an exchange away.
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

// replaceTable gives the data plane other bindings.
func (k *Control) replaceTable(x *topicExchange, bindings *addressing.Bindings[*route.Binding]) {
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

// Exchange returns the exchange with a name, or nil.
func (k *Control) Exchange(name string) *topicExchange {
	i := slices.IndexFunc(k.Exchanges, func(x *topicExchange) bool { return x.Config.Name == name })
	if i < 0 {
		return nil
	}
	return k.Exchanges[i]
}

// hopOf returns the next hop of an exchange, making it when there is none.
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

// newHop makes a next hop. Its address stays in the table as long as it is there.
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

// unpin lets the address of a next hop go that is not used any more.
func (k *Control) unpin(h *exchangeHop) {
	h.address.Pins--
	k.changed(h.address)
}

// keyAt is the key of an address with a phase, 0 to 9, which counts for mobile addresses only.
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

// Load makes the exchanges of the configuration. Nothing runs yet.
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
