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

// demoView shows a demo while it runs.
type demoView interface {
	stop() // returns once nothing more is written
}

// startDemoView begins to show a demo: a picture if both standard output and input are a terminal and text is asked
// for, else a line every second on standard error. The picture can be left with q or Ctrl-C, which cancels the demo.
func startDemoView(cmd *cobra.Command, d *demo, cancel context.CancelFunc) demoView {
	if in, out, ok := terminalOf(cmd); ok && !wantJSON(cmd) {
		return startDemoScreen(d, in, out, cancel)
	}
	return startDemoLines(d, cmd.ErrOrStderr())
}

// demoLines shows a demo as lines of text.
type demoLines struct {
	quit chan struct{}
	done sync.WaitGroup
}

// startDemoLines begins to write lines: one for each phase, one a second while messages are exchanged.
func startDemoLines(d *demo, w io.Writer) *demoLines {
	v := &demoLines{quit: make(chan struct{})}
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

func (v *demoLines) stop() {
	close(v.quit)
	v.done.Wait()
}

// line describes a moment on one line.
func (s *demoSnapshot) line() string {
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
		"modified %d", s.elapsed.Seconds(), alive, countOf(uint64(len(s.routers)), "router"), s.total.Sent, sending, s.total.Accepted,
		s.total.Received, receiving, s.total.Released, s.total.Modified)
}

// startDemoScreen begins to draw.
func startDemoScreen(d *demo, in, out *os.File, cancel context.CancelFunc) *screen {
	return startScreen(demoModel{demo: d, cancel: cancel, meter: &rateMeter{}, width: 80, height: 24}, in, out)
}

// demoModel is the bubbletea model of the picture.
type demoModel struct {
	demo          *demo
	cancel        context.CancelFunc
	meter         *rateMeter
	shown         demoSnapshot
	now           time.Time
	width, height int
}

// demoTick makes the picture move.
type demoTick time.Time

const demoFrame = 100 * time.Millisecond

func nextFrame() tea.Cmd {
	return tea.Tick(demoFrame, func(now time.Time) tea.Msg { return demoTick(now) })
}

// Init starts the clock.
func (m demoModel) Init() tea.Cmd { return nextFrame() }

// Update handles one event.
func (m demoModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case demoTick:
		m.now = time.Time(msg)
		m.shown = m.demo.snapshot(m.now, m.meter)
		return m, nextFrame()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if isEndKey(msg) {
			m.cancel()
		}
	}
	return m, nil
}

// View draws the picture.
func (m demoModel) View() tea.View {
	view := tea.NewView(m.shown.screen(m.demo.topology.Name, m.width, m.height, m.now))
	view.AltScreen = true
	view.WindowTitle = "postroad demo"
	return view
}

// screen draws everything: title, mesh, clients, totals.
func (s *demoSnapshot) screen(name string, width, height int, now time.Time) string {
	quiet := lipgloss.NewStyle().Foreground(colorQuiet)
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
func (s *demoSnapshot) table(quiet lipgloss.Style) []string {
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
			outcome = lipgloss.NewStyle().Foreground(colorDead).Render(c.problem.Error())
		}
		lines = append(lines, fmt.Sprintf("%-16s %-10s ", c.name, c.router)+
			lipgloss.NewStyle().Foreground(colors[c.address]).Render(fmt.Sprintf("%-16s", arrow+c.address))+
			fmt.Sprintf(" %9d %6.0f/s  ", count, c.rate)+outcome)
	}
	return lines
}

// totals draws the last lines.
func (s *demoSnapshot) totals(quiet lipgloss.Style) []string {
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
