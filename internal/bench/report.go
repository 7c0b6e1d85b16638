package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// WriteText prints a result for people: figures first, then the picture.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	r.writeCosts(&b)
	r.writeDelivery(&b)
	line(&b, "latency", "p50 %s · p90 %s · p99 %s · p99.9 %s · max %s", formatTime(r.Latency.P50),
		formatTime(r.Latency.P90), formatTime(r.Latency.P99), formatTime(r.Latency.P999), formatTime(r.Latency.Max))
	if l := r.Lateness; l != nil && l.Count > 0 {
		line(&b, "", "not counted: the generator's own timer, late by p50 %s · p99 %s · max %s", formatTime(l.P50),
			formatTime(l.P99), formatTime(l.Max))
	}
	b.WriteByte('\n')
	writeBars(&b, r.Latency.Bars)
	writeSeries(&b, r.Series)
	_, err := io.WriteString(w, b.String())
	return err
}

// line writes one line of the figures.
func line(b *strings.Builder, name, format string, args ...any) {
	fmt.Fprintf(b, "%-10s ", name)
	fmt.Fprintf(b, format, args...)
	b.WriteByte('\n')
}

// writeHead says what was measured.
func (r *Result) writeHead(b *strings.Builder) {
	t := r.Route
	from, to := t.Ingress, t.Egress
	if t.IngressName != "" {
		from += " (" + t.IngressName + ")"
	}
	if t.EgressName != "" {
		to += " (" + t.EgressName + ")"
	}
	if to == from {
		line(b, "route", "through %s, address %s", from, t.Address)
	} else {
		line(b, "route", "%s → %s, address %s", from, to, t.Address)
	}
	settlement, pace, secured := "unsettled", "full speed", "no TLS"
	if t.Settled {
		settlement = "pre-settled"
	}
	if t.Multicast {
		settlement += " multicast"
	}
	if t.Rate > 0 {
		pace = fmt.Sprintf("paced %s/s", formatCount(uint64(t.Rate)))
	}
	if t.TLS {
		secured = "TLS"
	}
	line(b, "load", "%d → %d, %s %s, %s, credit %d, frames ≤ %s, %s", t.Senders, t.Receivers,
		formatSize(float64(t.Size)), settlement, pace, t.Credit, formatSize(float64(t.FrameSize)), secured)
	note := ""
	if r.Interrupted {
		note = " (interrupted)"
	}
	line(b, "counted", "%s messages in %.2f s after %.1f s of warm-up%s", formatCount(r.Messages), r.Elapsed.Seconds(),
		t.WarmupTime.Seconds(), note)
	b.WriteByte('\n')
	line(b, "rate", "%s messages/s, %s/s", formatCount(uint64(r.Rate)), formatSize(r.Throughput))
}

// writeCosts says what it took.
func (r *Result) writeCosts(b *strings.Builder) {
	if c := r.Router; c != nil {
		line(b, "router", "%s CPU s per million messages (%.2f cores)", formatFigure(c.PerMillion), c.Cores)
		line(b, "", "resident %s before, %s after, %s peak", formatSize(float64(c.MemoryBefore)),
			formatSize(float64(c.MemoryAfter)), formatSize(float64(c.MemoryPeak)))
	}
	line(b, "generator", "%s CPU s per million messages (%.2f cores)", formatFigure(r.Generator.PerMillion),
		r.Generator.Cores)
	if i := r.Idle; i != nil {
		line(b, "idle", "%d connections with %d links opened in %.2f s", i.Connections, i.Links, i.Opening.Seconds())
		if r.Router != nil {
			line(b, "", "router: %.2f CPU s for opening, %s per connection, %s per link; %s kept after close",
				i.CPU.Seconds(), formatSize(float64(i.PerConn)), formatSize(float64(i.PerLink)),
				formatSize(float64(i.Kept)))
		}
	}
}

