package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress shows one line on a terminal that is written anew a few times a second. It shows nothing when the stream is
// no terminal. A nil progress is one that shows nothing.
type Progress struct {
	w      io.Writer
	render func() string
	quit   chan struct{}
	done   sync.WaitGroup
}

// StartProgress begins to show what render returns; render must be safe to call from another goroutine.
func StartProgress(w io.Writer, render func() string) *Progress {
	if !Is(w) {
		return nil
	}
	p := &Progress{w: w, render: render, quit: make(chan struct{})}
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

// Stop erases the line.
func (p *Progress) Stop() {
	if p != nil {
		close(p.quit)
		p.done.Wait()
	}
}
