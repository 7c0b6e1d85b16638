package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/process"
)

// spawned are processes of this program or of other routers that were started to be measured or shown.
type spawned []*process.Process

// longestTail is how much of what a process printed is shown when it has ended, in octets.
const longestTail = 4 << 10

// runCommands returns the command lines that run a router of this program for each configuration file.
func runCommands(files []string) ([][]string, error) {
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

// startRouters starts processes and waits until both ends of the route can be reached.
func startRouters(ctx context.Context, commands [][]string, ends ...bench.Endpoint) (spawned, error) {
	for _, e := range ends {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", e.Address); err == nil {
			conn.Close()
			return nil, fmt.Errorf("something listens on %s already; it would be measured instead of the router to be started",
				e.Address)
		}
	}
	var all spawned
	for _, argv := range commands {
		p, err := process.Start(process.Options{Command: argv})
		if err != nil {
			all.stop()
			return nil, err
		}
		all = append(all, p)
	}
	for _, e := range ends {
		if err := all.awaitListener(ctx, e.Address); err != nil {
			all.stop()
			return nil, err
		}
	}
	return all, nil
}

// startLimit bounds how long a router may take until it listens.
const startLimit = 10 * time.Second

// awaitListener waits until a connection is accepted.
func (all spawned) awaitListener(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("nothing listens on %s after %v; does the "+
		"configuration have a listener there?", address, startLimit))
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
				return all.explain(fmt.Errorf("no router to measure"))
			}
		}
		select {
		case <-ctx.Done():
			return all.explain(context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// explain adds to an error what processes said that have ended meanwhile.
func (all spawned) explain(err error) error {
	for _, p := range all {
		if !p.Running() {
			err = fmt.Errorf("%w\n%s ended (%s):\n%s", err, p, p.State(), cmp.Or(p.Log(longestTail), "it printed nothing"))
		}
	}
	return err
}

// pids returns the processes and their descendants.
func (all spawned) pids() []int { return process.Family(all...) }

// stopLimit bounds how long a router may take to end.
const stopLimit = 5 * time.Second

// stop ends all processes: politely first.
func (all spawned) stop() { process.Stop(stopLimit, all...) }

// startRelay starts a relay of this program in a process of its own and returns the address it listens on.
func startRelay(ctx context.Context, frameSize uint32) (spawned, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer read.Close()
	p, err := process.Start(process.Options{Stdout: write, Command: []string{self, "bench", "relay", "--serve",
		"127.0.0.1:0", "--frame-size", fmt.Sprint(frameSize)}})
	write.Close()
	if err != nil {
		return nil, "", err
	}
	all := spawned{p}
	read.SetReadDeadline(time.Now().Add(startLimit))
	address, err := bufio.NewReader(read).ReadString('\n')
	if err != nil || ctx.Err() != nil {
		all.stop()
		return nil, "", all.explain(errors.Join(errors.New("the relay did not start"), ctx.Err()))
	}
	return all, strings.TrimSpace(address), nil
}
