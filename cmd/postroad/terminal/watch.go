package terminal

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/output"
)

// Watched is what a watch shows at a moment.
type Watched struct {
	Text string // ends with a newline
	// Key is what tells a change: text may also have what changes all the time, such as ages.
	Key string
	Err error // why there is nothing to show
}

// watchView shows what a watch finds.
type watchView interface {
	show(w Watched, now time.Time)
	Stop()
}

// Watch shows what look returns, again and again until ctx ends, which is no error: on a terminal in place, else each
// time it has changed.
func Watch(cmd *cobra.Command, title string, interval time.Duration, look func(context.Context) Watched) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	var view watchView = &watchLines{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), plain: output.WantJSON(cmd)}
	if in, out, ok := Of(cmd); ok && !output.WantJSON(cmd) {
		view = &watchScreen{StartScreen(watchModel{title: title, cancel: cancel, width: 80, height: 24}, in, out)}
	}
	defer view.Stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		w := look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		view.show(w, time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// watchLines writes what has changed, one below the other.
type watchLines struct {
	out, err io.Writer
	plain    bool // nothing but the texts
	last     Watched
	shown    bool
}

func (v *watchLines) show(w Watched, now time.Time) {
	switch {
	case w.Err != nil:
		if v.last.Err == nil || v.last.Err.Error() != w.Err.Error() {
			fmt.Fprintf(v.err, "postroad: %v\n", w.Err)
		}
	case v.shown && v.last.Err == nil && w.Key == v.last.Key:
		return
	default:
		if !v.plain {
			if v.shown {
				fmt.Fprintln(v.out)
			}
			fmt.Fprintf(v.out, "%s\n", now.Format(time.TimeOnly))
		}
		io.WriteString(v.out, w.Text)
		v.shown = true
	}
	v.last = w
}

// Stop does nothing.
func (v *watchLines) Stop() {}

// watchScreen shows the last one on a terminal.
type watchScreen struct{ *Screen }

// watchUpdate is what a watchScreen is given.
type watchUpdate struct {
	Watched
	at time.Time
}

func (v *watchScreen) show(w Watched, now time.Time) { v.program.Send(watchUpdate{w, now}) }

// watchModel is the bubbletea model of a watch.
type watchModel struct {
	title         string
	cancel        context.CancelFunc
	text          string // the last one there was
	at            time.Time
	err           error
	width, height int
}

// Init does nothing.
func (m watchModel) Init() tea.Cmd { return nil }

// Update handles one event.
func (m watchModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case watchUpdate:
		if m.err = msg.Err; m.err == nil {
			m.text, m.at = msg.Text, msg.at
		}
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if IsEndKey(msg) {
			m.cancel()
		}
	}
	return m, nil
}

// View draws the screen.
func (m watchModel) View() tea.View {
	view := tea.NewView(m.screen())
	view.AltScreen = true
	view.WindowTitle = m.title
	return view
}

// screen draws a title, the text as far as there is room, and a problem if there is one.
func (m watchModel) screen() string {
	quiet := lipgloss.NewStyle().Foreground(ColorQuiet)
	title := lipgloss.NewStyle().Bold(true).Render(m.title)
	if !m.at.IsZero() {
		title += quiet.Render("  " + m.at.Format(time.TimeOnly) + "  q to end")
	}
	lines := []string{title, ""}
	if m.text != "" {
		lines = append(lines, strings.Split(strings.TrimRight(m.text, "\n"), "\n")...)
	}
	room := m.height
	var problem []string
	if m.err != nil {
		problem = []string{"", lipgloss.NewStyle().Foreground(ColorDead).Render(m.err.Error())}
		room -= len(problem)
	}
	if n := len(lines); n > room && room > 0 {
		lines = append(lines[:room-1], quiet.Render(fmt.Sprintf("… %d more lines", n-room+1)))
	}
	lines = append(lines, problem...)
	for i, l := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(m.width).Render(l)
	}
	return strings.Join(lines, "\n")
}
