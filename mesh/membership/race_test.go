package membership

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// named returns endpoints with these names.
func named(hosts ...string) (all []Endpoint) {
	for _, h := range hosts {
		all = append(all, Endpoint{Transport: "quic", Host: h, Port: 1})
	}
	return all
}

// TestAnEndpointThatSwallowsEverythingDoesNotHoldUpTheNext: the first one that answers is taken, and what the others
// make later is dropped.
func TestAnEndpointThatSwallowsEverythingDoesNotHoldUpTheNext(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hosts string // what each of them does: swallow, refuse, slow (400 ms), answer
		want  string
		after time.Duration
		tried string
		drops string
	}{
		{"answer swallow", "0answer", 0, "0answer", ""},
		{"swallow answer", "1answer", headStart, "0swallow 1answer", ""},
		{"refuse refuse answer", "2answer", 0, "0refuse 1refuse 2answer", ""},
		{"slow answer", "1answer", headStart, "0slow 1answer", "0slow"},
		{"swallow slow", "1slow", headStart + 400*time.Millisecond, "0swallow 1slow", ""},
		{"refuse swallow refuse", "", 10 * time.Second, "0refuse 1swallow 2refuse", ""},
		{"", "", 0, "", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var hosts, tried, drops []string
			for i, what := range strings.Fields(tt.hosts) {
				hosts = append(hosts, string(rune('0'+i))+what)
			}
			order := make(chan string, 10)
			got, err := DialFirst(ctx, named(hosts...), func(ctx context.Context, e Endpoint) (string, error) {
				order <- e.Host
				switch e.Host[1:] {
				case "refuse":
					return "", errors.New("refused")
				case "slow": // and does not hear that it is not needed any more
					time.Sleep(400 * time.Millisecond)
				case "swallow":
					<-ctx.Done()
					return "", ctx.Err()
				}
				return e.Host, nil
			}, func(made string) { drops = append(drops, made) })
			close(order)
			for host := range order {
				tried = append(tried, host)
			}
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%q: reached %q, %v", tt.hosts, got, err)
			}
			if d := time.Since(began); tt.drops == "" && d != tt.after {
				t.Errorf("%q: it took %v, want %v", tt.hosts, d, tt.after)
			}
			if !slices.Equal(tried, strings.Fields(tt.tried)) || !slices.Equal(drops, strings.Fields(tt.drops)) {
				t.Errorf("%q: tried %v and dropped %v", tt.hosts, tried, drops)
			}
		})
	}
}
