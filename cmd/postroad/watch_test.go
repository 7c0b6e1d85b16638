package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"
)

func TestAWatchWritesWhatHasChanged(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	v := &watchLines{out: &out, err: &err}
	for i, w := range []watched{
		{text: "a 1s\n", key: "a"}, {text: "a 2s\n", key: "a"}, {text: "b 3s\n", key: "b"}, {err: errors.New("gone")},
		{err: errors.New("gone")}, {text: "b 6s\n", key: "b"}, {text: "b 7s\n", key: "b"},
	} {
		v.show(w, time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC))
	}
	want := "03:04:00\na 1s\n\n03:04:02\nb 3s\n\n03:04:05\nb 6s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := err.String(); got != "postroad: gone\n" {
		t.Errorf("errors %q", got)
	}
}

func TestAWatchForProgramsWritesNothingElse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := &watchLines{out: &out, err: &out, plain: true}
	for _, text := range []string{"{1}\n", "{1}\n", "{2}\n"} {
		v.show(watched{text: text, key: text}, time.Now())
	}
	if got := out.String(); got != "{1}\n{2}\n" {
		t.Errorf("it wrote %q", got)
	}
}

func TestAWatchOnATerminalKeepsTheLastPictureAndTellsTheProblem(t *testing.T) {
	t.Parallel()
	ended := false
	var m tea.Model = watchModel{title: "postroad topology", cancel: func() { ended = true }, width: 80, height: 24}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, msg := range []tea.Msg{
		tea.WindowSizeMsg{Width: 40, Height: 7}, watchUpdate{watched{text: "one\ntwo\nthree\nfour\nfive\n"}, at},
		watchUpdate{watched{err: errors.New("connection refused")}, at.Add(time.Second)},
	} {
		m, _ = m.Update(msg)
	}
	got := m.(watchModel).screen()
	for _, want := range []string{"postroad topology", "03:04:05", "one\ntwo\n", "more lines", "connection refused"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n > 7 {
		t.Errorf("%d lines in 7", n)
	}
	m.Update(tea.KeyPressMsg{Code: 'q', Text: "q"})
	if !ended {
		t.Error("it goes on after q")
	}
}

// TestTopologyIsWatchedUntilItIsInterrupted: the picture is there, and the end is no failure.
func TestTopologyIsWatchedUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	url := startTestRouter(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelling{cancel: cancel}
	status := execute(ctx, []string{"topology", "--watch", "--interval", "10ms", "--url", url},
		streams{in: strings.NewReader(""), out: out, err: out})
	if lines := strings.Split(out.written.String(), "\n"); status != exitOK || len(lines) != 3 || lines[1] != "solo (standalone)" {
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
		if got.status == exitOK || !strings.Contains(got.err, strings.TrimSuffix(want, " there")) {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