// writeDelivery accounts for the messages.
func (r *Result) writeDelivery(b *strings.Builder) {
	d := r.Delivery
	line(b, "messages", "%s sent, %s received, %s lost, %s duplicated", formatCount(d.Sent), formatCount(d.Received),
		formatCount(d.Lost), formatCount(d.Duplicated))
	for _, odd := range []struct {
		n    uint64
		what string
	}{
		{d.Aborted, "deliveries were aborted on the way"},
		{d.Corrupt, "messages did not arrive as they were sent"},
		{d.OutcomesTwice, "outcomes came for deliveries that had one"},
		{d.WithoutOutcome, "deliveries got no outcome"},
	} {
		if odd.n > 0 {
			line(b, "", "%s %s", formatCount(odd.n), odd.what)
		}
	}
	if len(d.Outcomes) == 0 {
		return
	}
	var parts []string
	for _, name := range outcomeNames {
		if n, ok := d.Outcomes[name]; ok {
			parts = append(parts, fmt.Sprintf("%s %s", name, formatCount(n)))
		}
	}
	line(b, "outcomes", "%s", strings.Join(parts, ", "))
}

const pictureWidth = 60

// writeBars draws the latency histogram, a bar per power of two.
func writeBars(b *strings.Builder, bars []Bar) {
	var most, total uint64
	for _, bar := range bars {
		most = max(most, bar.Count)
		total += bar.Count
	}
	for _, bar := range bars {
		share := float64(bar.Count) / float64(total)
		fmt.Fprintf(b, "%10s ▏%s %s\n", "≤ "+formatTime(bar.UpTo+1),
			drawBar(float64(bar.Count)/float64(most)*pictureWidth, bar.Count > 0), formatShare(share))
	}
}

// drawBar draws a bar of so many columns, to an eighth of a column.
func drawBar(width float64, some bool) string {
	eighths := int(math.Round(width * 8))
	if some {
		eighths = max(eighths, 1)
	}
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}

// writeSeries draws the throughput over time.
func writeSeries(b *strings.Builder, s Series) {
	rates := s.Rates
	if len(rates) < 2 {
		return
	}
	per := (len(rates) + pictureWidth - 1) / pictureWidth
	var points []float64
	for chunk := range slices.Chunk(rates, per) {
		var sum float64
		for _, r := range chunk {
			sum += r
		}
		points = append(points, sum/float64(len(chunk)))
	}
	top := max(slices.Max(points), 1)
	levels := []rune("▁▂▃▄▅▆▇█")
	b.WriteString("\nthroughput ")
	for _, p := range points {
		b.WriteRune(levels[min(int(p/top*float64(len(levels))), len(levels)-1)])
	}
	fmt.Fprintf(b, " %s to %s/s over %.1f s\n", formatCount(uint64(slices.Min(points))), formatCount(uint64(top)),
		(time.Duration(len(rates)) * s.Interval).Seconds())
}

// formatCount groups digits by thousands.
func formatCount(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// formatFigure prints a figure with three significant digits and no exponent.
func formatFigure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// formatSize prints octets in binary units; below 1 KiB exactly.
func formatSize(v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if v < 1024 {
		return fmt.Sprintf("%s%.0f B", sign, v)
	}
	for _, unit := range []string{"KiB", "MiB"} {
		if v /= 1024; v < 1024 {
			return sign + strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + unit
		}
	}
	return fmt.Sprintf("%s%.2f GiB", sign, v/1024)
}

// formatTime prints a duration with three significant digits in the unit that fits.
func formatTime(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return formatShort(float64(d)/1e3) + " µs"
	case d < time.Second:
		return formatShort(float64(d)/1e6) + " ms"
	}
	return formatShort(d.Seconds()) + " s"
}

func formatShort(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// formatShare prints a share in percent.
func formatShare(v float64) string {
	if v > 0 && v < 0.0005 {
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", v*100)
}
