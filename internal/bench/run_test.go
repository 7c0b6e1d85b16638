package bench

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// startRelay runs a relay on loopback for one test and returns its address.
func startRelay(t *testing.T, frameSize uint32) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		NewRelay(frameSize).Serve(ln)
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

// testConfig is a short run against a container at the given address.
func testConfig(address string) Config {
	e := Endpoint{Address: address, Mechanism: SASLAnonymous}
	return Config{
		Ingress: e, Egress: e, Address: "orders", Senders: 1, Receivers: 1, Size: 100, Credit: 250,
		FrameSize: 4096, Messages: 2000, Stall: 10 * time.Second,
	}
}

func mustRun(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Delivery; !d.Exact() || d.Sent != d.Received || d.Sent < c.Messages {
		t.Errorf("not every message arrived exactly once: %+v", d)
	}
	if r.Latency.Count == 0 || r.Latency.Max <= 0 {
		t.Errorf("no latencies were recorded: %+v", r.Latency)
	}
	return r
}

func TestRunCountsEveryMessageOnce(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"unsettled":                  func(*Config) {},
		"pre-settled":                func(c *Config) { c.Settled = true },
		"without SASL":               func(c *Config) { c.Ingress.Mechanism, c.Egress.Mechanism = NoSASL, NoSASL },
		"SASL PLAIN":                 func(c *Config) { c.Ingress.Mechanism, c.Ingress.User = SASLPlain, "u" },
		"credit of one":              func(c *Config) { c.Credit, c.Messages = 1, 200 },
		"bodies of many frames":      func(c *Config) { c.Size, c.Messages = 100_000, 50 },
		"frames of 512 octets":       func(c *Config) { c.FrameSize, c.Size, c.Messages = 512, 5000, 200 },
		"the smallest body":          func(c *Config) { c.Size = MinSize },
		"three pairs":                func(c *Config) { c.Senders, c.Receivers = 3, 3 },
		"pairs on own addresses":     func(c *Config) { c.Senders, c.Receivers, c.Distinct = 2, 2, true },
		"paced":                      func(c *Config) { c.Rate, c.Messages = 20_000, 1000 },
		"paced, slower than asked":   func(c *Config) { c.Rate, c.Messages, c.Size = 1e7, 500, 4000 },
		"idle connections and links": func(c *Config) { c.IdleConnections, c.IdleAddresses = 5, 150 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(startRelay(t, 4096))
			change(&c)
			r := mustRun(t, c)
			if !c.Settled && r.Delivery.Outcomes["accepted"] != r.Delivery.Sent {
				t.Errorf("%d of %d were accepted", r.Delivery.Outcomes["accepted"], r.Delivery.Sent)
			}
		})
	}
}

// A paced run reports how late the generator's own timer was. Its rate is not asserted: after a pause of the machine the
// messages that were due meanwhile follow at once.
func TestRunReportsTheTimerOfAPacedGenerator(t *testing.T) {
	t.Parallel()
	c := testConfig(startRelay(t, 4096))
	c.Rate, c.Messages = 5000, 500
	r := mustRun(t, c)
	if r.Lateness == nil || r.Lateness.Count == 0 {
		t.Errorf("no lateness of the timer in %+v", r)
	}
}

func TestRunWithoutReceiverCreditSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	c := testConfig(startRelay(t, 4096))
	c.Stall = 100 * time.Millisecond
	c.Egress.Address = startRelay(t, 4096) // not the router the sender is on
	_, err := Run(context.Background(), c)
	if err == nil {
		t.Fatal("a run that cannot send must fail")
	}
	for _, want := range []string{"the first message", "no credit", "sender 0: 0 sent", "credit 0", "receiver 0: 0 received"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q:\n%v", want, err)
		}
	}
}

func TestRunAgainstASilentPeerEndsInTime(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := testConfig(ln.Addr().String())
	c.Stall = 50 * time.Millisecond
	if _, err = Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "did not answer within 50ms") {
		t.Errorf("error is %v", err)
	}
}

func TestRunInterruptedReportsWhatWasCounted(t *testing.T) {
	t.Parallel()
	c := testConfig(startRelay(t, 4096))
	c.Messages, c.Duration = 0, time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	c.Progress = func(p Progress) {
		if p.Phase == "measuring" {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Messages == 0 || !r.Delivery.Exact() {
		t.Errorf("interrupted %v, %d messages, %+v", r.Interrupted, r.Messages, r.Delivery)
	}
}

func TestRunRefusesASenselessConfiguration(t *testing.T) {
	t.Parallel()
	_, err := Run(context.Background(), Config{Size: 3, Rate: -1, IdleConnections: -1})
	for _, want := range []string{"no address", "0 senders", "0 receivers", "body of 3", "credit 0", "frames of 0",
		"rate -1", "neither duration", "stall", "-1 idle"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q:\n%v", want, err)
		}
	}
}

func TestRunAgainstNobodySaysSo(t *testing.T) {
	t.Parallel()
	c := testConfig("127.0.0.1:0")
	c.Ingress.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
	c.Egress.Dial = c.Ingress.Dial
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("error is %v", err)
	}
}

func TestRunInterruptedBeforeItBeginsSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, testConfig(startRelay(t, 4096)))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted before") {
		t.Errorf("the error is %v", err)
	}
}
