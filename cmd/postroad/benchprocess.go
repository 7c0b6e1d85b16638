package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/postroad/postroad/internal/bench"
)

// routerProcesses are router processes that were started to be measured.
type routerProcesses []*routerProcess

// routerProcess is one of them.
type routerProcess struct {
	cmd    *exec.Cmd
	log    logTail
	exited chan struct{} // closed after the process has ended
	state  string        // how it ended; valid once exited is closed
}

// logTail keeps the last few kilobytes of what a process printed.
type logTail struct {
	mu   sync.Mutex
	tail []byte
}

const longestTail = 4 << 10

// Write appends to the tail.
func (l *logTail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, b...)
	if extra := len(l.tail) - longestTail; extra > 0 {
		l.tail = append(l.tail[:0], l.tail[extra:]...)
	}
	return len(b), nil
}

// String returns the tail.
func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.tail))
}

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

// startProcess starts one process in a group of its own. Its standard output goes to out, or to the log.
func startProcess(argv []string, out io.Writer) (*routerProcess, error) {
	p := &routerProcess{cmd: exec.Command(argv[0], argv[1:]...), exited: make(chan struct{})}
	p.cmd.Stderr = &p.log
	p.cmd.Stdout = &p.log
	if out != nil {
		p.cmd.Stdout = out
	}
	p.cmd.SysProcAttr = childAttributes()
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", strings.Join(argv, " "), err)
	}
	go func() {
		p.cmd.Wait()
		p.state = p.cmd.ProcessState.String()
		close(p.exited)
	}()
	return p, nil
}

// startRouters starts processes and waits until both ends of the route can be reached.
func startRouters(ctx context.Context, commands [][]string, ends ...bench.Endpoint) (routerProcesses, error) {
	for _, e := range ends {
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", e.Address); err == nil {
			conn.Close()
			return nil, fmt.Errorf("something listens on %s already; it would be measured instead of the router to be started",
				e.Address)
		}
	}
	var all routerProcesses
	for _, argv := range commands {
		p, err := startProcess(argv, nil)
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
func (all routerProcesses) awaitListener(ctx context.Context, address string) error {
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
			select {
			case <-p.exited:
				return all.explain(fmt.Errorf("no router to measure"))
			default:
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
func (all routerProcesses) explain(err error) error {
	for _, p := range all {
		select {
		case <-p.exited:
			err = fmt.Errorf("%w\n%s ended (%s):\n%s", err, strings.Join(p.cmd.Args, " "), p.state,
				orDefault(p.log.String(), "it printed nothing"))
		default:
		}
	}
	return err
}

// pids returns the processes and their descendants, so that a wrapper script does not hide the router.
func (all routerProcesses) pids() []int {
	var pids []int
	for _, p := range all {
		pids = append(pids, p.cmd.Process.Pid)
	}
	parents := parentsOfProcesses()
	for i := 0; i < len(pids); i++ {
		for child, parent := range parents {
			if parent == pids[i] {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// parentsOfProcesses maps every process of this machine to its parent.
func parentsOfProcesses() map[int]int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		line := string(b)
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) < 2 || err1 != nil {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			parents[pid] = parent
		}
	}
	return parents
}

// stopLimit bounds how long a router may take to end.
const stopLimit = 5 * time.Second

// stop ends all processes: politely first.
func (all routerProcesses) stop() {
	for _, p := range all {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	for _, p := range all {
		select {
		case <-p.exited:
		case <-limit.C:
			limit.Reset(0)
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.exited
		}
	}
}

// startRelay starts a relay of this program in a process of its own and returns the address it listens on.
func startRelay(ctx context.Context, frameSize uint32) (routerProcesses, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer read.Close()
	p, err := startProcess([]string{self, "bench", "relay", "--serve", "127.0.0.1:0", "--frame-size",
		fmt.Sprint(frameSize)}, write)
	write.Close()
	if err != nil {
		return nil, "", err
	}
	all := routerProcesses{p}
	read.SetReadDeadline(time.Now().Add(startLimit))
	address, err := bufio.NewReader(read).ReadString('\n')
	if err != nil || ctx.Err() != nil {
		all.stop()
		return nil, "", all.explain(errors.Join(errors.New("the relay did not start"), ctx.Err()))
	}
	return all, strings.TrimSpace(address), nil
}
