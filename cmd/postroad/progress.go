package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows one line on a terminal that is written anew a few times a second. It shows nothing when the stream is
// no terminal. A nil progress is one that shows nothing.
type progress struct {
	w      io.Writer
	render func() string
	quit   chan struct{}
	done   sync.WaitGroup
}

// startProgress begins to show what render returns; render must be safe to call from another goroutine.
func startProgress(w io.Writer, render func() string) *progress {
	if !isTerminal(w) {
		return nil
	}
	p := &progress{w: w, render: render, quit: make(chan struct{})}
	p.done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.quit:
				fmt.Fprint(w, eraseLine)
				return
			case <-tick.C:
				fmt.Fprint(w, eraseLine, render())
			}
		}
	})
	return p
}

// eraseLine goes back to the begin of the line and erases it.
const eraseLine = "\r\x1b[K"

// stop erases the line.
func (p *progress) stop() {
	if p != nil {
		close(p.quit)
		p.done.Wait()
	}
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
