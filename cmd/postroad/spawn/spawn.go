package spawn

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/postroad/postroad/internal/process"
)

// Processes are those of this program or of other routers that were started to be measured or shown.
type Processes []*process.Process

// LogShown is how much of what a process printed is shown when it has ended, in octets.
const LogShown = 4 << 10

// Commands returns the command lines that run a router of this program for each configuration file.
func Commands(files []string) ([][]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	commands := make([][]string, len(files))
	for i, file := range files {
		if _, err := os.Stat(file); err != nil {
			return nil, err
		}
		commands[i] = []string{self, "run", "-c", file}
	}
	return commands, nil
}

// Start starts processes and waits until something listens on the addresses.
func Start(ctx context.Context, commands [][]string, addresses ...string) (Processes, error) {
	for _, address := range addresses {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address); err == nil {
			conn.Close()
			return nil, fmt.Errorf("something listens on %s already; it would be measured instead of the router to be started",
				address)
		}
	}
	var all Processes
	for _, argv := range commands {
		p, err := process.Start(process.Options{Command: argv})
		if err != nil {
			all.Stop()
			return nil, err
		}
		all = append(all, p)
	}
	for _, address := range addresses {
		if err := all.awaitListener(ctx, address); err != nil {
			all.Stop()
			return nil, err
		}
	}
	return all, nil
}

// StartLimit bounds how long a router may take until it listens.
const StartLimit = 10 * time.Second

// awaitListener waits until a connection is accepted.
func (all Processes) awaitListener(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, StartLimit, fmt.Errorf("nothing listens on %s after %v; does the "+
		"configuration have a listener there?", address, StartLimit))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		for _, p := range all {
			if !p.Running() {
				return all.Explain(fmt.Errorf("no router to measure"))
			}
		}
		select {
		case <-ctx.Done():
			return all.Explain(context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Explain adds to an error what processes said that have ended meanwhile.
func (all Processes) Explain(err error) error {
	for _, p := range all {
		if !p.Running() {
			err = fmt.Errorf("%w\n%s ended (%s):\n%s", err, p, p.State(), cmp.Or(p.Log(LogShown), "it printed nothing"))
		}
	}
	return err
}

// IDs returns the processes and their descendants.
func (all Processes) IDs() []int { return process.Family(all...) }

// stopLimit bounds how long a router may take to end.
const stopLimit = 5 * time.Second

// Stop ends all processes: politely first.
func (all Processes) Stop() { process.Stop(stopLimit, all...) }
