package router

import (
	"cmp"
	"iter"
	"slices"

	"github.com/postroad/postroad/internal/management"
)

// Exchanges implements [management.Source].
func (v *view) Exchanges() iter.Seq[management.Exchange] {
	k := v.control
	k.mu.Lock()
	defer k.mu.Unlock()
	rows := make([]management.Exchange, 0, len(k.exchanges))
	for _, x := range k.exchanges {
		rows = append(rows, management.Exchange{
			ID: x.number, Name: x.config.Name, Address: x.config.Address, Phase: int32(x.config.Phase),
			AlternateAddress: x.config.AlternateAddress, AlternatePhase: int32(x.config.AlternatePhase),
			MatchMethod: x.method.String(), BindingCount: uint32(len(x.bindings)),
			Received: x.Received.Load(), Dropped: x.Dropped.Load(), Forwarded: x.Forwarded.Load(),
			Diverted: x.Diverted.Load(),
		})
	}
	return slices.Values(rows)
}

// Bindings implements [management.Source].
func (v *view) Bindings() iter.Seq[management.Binding] {
	k := v.control
	k.mu.Lock()
	defer k.mu.Unlock()
	var rows []management.Binding
	for _, x := range k.exchanges {
		for _, b := range x.bindings {
			rows = append(rows, management.Binding{
				ID: b.number, Name: b.config.Name, ExchangeName: x.config.Name, BindingKey: b.config.BindingKey,
				NextHopAddress: b.config.NextHopAddress, NextHopPhase: int32(b.config.NextHopPhase),
				Matched: b.Matched.Load(),
			})
		}
	}
	slices.SortFunc(rows, func(a, b management.Binding) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Values(rows)
}
