package addressing

import (
	"fmt"
	"strings"
)

// Distribution says how messages sent to an address are spread over its consumers. Its numbers are the hints that
// routers send each other with the addresses they announce.
type Distribution uint8

// The distributions.
const (
	DistributionFlood        Distribution = 0 // over every link; for the routers' own control messages
	DistributionMulticast    Distribution = 1 // one copy to every consumer
	DistributionClosest      Distribution = 2 // one consumer, the nearest by cost
	DistributionBalanced     Distribution = 3 // one consumer, the one with the least outstanding
	DistributionLinkBalanced Distribution = 4 // link routes: links are spread over containers
	DistributionUnavailable  Distribution = 5 // none: the address must not be used
)

// distributionNames are the names in configuration and management, by number.
var distributionNames = [...]string{"flood", "multicast", "closest", "balanced", "linkBalanced", "unavailable"}

// String returns the name in configuration and management.
func (d Distribution) String() string {
	if int(d) < len(distributionNames) {
		return distributionNames[d]
	}
	return fmt.Sprintf("distribution(%d)", uint8(d))
}

// ParseDistribution returns the distribution that a configuration may name for an address: closest, balanced,
// multicast or unavailable. Any other name is an error that lists them.
func ParseDistribution(name string) (Distribution, error) {
	switch strings.ToLower(name) {
	case "multicast":
		return DistributionMulticast, nil
	case "closest":
		return DistributionClosest, nil
	case "balanced":
		return DistributionBalanced, nil
	case "unavailable":
		return DistributionUnavailable, nil
	}
	return 0, fmt.Errorf("unknown distribution %q: must be closest, balanced, multicast or unavailable", name)
}

// DistributionFromHint returns the distribution that another router announced by number, and false for a number that
// has no meaning.
func DistributionFromHint(hint int64) (Distribution, bool) {
	if hint < 0 || hint >= int64(len(distributionNames)) {
		return 0, false
	}
	return Distribution(hint), true
}

// MarshalText returns the name, so that a distribution appears by name in YAML and JSON.
func (d Distribution) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts what ParseDistribution accepts.
func (d *Distribution) UnmarshalText(text []byte) error {
	v, err := ParseDistribution(string(text))
	if err == nil {
		*d = v
	}
	return err
}
