package lab

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/postroad/postroad/internal/process"
)

// The patience with a router.
const (
	startLimit = 30 * time.Second // until it is ready
	stopLimit  = 40 * time.Second // from SIGTERM to its end: routers wait for outcomes
)

// How much of the end of a router's log is shown, in octets.
const (
	Brief = 4 << 10
	Long  = 64 << 10
)

// ErrEnded says that a router has ended at its start: somebody else may have taken its port.
var ErrEnded = process.ErrEnded

// Spec says how a router is started, and how it is reached.
type Spec struct {
	ID            string
	Program       Program
	Configuration string   // text of the file
	Environment   []string // added to that of this process
	Ports         []int    // of this machine, on which it listens once it is ready
	Clients       int      // port of the listener for clients: its management is asked there
	// In calls start where the process is to be started, in a network namespace for example; nil for here.
	In func(start func() error) error
	// Dial connects to an address as the router sees it; nil for here.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Keep says that the connection to the router's management is kept from one question to the next.
	Keep bool
}

// Router is one run of a router.
type Router struct {
	Spec
	process *process.Process
	asker   *asker

	mu        sync.Mutex
	told      bool // to end, or it was killed
	suspended bool
}

// Launch starts a router whose configuration file and work are in a folder. It does not wait for anything.
func Launch(dir string, s Spec) (*Router, error) {
	file := filepath.Join(dir, s.ID+s.Program.Suffix)
	if err := os.WriteFile(file, []byte(s.Configuration), 0o644); err != nil {
		return nil, err
	}
	words := s.Program.Words
	p, err := process.Start(process.Options{Command: append(words[:len(words):len(words)], file), Dir: dir,
		Environment: s.Environment, Ready: operational, Orphaned: syscall.SIGKILL, In: s.In})
	if err != nil {
		return nil, fmt.Errorf("router %s: %w", s.ID, err)
	}
	r := &Router{Spec: s, process: p}
	r.asker = r.newAsker()
	return r, nil
}

// AwaitReady waits until the router has said that it is operational, and then until it listens: Interconnect listens
// later.
func (r *Router) AwaitReady() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), startLimit,
		fmt.Errorf("no %q within %v", operational, startLimit))
	defer cancel()
	err := r.process.AwaitReady(ctx)
	for i := 0; err == nil && i < len(r.Ports); i++ {
		err = r.awaitListener(r.Ports[i])
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", r.explain(err), r.Configuration)
	}
	return nil
}

// awaitListener waits until a connection to a port is accepted.
func (r *Router) awaitListener(port int) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	var ended error
	err := Poll(ctx, 10*time.Millisecond, func() error {
		conn, err := r.dial(ctx, port)
		switch {
		case err == nil:
			conn.Close()
		case !r.process.Running():
			ended = fmt.Errorf("%w: %s", ErrEnded, r.process.State())
			return nil
		}
		return err
	})
	return cmp.Or(ended, err)
}

// dial connects to a port of the router's host.
func (r *Router) dial(ctx context.Context, port int) (net.Conn, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if r.Dial != nil {
		return r.Dial(ctx, address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// URL returns where clients connect to.
func (r *Router) URL() string { return URL(r.Clients) }

// URL returns the URL of a port of this machine.
func URL(port int) string { return fmt.Sprintf("amqp://127.0.0.1:%d", port) }

// Log returns the end of what the router has logged, so many octets at most.
func (r *Router) Log(octets int) string { return r.process.Log(octets) }

// Logged returns how many octets the router has logged so far.
func (r *Router) Logged() int64 { return r.process.Printed() }

// explain says which router an error is of, and what the router has logged last.
func (r *Router) explain(err error) error {
	return fmt.Errorf("router %s: %w\n%s", r.ID, err, r.process.Log(Brief))
}

// Usage returns what the router's processes are measured by.
func (r *Router) Usage() process.IDs { return process.Family(r.process) }

// tell notes that the router's end is wanted.
func (r *Router) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = true
}

// isTold reports whether the router's end is wanted.
func (r *Router) isTold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// Up reports whether the router runs, does not stand still, and has not been told to end.
func (r *Router) Up() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.told && !r.suspended && r.process.Running()
}

// Death returns an error if the router has ended by itself.
func (r *Router) Death() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told || r.process.Running() {
		return nil
	}
	return r.explain(fmt.Errorf("ended by itself: %s", r.process.State()))
}

// Kill ends the router as kill -9 does and waits for its end. It reports one that had ended by itself.
func (r *Router) Kill() error {
	err := r.Death()
	r.tell()
	r.asker.forget()
	r.process.Kill()
	return err
}

// Terminate asks the router to end, as an operator does, and does not wait for it.
func (r *Router) Terminate() error {
	if err := r.process.Signal(syscall.SIGTERM); err != nil {
		return r.explain(err)
	}
	r.tell()
	return nil
}

// AwaitEnd waits until a router that was asked to has ended, and reports another exit status than 0.
func (r *Router) AwaitEnd() error { return r.AwaitEndWithin(stopLimit) }

// AwaitEndWithin is AwaitEnd with a limit of the caller's, after which the router is killed.
func (r *Router) AwaitEndWithin(limit time.Duration) error {
	r.asker.forget()
	if err := r.process.AwaitEnd(limit); err != nil {
		return r.explain(err)
	}
	return nil
}

// Stop ends the router as an operator does. It reports one that had ended by itself, did not end in time, or had another
// exit status than 0.
func (r *Router) Stop() error {
	if err := r.Terminate(); err != nil {
		return err
	}
	return r.AwaitEnd()
}

// Suspend stops the router's process with SIGSTOP and waits until it stands still. It is silent then, and keeps its
// connections.
func (r *Router) Suspend() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.process.Suspend(); err != nil {
		return r.explain(err)
	}
	r.suspended = true
	return nil
}

// Resume lets a suspended router go on.
func (r *Router) Resume() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspended = false
	return r.process.Resume()
}
