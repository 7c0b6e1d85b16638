package topologies

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/config"
)

// Distribution returns how the messages to an address are distributed: as the best match among the addresses of the
// topology says, else balanced.
func (t *Topology) Distribution(address string) config.Distribution {
	var entries []addressing.Entry[config.Distribution]
	for _, a := range t.Addresses {
		pattern := a.Pattern
		if pattern == "" {
			var err error
			if pattern, err = addressing.PrefixPattern(a.Prefix); err != nil {
				continue // refused by Parse
			}
		}
		entries = append(entries, addressing.Entry[config.Distribution]{Pattern: pattern, Value: a.Distribution})
	}
	if tree, err := addressing.NewTree(entries); err == nil {
		if d, ok := tree.Match(address); ok {
			return d
		}
	}
	return config.DistributionBalanced
}
