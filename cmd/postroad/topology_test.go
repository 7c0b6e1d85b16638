package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/postroad/postroad/cmd/postroad/command"
)

// TestTopologyIsWatchedUntilItIsInterrupted: the picture is there, and the end is no failure.
func TestTopologyIsWatchedUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	url := startTestRouter(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelling{cancel: cancel}
	status := execute(ctx, []string{"topology", "--watch", "--interval", "10ms", "--url", url},
		command.Streams{In: strings.NewReader(""), Out: out, Err: out})
	lines := strings.Split(out.written.String(), "\n")
	if status != command.OK || len(lines) != 3 || lines[1] != "solo (standalone)" {
		t.Errorf("status %d, %q", status, out.written.String())
	}
}

// cancelling keeps what is written, and cancels once there is a whole picture.
type cancelling struct {
	written bytes.Buffer
	cancel  context.CancelFunc
}

func (c *cancelling) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "solo") {
		defer c.cancel()
	}
	return c.written.Write(b)
}

func TestSenselessFlagsOfAWatchAreRefused(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--interval has no effect without --watch":             {"--interval", "2s"},
		"--watch draws text, or writes json, and no svg":       {"--watch", "-o", "svg"},
		"--interval 0s leaves no time between two pictures":    {"--watch", "--interval", "0s"},
		"connection refused by 127.0.0.1:1; is a router there": {"--watch", "--url", "127.0.0.1:1"},
	} {
		got := commandLine(t.Context(), "", append([]string{"topology"}, args...)...)
		if got.status == command.OK || !strings.Contains(got.err, strings.TrimSuffix(want, " there")) {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
