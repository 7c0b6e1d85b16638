package bench

import "time"

// Result is what a run measured. Durations are in nanoseconds in JSON.
type Result struct {
	Route       Route         `json:"route"`
	Interrupted bool          `json:"interrupted,omitempty"` // the run was ended early; what is here was measured
	Elapsed     time.Duration `json:"elapsedNanoseconds"`    // of the counted part
	Messages    uint64        `json:"messages"`              // received in that time
	Rate        float64       `json:"messagesPerSecond"`
	Throughput  float64       `json:"octetsPerSecond"` // of bodies
	Router      *RouterCost   `json:"router,omitempty"`
	Generator   CPUCost       `json:"generator"`
	Latency     Latency       `json:"latency"`
	Lateness    *Latency      `json:"timerLateness,omitempty"` // of the generator's own timer, when paced
	Delivery    Delivery      `json:"delivery"`
	Series      Series        `json:"series"`
	Idle        *IdleCost     `json:"idle,omitempty"`
}

// Route says what was measured, in words for the reader of a result.
type Route struct {
	Ingress     string        `json:"ingress"`
	Egress      string        `json:"egress"`
	IngressName string        `json:"ingressContainer"` // container-id of the router
	EgressName  string        `json:"egressContainer"`
	Address     string        `json:"address"`
	Senders     int           `json:"senders"`
	Receivers   int           `json:"receivers"`
	Multicast   bool          `json:"multicast,omitempty"`
	Size        int           `json:"size"`
	Settled     bool          `json:"settled"`
	Credit      uint32        `json:"credit"`
	FrameSize   uint32        `json:"frameSize"` // the smaller of ours and the router's
	TLS         bool          `json:"tls,omitempty"`
	Rate        float64       `json:"pacedMessagesPerSecond,omitempty"`
	WarmupTime  time.Duration `json:"warmupNanoseconds"`
}

// CPUCost is the CPU time of processes during the counted part, to a hundredth of a second.
type CPUCost struct {
	CPU        time.Duration `json:"cpuNanoseconds"`
	PerMillion float64       `json:"cpuSecondsPerMillionMessages"`
	Cores      float64       `json:"cores"` // busy on average
}

// RouterCost is what the routers' processes used.
type RouterCost struct {
	PIDs []int `json:"pids"`
	CPUCost
	MemoryBefore uint64 `json:"memoryBeforeOctets"` // resident set before anything was connected
	MemoryAfter  uint64 `json:"memoryAfterOctets"`  // at the end of the counted part
	MemoryPeak   uint64 `json:"memoryPeakOctets"`   // largest seen, ten samples a second
}

// Latency sums up a histogram.
type Latency struct {
	Count uint64        `json:"count"`
	Mean  time.Duration `json:"meanNanoseconds"`
	P50   time.Duration `json:"p50Nanoseconds"`
	P90   time.Duration `json:"p90Nanoseconds"`
	P99   time.Duration `json:"p99Nanoseconds"`
	P999  time.Duration `json:"p999Nanoseconds"`
	Max   time.Duration `json:"maxNanoseconds"`
	Bars  []Bar         `json:"bars,omitempty"`
}

// summary sums a histogram up.
func (h *Histogram) summary() Latency {
	return Latency{
		Count: h.Total(), Mean: h.Mean(), P50: h.Quantile(0.5), P90: h.Quantile(0.9), P99: h.Quantile(0.99),
		P999: h.Quantile(0.999), Max: h.Max(), Bars: h.Bars(),
	}
}

// Delivery accounts for every message of the whole run, warm-up included.
type Delivery struct {
	Sent           uint64            `json:"sent"`
	Received       uint64            `json:"received"`
	Outcomes       map[string]uint64 `json:"outcomes,omitempty"`   // of unsettled deliveries, as the senders saw them
	WithoutOutcome uint64            `json:"withoutOutcome"`       // unsettled deliveries nothing was heard of
	Lost           uint64            `json:"lost"`                 // accepted, or sent settled, and not received
	Duplicated     uint64            `json:"duplicated"`           // received more than once
	Aborted        uint64            `json:"aborted"`              // deliveries that were aborted on the way
	Corrupt        uint64            `json:"corrupt"`              // not as they were sent
	OutcomesTwice  uint64            `json:"outcomesMoreThanOnce"` // outcomes for deliveries that had one
}

// Exact reports whether every message arrived exactly once and, unsettled, was accepted. Messages sent settled may be
// lost: nobody has promised anything about them.
func (d Delivery) Exact() bool {
	for name, n := range d.Outcomes {
		if n > 0 && name != outcomeNames[outcomeAccepted] {
			return false
		}
	}
	if d.Outcomes != nil && d.Lost > 0 {
		return false
	}
	return d.WithoutOutcome+d.Duplicated+d.Aborted+d.Corrupt+d.OutcomesTwice == 0
}

// Series is the throughput over time.
type Series struct {
	Interval time.Duration `json:"intervalNanoseconds"`
	Rates    []float64     `json:"messagesPerSecond"`
}

// longestSeries bounds the points of a series; a longer run gets coarser points.
const longestSeries = 960

// add appends the rate of one interval.
func (s *Series) add(rate float64) {
	s.Rates = append(s.Rates, rate)
	if len(s.Rates) < longestSeries {
		return
	}
	for i := range longestSeries / 2 {
		s.Rates[i] = (s.Rates[2*i] + s.Rates[2*i+1]) / 2
	}
	s.Rates = s.Rates[:longestSeries/2]
	s.Interval *= 2
}
