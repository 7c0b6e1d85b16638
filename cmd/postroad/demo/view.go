package demo

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

	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/terminal"
)

// view shows a demo while it runs.
type view interface {
	Stop() // returns once nothing more is written
}

// startView begins to show a demo: a picture if both standard output and input are a terminal and text is asked
// for, else a line every second on standard error. The picture can be left with q or Ctrl-C, which cancels the demo.
func startView(cmd *cobra.Command, d *demo, cancel context.CancelFunc) view {
	if in, out, ok := terminal.Of(cmd); ok && !output.WantJSON(cmd) {
		return startScreen(d, in, out, cancel)
	}
	return startLines(d, cmd.ErrOrStderr())
}

// lineView shows a demo as lines of text.
type lineView struct {
	quit chan struct{}
	done sync.WaitGroup
}

// startLines begins to write lines: one for each phase, one a second while messages are exchanged.
func startLines(d *demo, w io.Writer) *lineView {
	v := &lineView{quit: make(chan struct{})}
	v.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		meter := &rateMeter{}
		var last string
		var next time.Duration
		for {
			select {
			case <-v.quit:
				return
			case now := <-tick.C:
				s := d.snapshot(now, meter)
				if s.phase != last && s.phase != "" {
					fmt.Fprintf(w, "%s\n", s.phase)
				}
				if last = s.phase; s.phase == "" && s.elapsed >= next {
					fmt.Fprintln(w, s.line())
					next = s.elapsed.Truncate(time.Second) + time.Second
				}
			}
		}
	})
	return v
}

// Stop ends the lines.
func (v *lineView) Stop() {
	close(v.quit)
	v.done.Wait()
}

// line describes a moment on one line.
func (s *snapshot) line() string {
	var sending, receiving float64
	for _, c := range s.clients {
		if c.sends {
			sending += c.rate
		} else {
			receiving += c.rate
		}
	}
	alive := 0
	for _, r := range s.routers {
		if r.alive {
			alive++
		}
	}
	return fmt.Sprintf("%3.0fs  %d of %s up, sent %d (%.0f/s), accepted %d, received %d (%.0f/s), released %d, "+
		"modified %d", s.elapsed.Seconds(), alive, output.Count(uint64(len(s.routers)), "router"),
		s.total.Sent, sending, s.total.Accepted,
		s.total.Received, receiving, s.total.Released, s.total.Modified)
}

// startScreen begins to draw.
func startScreen(d *demo, in, out *os.File, cancel context.CancelFunc) *terminal.Screen {
	return terminal.StartScreen(model{demo: d, cancel: cancel, meter: &rateMeter{}, width: 80, height: 24}, in, out)
}

// model is the bubbletea model of the picture.
type model struct {
	demo          *demo
	cancel        context.CancelFunc
	meter         *rateMeter
	shown         snapshot
	now           time.Time
	width, height int
}

// tick makes the picture move.
type tick time.Time

const frame = 100 * time.Millisecond

func nextFrame() tea.Cmd {
	return tea.Tick(frame, func(now time.Time) tea.Msg { return tick(now) })
}

// Init starts the clock.
func (m model) Init() tea.Cmd { return nextFrame() }

// Update handles one event.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		m.now = time.Time(msg)
		m.shown = m.demo.snapshot(m.now, m.meter)
		return m, nextFrame()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if terminal.IsEndKey(msg) {
			m.cancel()
		}
	}
	return m, nil
}

// View draws the picture.
func (m model) View() tea.View {
	view := tea.NewView(m.shown.screen(m.demo.topology.Name, m.width, m.height, m.now))
	view.AltScreen = true
	view.WindowTitle = "postroad demo"
	return view
}

// screen draws everything: title, mesh, clients, totals.
func (s *snapshot) screen(name string, width, height int, now time.Time) string {
	quiet := lipgloss.NewStyle().Foreground(terminal.ColorQuiet)
	title := lipgloss.NewStyle().Bold(true).Render("postroad demo") + quiet.Render(
		fmt.Sprintf("  %s  %s  q to end", name, s.elapsed.Truncate(time.Second)))
	if s.phase != "" {
		title += "  " + s.phase + " …"
	}
	lines := []string{title, ""}
	table := s.table(quiet)
	if room := height - len(table) - 6; len(s.routers) > 0 && room >= 7 {
		mesh := drawMesh(s, min(width, 100), min(room, 18), now)
		lines = append(lines, strings.Split(strings.TrimRight(mesh.String(), "\n"), "\n")...)
	}
	lines = append(lines, "")
	lines = append(lines, table...)
	lines = append(append(lines, ""), s.totals(quiet)...)
	for i, l := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(width).Render(l)
	}
	return strings.Join(lines[:min(len(lines), height)], "\n")
}

// table draws one line for each client.
func (s *snapshot) table(quiet lipgloss.Style) []string {
	if len(s.clients) == 0 {
		return nil
	}
	lines := []string{quiet.Render(fmt.Sprintf("%-16s %-10s %-16s %9s %8s  %s", "client", "router", "address", "messages",
		"rate", "outcome"))}
	colors := addressColors(s.clients)
	for _, c := range s.clients {
		count, arrow := c.total.Received, "← "
		outcome := ""
		if c.sends {
			count, arrow = c.total.Sent, "→ "
			outcome = fmt.Sprintf("%d accepted", c.total.Accepted)
			if c.settled {
				outcome = "settled"
			}
			for _, o := range []struct {
				n    uint64
				name string
			}{{c.total.Released, "released"}, {c.total.Modified, "modified"}, {c.total.Rejected, "rejected"}} {
				if o.n > 0 {
					outcome += fmt.Sprintf(", %d %s", o.n, o.name)
				}
			}
		}
		if c.problem != nil {
			outcome = lipgloss.NewStyle().Foreground(terminal.ColorDead).Render(c.problem.Error())
		}
		lines = append(lines, fmt.Sprintf("%-16s %-10s ", c.name, c.router)+
			lipgloss.NewStyle().Foreground(colors[c.address]).Render(fmt.Sprintf("%-16s", arrow+c.address))+
			fmt.Sprintf(" %9d %6.0f/s  ", count, c.rate)+outcome)
	}
	return lines
}

// totals draws the last lines.
func (s *snapshot) totals(quiet lipgloss.Style) []string {
	urls := make([]string, len(s.routers))
	for i, r := range s.routers {
		urls[i] = fmt.Sprintf("%s %s (process %d)", r.id, r.url, r.pid)
	}
	t := s.total
	return []string{
		fmt.Sprintf("sent %d   accepted %d   received %d   released %d   modified %d", t.Sent, t.Accepted, t.Received,
			t.Released, t.Modified),
		quiet.Render(strings.Join(urls, "   ")),
	}
}
