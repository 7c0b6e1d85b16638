package terminal

import (
	"bytes"
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
	for i, w := range []Watched{
		{Text: "a 1s\n", Key: "a"}, {Text: "a 2s\n", Key: "a"}, {Text: "b 3s\n", Key: "b"}, {Err: errors.New("gone")},
		{Err: errors.New("gone")}, {Text: "b 6s\n", Key: "b"}, {Text: "b 7s\n", Key: "b"},
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
		v.show(Watched{Text: text, Key: text}, time.Now())
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
		tea.WindowSizeMsg{Width: 40, Height: 7}, watchUpdate{Watched{Text: "one\ntwo\nthree\nfour\nfive\n"}, at},
		watchUpdate{Watched{Err: errors.New("connection refused")}, at.Add(time.Second)},
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
