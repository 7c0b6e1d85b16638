package contract

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// startLimit bounds a router's start, stopLimit its end after SIGTERM.
const (
	startLimit = 30 * time.Second
	stopLimit  = 15 * time.Second
)

// errEnded says that a router has ended at its start.
var errEnded = errors.New("ended at its start")

// process is one run of a router.
type process struct {
	cmd   *exec.Cmd
	log   *logWatcher
	ended chan struct{} // closed when the process has ended
}

// startProcess starts a router with a configuration file in dir and waits until it listens on its ports. One goroutine
// waits for the process's end.
func startProcess(s System, plan *Plan, dir, id, configuration string, ports ...int) (*process, error) {
	file := filepath.Join(dir, id+".conf")
	if _, own := s.(Postroad); own {
		file = filepath.Join(dir, id+".yaml")
	}
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		return nil, err
	}
	words, environment, err := s.Command(plan, file)
	if err != nil {
		return nil, err
	}
	p := &process{ended: make(chan struct{})}
	p.log = &logWatcher{wanted: []byte(s.Operational()), seen: make(chan struct{})}
	p.cmd = exec.Command(words[0], words[1:]...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start router %s: %w", id, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.waitReady(ports); err != nil {
		p.kill()
		return nil, fmt.Errorf("router %s: %w\n%s\n%s", id, err, configuration, p.log.tail())
	}
	return p, nil
}

// waitReady waits for the log line and then for the listeners: Interconnect writes the line before it listens.
func (p *process) waitReady(ports []int) error {
	limit := time.After(startLimit)
	select {
	case <-p.log.seen:
	case <-p.ended:
		return fmt.Errorf("%w: %v", errEnded, p.cmd.ProcessState)
	case <-limit:
		return fmt.Errorf("no %q within %v", p.log.wanted, startLimit)
	}
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for _, port := range ports {
		for !listening(port) {
			select {
			case <-retry.C:
			case <-p.ended:
				return fmt.Errorf("%w: %v", errEnded, p.cmd.ProcessState)
			case <-limit:
				return fmt.Errorf("does not listen on port %d after %v", port, startLimit)
			}
		}
	}
	return nil
}

func listening(port int) bool {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// signal sends a signal to the process.
func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// kill ends the process as kill -9 does and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// stop ends the process as an operator does, and says how it ended if that was not exit code 0 in time.
func (p *process) stop() error {
	select {
	case <-p.ended:
		return fmt.Errorf("had ended before: %v", p.cmd.ProcessState)
	default:
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		p.kill()
		return err
	}
	return p.awaitEnd()
}

// awaitEnd waits until the process has ended after SIGTERM, and says how if that was not exit code 0 in time.
func (p *process) awaitEnd() error {
	select {
	case <-p.ended:
	case <-time.After(stopLimit):
		p.kill()
		return fmt.Errorf("did not end within %v of SIGTERM", stopLimit)
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("ended with %v", p.cmd.ProcessState)
	}
	return nil
}

// logKept is how much of the end of a router's log is kept, in octets.
const logKept = 4 << 10

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
