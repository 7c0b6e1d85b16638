package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Is reports whether a stream is a terminal.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Screen draws a model on a terminal, on a page of its own, until it is stopped.
type Screen struct {
	program *tea.Program
	done    sync.WaitGroup
}

// StartScreen begins to draw.
func StartScreen(model tea.Model, in, out *os.File) *Screen {
	s := &Screen{program: tea.NewProgram(model, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())}
	s.done.Go(func() {
		if _, err := s.program.Run(); err != nil {
			fmt.Fprintf(out, "the picture is broken: %v\n", err)
		}
	})
	return s
}

// Stop ends the drawing, and gives the terminal back.
func (s *Screen) Stop() {
	s.program.Quit()
	s.done.Wait()
}

// The colors of what is wrong, and of what is not important.
var (
	ColorDead  = lipgloss.Color("#ff5f5f")
	ColorQuiet = lipgloss.Color("#808080")
)

// Of returns the terminal that a command is used at, false if its input or output is none.
func Of(cmd *cobra.Command) (in, out *os.File, ok bool) {
	in, okIn := cmd.InOrStdin().(*os.File)
	out, okOut := cmd.OutOrStdout().(*os.File)
	return in, out, okIn && okOut && Is(in) && Is(out)
}

// IsEndKey reports whether a key ends what is shown on a screen.
func IsEndKey(key tea.KeyPressMsg) bool {
	switch key.String() {
	case "q", "esc", "ctrl+c":
		return true
	}
	return false
}
