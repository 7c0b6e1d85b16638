package show

import (
	"cmp"
	"iter"
	"slices"

	"github.com/postroad/postroad/internal/management"
)

// Exchanges implements [management.Source].
func (v *View) Exchanges() iter.Seq[management.Exchange] {
	k := v.Control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	rows := make([]management.Exchange, 0, len(k.Exchanges))
	for _, x := range k.Exchanges {
		rows = append(rows, management.Exchange{
			ID: x.Number, Name: x.Config.Name, Address: x.Config.Address, Phase: int32(x.Config.Phase),
			AlternateAddress: x.Config.AlternateAddress, AlternatePhase: int32(x.Config.AlternatePhase),
			MatchMethod: x.Method.String(), BindingCount: uint32(len(x.Bindings)),
			Received: x.Received.Load(), Dropped: x.Dropped.Load(), Forwarded: x.Forwarded.Load(),
			Diverted: x.Diverted.Load(),
		})
	}
	return slices.Values(rows)
}

// Bindings implements [management.Source].
func (v *View) Bindings() iter.Seq[management.Binding] {
	k := v.Control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	var rows []management.Binding
	for _, x := range k.Exchanges {
		for _, b := range x.Bindings {
			rows = append(rows, management.Binding{
				ID: b.Number, Name: b.Config.Name, ExchangeName: x.Config.Name, BindingKey: b.Config.BindingKey,
				NextHopAddress: b.Config.NextHopAddress, NextHopPhase: int32(b.Config.NextHopPhase),
				Matched: b.Matched.Load(),
			})
		}
	}
	slices.SortFunc(rows, func(a, b management.Binding) int { return cmp.Compare(a.ID, b.ID) })
	return slices.Values(rows)
}
