package bench

import (
	"errors"
	"fmt"
	"time"
)

// Config says what to measure and how.
type Config struct {
	Ingress Endpoint // where senders connect
	Egress  Endpoint // where receivers connect; may be another router
	Address string   // AMQP address of the messages

	Senders   int  // connections with one sending link each
	Receivers int  // connections with one receiving link each
	Distinct  bool // sender i and receiver i use ADDRESS.i, so that each sender has receivers of its own
	Multicast bool // every receiver gets every message

	Size      int    // octets of body, at least [MinSize]
	Settled   bool   // send pre-settled
	Credit    uint32 // window of each receiver, in messages
	FrameSize uint32 // max-frame-size offered, and never exceeded

	Offer       uint64  // messages that each sender has to send; 0 as many as are taken
	ReceiveRate float64 // messages per second that each receiver takes at most, as a slow one would; 0 all there are

	Rate     float64       // messages per second of all senders together, paced by the clock; 0 as fast as possible
	Warmup   time.Duration // from the first message received until counting begins
	Duration time.Duration // how long to count, unless Messages is reached before; 0 no limit
	Messages uint64        // how many messages to count at least; 0 no limit
	Stall    time.Duration // longest time without any progress before the run fails

	IdleConnections int // connections that are open beside the traffic
	IdleAddresses   int // receiving links on addresses of their own, spread over the idle connections

	PIDs []int // processes of the routers; CPU and memory are measured

	Progress func(Progress) // called about ten times a second while messages flow; may be nil
}

// Progress is a glimpse of a run under way.
type Progress struct {
	Phase    string        // "warm-up", "measuring", "draining"
	Elapsed  time.Duration // since the first message
	Received uint64        // messages since the first one
	Rate     float64       // messages per second since the last call
}

// Defaults of a configuration.
const (
	DefaultCredit    = 250
	DefaultFrameSize = 64 << 10
	DefaultStall     = 10 * time.Second
)

// Limits of a configuration, which keep the generator within its memory.
const (
	maxSenders   = 1 << 10
	maxReceivers = 1 << 10
	maxIdle      = 1 << 17
	maxBody      = 1 << 30
	maxFrameSize = 16 << 20
)

// Validate reports everything that is wrong with a configuration.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Address != "", "no address to send to")
	check(c.Senders >= 1 && c.Senders <= maxSenders, "%d senders; it must be 1 to %d", c.Senders, maxSenders)
	check(c.Receivers >= 1 && c.Receivers <= maxReceivers, "%d receivers; it must be 1 to %d", c.Receivers,
		maxReceivers)
	check(!c.Distinct || c.Receivers >= c.Senders, "%d receivers are too few for %d senders with addresses of their own",
		c.Receivers, c.Senders)
	check(c.Size >= MinSize && c.Size <= maxBody, "a body of %d octets; it must be %d (time stamp and sequence number) "+
		"to %d", c.Size, MinSize, maxBody)
	check(c.Credit >= 1 && c.Credit <= 1<<20, "credit %d; it must be 1 to %d", c.Credit, 1<<20)
	check(c.FrameSize >= 512 && c.FrameSize <= maxFrameSize, "frames of %d octets; it must be 512 to %d", c.FrameSize,
		maxFrameSize)
	check(c.Rate >= 0, "rate %g; it must be positive, or 0 for full speed", c.Rate)
	check(c.Rate == 0 || time.Duration(float64(time.Second)/c.Rate) < c.Stall, "rate %g: the time between two messages "+
		"is longer than the stall time-out %v", c.Rate, c.Stall)
	check(c.ReceiveRate >= 0, "receivers that take %g messages per second; it must be positive, or 0 for all",
		c.ReceiveRate)
	check(c.Warmup >= 0, "warm-up of %v is negative", c.Warmup)
	check(c.Duration > 0 || c.Messages > 0, "neither duration nor number of messages is limited")
	check(c.Stall > 0, "stall time-out %v; it must be positive", c.Stall)
	check(c.IdleConnections >= 0 && c.IdleConnections <= maxIdle, "%d idle connections; it must be 0 to %d",
		c.IdleConnections, maxIdle)
	check(c.IdleAddresses >= 0 && c.IdleAddresses <= maxIdle, "%d idle addresses; it must be 0 to %d", c.IdleAddresses,
		maxIdle)
	return errors.Join(errs...)
}

// senderAddress returns the address sender i sends to.
func (c *Config) senderAddress(i int) string {
	if c.Distinct {
		return fmt.Sprintf("%s.%d", c.Address, i)
	}
	return c.Address
}

// receiverAddress returns the address receiver i consumes from.
func (c *Config) receiverAddress(i int) string { return c.senderAddress(i % c.Senders) }

// copies returns how many receivers get each message of sender i.
func (c *Config) copies(i int) uint64 {
	if !c.Multicast {
		return 1
	}
	if !c.Distinct {
		return uint64(c.Receivers)
	}
	return uint64((c.Receivers - i + c.Senders - 1) / c.Senders)
}
