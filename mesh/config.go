package mesh

import (
	"fmt"
	"time"
)

// Config says who a Node is and how fast its clocks run. Zero durations and numbers mean the default.
type Config struct {
	// ID is the router id, unique in the mesh: 1 to 255 octets without '/' and control characters.
	ID string
	// Instance tells this life of the router from earlier ones: the Unix time of its start in seconds. Others forget what
	// they know of the router when it changes, so two starts in the same second want different numbers.
	Instance int64

	HelloInterval time.Duration // between two HELLOs on a link; 1 s
	HelloMaxAge   time.Duration // a neighbor not heard for longer is lost; 3 s
	// FastHelloInterval is the distance between two HELLOs to a neighbor of our kind, which is lost when three in a row do
	// not come, if nothing else comes either: 100 ms. Not below 10 ms, and never above HelloInterval.
	FastHelloInterval time.Duration
	RAInterval        time.Duration // between two RAs while nothing changes; 30 s
	RAIntervalFlux    time.Duration // between two RAs for a while after the topology has changed; 4 s
	LSMaxAge          time.Duration // a link state not confirmed by an RA for longer is forgotten; 60 s

	MaxRouters   int // how many other routers may be known; 4,096
	MaxAddresses int // how many addresses one router may announce; 262,144
	MaxMessage   int // how long a control message may be, in octets; 64 MiB

	// Received returns when octets came last from the neighbor on a link, whatever they were; zero if that is not known.
	// It is asked before a neighbor is declared lost for its silence. It may be nil.
	Received func(LinkID) time.Time

	// Clock tells the time while paths are computed, so that Counters know how long that takes; nil for not at all.
	Clock func() time.Time

	// Plain makes all messages exactly as Interconnect does: RAs without the link state, so that others have to ask for
	// it, no other keys than Interconnect's, and HELLOs at HelloInterval only.
	Plain bool
	// Sequence is the number of the first link state, and of the first announcement of addresses; 1. Tests begin near the
	// highest number.
	Sequence int64
	// LogLevel is the lowest level for which EventLog is wanted. The zero value wants everything.
	LogLevel Level
}

func (c *Config) setDefaults() error {
	if err := checkID(c.ID); err != nil {
		return fmt.Errorf("router id: %w", err)
	}
	for _, d := range []struct {
		value   *time.Duration
		name    string
		initial time.Duration
	}{
		{&c.HelloInterval, "hello interval", time.Second},
		{&c.HelloMaxAge, "maximum age of a hello", 3 * time.Second},
		{&c.RAInterval, "RA interval", 30 * time.Second},
		{&c.RAIntervalFlux, "RA interval in flux", 4 * time.Second},
		{&c.LSMaxAge, "maximum age of a link state", 60 * time.Second},
		{&c.FastHelloInterval, "hello interval between Postroad routers", 100 * time.Millisecond},
	} {
		if *d.value == 0 {
			*d.value = d.initial
		}
		if *d.value < time.Millisecond {
			return fmt.Errorf("%s is %v: must be at least 1ms", d.name, *d.value)
		}
	}
	if c.HelloMaxAge <= c.HelloInterval {
		return fmt.Errorf("the maximum age of a hello, %v, must be longer than the hello interval, %v", c.HelloMaxAge,
			c.HelloInterval)
	}
	c.FastHelloInterval = min(max(c.FastHelloInterval, helloIntervalMin), c.HelloInterval)
	for _, m := range []struct {
		value   *int
		initial int
	}{{&c.MaxRouters, 4096}, {&c.MaxAddresses, 1 << 18}, {&c.MaxMessage, 64 << 20}} {
		if *m.value <= 0 {
			*m.value = m.initial
		}
	}
	return nil
}
