package bench

import (
	"strings"
	"testing"
	"time"
)

func TestReportShowsFiguresAndPicture(t *testing.T) {
	t.Parallel()
	var h Histogram
	for i := range 1000 {
		h.Record(time.Duration(50+i)*time.Microsecond, 1)
	}
	r := Result{
		Route: Route{Ingress: "a:1", Egress: "b:2", IngressName: "london", Address: "orders", Senders: 2, Receivers: 3,
			Size: 100, Credit: 250, FrameSize: 16384, Rate: 10_000},
		Elapsed: time.Second, Messages: 1_234_567, Rate: 1_234_567, Throughput: 123_456_700,
		Router:  &RouterCost{CPUCost: CPUCost{PerMillion: 7.604, Cores: 1.2}, MemoryBefore: 12 << 20},
		Latency: h.summary(),
		Delivery: Delivery{Sent: 5, Received: 4, Lost: 1, WithoutOutcome: 2,
			Outcomes: map[string]uint64{"accepted": 1, "released": 2}},
		Series: Series{Interval: 100 * time.Millisecond, Rates: []float64{100, 200, 50}},
		Idle:   &IdleCost{Connections: 10, Links: 20, Memory: 1 << 20, PerConn: 104857},
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a:1 (london) → b:2, address orders", "2 → 3, 100 B unsettled, paced 10,000/s, credit 250, frames ≤ 16 KiB, no TLS",
		"1,234,567 messages in 1.00 s", "1,234,567 messages/s, 117.7 MiB/s", "7.60 CPU s per million messages (1.20 cores)",
		"1 lost", "2 deliveries got no outcome", "accepted 1, released 2", "12 MiB before", "10 connections with 20 links",
		"102.4 KiB per connection", "≤ 1.05 ms ▏█", "throughput ▅█▃ 50 to 200/s over 0.3 s",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
	if r.Delivery.Exact() {
		t.Error("a result with released messages is called exact")
	}
}

func TestSeriesStaysShort(t *testing.T) {
	t.Parallel()
	s := Series{Interval: sampleInterval}
	for range 10 * longestSeries {
		s.add(7)
	}
	if len(s.Rates) >= longestSeries || s.Interval < 8*sampleInterval {
		t.Errorf("%d points of %v", len(s.Rates), s.Interval)
	}
	for _, r := range s.Rates {
		if r != 7 {
			t.Fatalf("the mean of sevens is %g", r)
		}
	}
}
