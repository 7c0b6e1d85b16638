package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// The patience with a process.
const (
	startLimit = 30 * time.Second // until it is operational
	stopLimit  = 40 * time.Second // from SIGTERM to its end: routers wait for outcomes
)

// process is one run of a router.
type process struct {
	cmd     *exec.Cmd
	log     *logWatcher
	ended   chan struct{} // closed when the process has ended
	killed  bool          // by the lab
	stopped bool          // stands still
}

// startProcess starts a program in a namespace. One goroutine waits for its end.
func startProcess(n *namespace, dir string, words []string, operational string) (*process, error) {
	p := &process{ended: make(chan struct{}), log: &logWatcher{wanted: []byte(operational), seen: make(chan struct{})}}
	p.cmd = exec.Command(words[0], words[1:]...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.do(p.cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// awaitReady waits until the router says that it is operational.
func (p *process) awaitReady() error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-p.log.seen:
		return nil
	case <-p.ended:
		return fmt.Errorf("ended at its start: %v", p.cmd.ProcessState)
	case <-limit.C:
		return fmt.Errorf("no %q within %v", p.log.wanted, startLimit)
	}
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as kill -9 does. It does not wait.
func (p *process) kill() error {
	p.killed = true
	return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
}

// suspend stops the process with SIGSTOP and waits until it stands still.
func (p *process) suspend() error {
	p.stopped = true
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var status syscall.WaitStatus
	for {
		switch _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); {
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

// resume lets a process go on that stands still.
func (p *process) resume() error {
	p.stopped = false
	return p.cmd.Process.Signal(syscall.SIGCONT)
}

// terminate ends the process as an operator does, waits for that, and says how it ended if that was not exit code 0 in
// time.
func (p *process) terminate() error {
	if !p.running() {
		return fmt.Errorf("had ended before: %v", p.cmd.ProcessState)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	select {
	case <-p.ended:
	case <-limit.C:
		p.kill()
		<-p.ended
		return fmt.Errorf("did not end within %v of SIGTERM", stopLimit)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("ended with %v", p.cmd.ProcessState)
	}
	return nil
}

// logKept is how much of the end of a router's log is kept, in octets.
const logKept = 64 << 10

// logWatcher is the output of a router: seen is closed when it has said what is waited for.
type logWatcher struct {
	mu     sync.Mutex
	wanted []byte
	seen   chan struct{}
	said   bool
	last   []byte
}

func (w *logWatcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = append(w.last, b...)
	if !w.said && bytes.Contains(w.last, w.wanted) {
		w.said = true
		close(w.seen)
	}
	if w.said && len(w.last) > 2*logKept {
		w.last = append(w.last[:0], w.last[len(w.last)-logKept:]...)
	}
	return len(b), nil
}

// tail returns the end of the log.
func (w *logWatcher) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.last[max(len(w.last)-logKept, 0):])
}
