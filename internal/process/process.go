package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// ErrEnded says that a process has ended that was waited for.
var ErrEnded = errors.New("ended at its start")

// Options say how a process is started.
type Options struct {
	Command     []string // the program and its arguments
	Dir         string   // to work in; the current one unless given
	Environment []string // added to that of this process
	Stdin       *os.File // nil for none
	Stdout      io.Writer
	Ready       string // part of a line that the process logs once it is ready
	// Orphaned is the signal that the process gets when this one ends: SIGTERM unless given.
	Orphaned syscall.Signal
	// In calls start where the process is to be started, on a thread in another namespace for example; nil for here.
	In func(start func() error) error
}

// Process is one run of a program.
type Process struct {
	cmd   *exec.Cmd
	log   *log
	ended chan struct{} // closed after the process has ended
}

// Start starts a process. What it prints goes to its log; its standard output goes elsewhere if the options say so.
func Start(o Options) (*Process, error) {
	p := &Process{cmd: exec.Command(o.Command[0], o.Command[1:]...), log: newLog(o.Ready), ended: make(chan struct{})}
	p.cmd.Dir = o.Dir
	p.cmd.Env = append(os.Environ(), o.Environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if o.Stdin != nil {
		p.cmd.Stdin = o.Stdin
	}
	if o.Stdout != nil {
		p.cmd.Stdout = o.Stdout
	}
	if o.Orphaned == 0 {
		o.Orphaned = syscall.SIGTERM
	}
	p.cmd.SysProcAttr = childAttributes(o.Orphaned)
	p.cmd.WaitDelay = time.Second
	start := p.cmd.Start
	if o.In != nil {
		start = func() error { return o.In(p.cmd.Start) }
	}
	if err := start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// String returns the command line.
func (p *Process) String() string { return strings.Join(p.cmd.Args, " ") }

// ID returns the number of the process.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Log returns the end of what the process has printed: so many octets at most, of the last 64 KiB.
func (p *Process) Log(octets int) string { return p.log.end(min(octets, logKept)) }

// Printed returns how many octets the process has printed to its log so far.
func (p *Process) Printed() int64 { return p.log.written() }

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// State says how the process has ended, "" while it runs.
func (p *Process) State() string {
	if p.Running() {
		return ""
	}
	return p.cmd.ProcessState.String()
}

// AwaitReady waits until the process has logged that it is ready. The error wraps [ErrEnded] if it has ended before.
func (p *Process) AwaitReady(ctx context.Context) error {
	select {
	case <-p.log.seen:
		return nil
	case <-p.ended:
		return fmt.Errorf("%w: %s", ErrEnded, p.State())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Signal sends a signal to the process and to what it has started.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return fmt.Errorf("had ended before: %s", p.State())
	}
	return p.toGroup(s)
}

// toGroup sends a signal to what there is of the process and of what it has started, even if that has outlived it.
func (p *Process) toGroup(s syscall.Signal) error { return syscall.Kill(-p.ID(), s) }

// Kill ends the process as kill -9 does and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// AwaitEnd waits until the process has ended, kills it after the limit, and says how it ended if that was not with exit
// status 0 in time.
func (p *Process) AwaitEnd(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("did not end within %v", limit)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("ended with %s", p.State())
	}
	return nil
}

// Suspend stops the process with SIGSTOP and waits until it stands still.
func (p *Process) Suspend() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		switch _, err := syscall.Wait4(p.ID(), &status, syscall.WUNTRACED, nil); {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case !status.Stopped():
			return errors.New("ended instead of standing still")
		default:
			return nil
		}
	}
}

// Resume lets a suspended process go on.
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }

// Stop ends processes with SIGTERM, all at once, and kills what has not ended within the limit.
func Stop(limit time.Duration, all ...*Process) {
	for _, p := range all {
		p.toGroup(syscall.SIGTERM)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, p := range all {
		select {
		case <-p.ended:
		case <-timer.C:
			timer.Reset(0)
			p.Kill()
		}
	}
}
