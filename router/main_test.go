package router

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/postroad/postroad/internal/amqp/buf"
)

// TestMain runs the tests and then looks for what they left behind: after every router was stopped, no goroutine of
// this process runs and no read buffer is held.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = leaks()
	}
	os.Exit(code)
}

// leaks waits for goroutines and buffers to go, and says which did not.
func leaks() int {
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left after every router was stopped:", err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := poll(ctx, func() error {
		if n := buf.Outstanding(); n != 0 {
			return fmt.Errorf("%d read buffers are held after every router was stopped", n)
		}
		return nil
	}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
