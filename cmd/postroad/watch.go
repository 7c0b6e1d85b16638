package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"
)

// screen draws a model on a terminal, on a page of its own, until it is stopped.
type screen struct {
	program *tea.Program
	done    sync.WaitGroup
}

// startScreen begins to draw.
func startScreen(model tea.Model, in, out *os.File) *screen {
	s := &screen{program: tea.NewProgram(model, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())}
	s.done.Go(func() {
		if _, err := s.program.Run(); err != nil {
			fmt.Fprintf(out, "the picture is broken: %v\n", err)
		}
	})
	return s
}

func (s *screen) stop() {
	s.program.Quit()
	s.done.Wait()
}

// terminalOf returns the terminal that a command is used at, false if its input or output is none.
func terminalOf(cmd *cobra.Command) (in, out *os.File, ok bool) {
	in, okIn := cmd.InOrStdin().(*os.File)
	out, okOut := cmd.OutOrStdout().(*os.File)
	return in, out, okIn && okOut && isTerminal(in) && isTerminal(out)
}

// isEndKey tells whether a key ends what is shown on a screen.
func isEndKey(key tea.KeyPressMsg) bool {
	switch key.String() {
	case "q", "esc", "ctrl+c":
		return true
	}
	return false
}

// watched is what a watch shows at a moment.
type watched struct {
	text string // ends with a newline
	// key is what tells a change: text may also have what changes all the time, such as ages.
	key string
	err error // why there is nothing to show
}

// watchView shows what a watch finds.
type watchView interface {
	show(w watched, now time.Time)
	stop()
}

// watch shows what look returns, again and again until ctx ends, which is no error: on a terminal in place, else each time
// it has changed.
func watch(cmd *cobra.Command, title string, interval time.Duration, look func(context.Context) watched) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	var view watchView = &watchLines{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), plain: wantJSON(cmd)}
	if in, out, ok := terminalOf(cmd); ok && !wantJSON(cmd) {
		view = &watchScreen{startScreen(watchModel{title: title, cancel: cancel, width: 80, height: 24}, in, out)}
	}
	defer view.stop()
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
	last     watched
	shown    bool
}

func (v *watchLines) show(w watched, now time.Time) {
	switch {
	case w.err != nil:
		if v.last.err == nil || v.last.err.Error() != w.err.Error() {
			fmt.Fprintf(v.err, "postroad: %v\n", w.err)
		}
	case v.shown && v.last.err == nil && w.key == v.last.key:
		return
	default:
		if !v.plain {
			if v.shown {
				fmt.Fprintln(v.out)
			}
			fmt.Fprintf(v.out, "%s\n", now.Format(time.TimeOnly))
		}
		io.WriteString(v.out, w.text)
		v.shown = true
	}
	v.last = w
}

func (v *watchLines) stop() {}

// watchScreen shows the last one on a terminal.
type watchScreen struct{ *screen }

// watchUpdate is what a watchScreen is given.
type watchUpdate struct {
	watched
	at time.Time
}

func (v *watchScreen) show(w watched, now time.Time) { v.program.Send(watchUpdate{w, now}) }

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
		if m.err = msg.err; m.err == nil {
			m.text, m.at = msg.text, msg.at
		}
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if isEndKey(msg) {
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
	quiet := lipgloss.NewStyle().Foreground(colorQuiet)
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
		problem = []string{"", lipgloss.NewStyle().Foreground(colorDead).Render(m.err.Error())}
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
