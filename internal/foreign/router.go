package foreign

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// routerVariable names another router program than the one of this module.
const routerVariable = "POSTROAD_TEST_ROUTER"

// operational is the line of the log at which a router says that it has started.
const operational = "SERVER (notice) Operational"

// startLimit bounds a router's start, stopLimit its end after SIGTERM.
const (
	startLimit = 20 * time.Second
	stopLimit  = 10 * time.Second
)

// Foreign reports whether the router under test is another one than Postroad, which may differ in what it is known to
// differ in.
func Foreign() bool {
	return os.Getenv(routerVariable) != ""
}

// routerProgram returns the words which start a router; the configuration file is to follow.
var routerProgram = sync.OnceValues(func() ([]string, error) {
	if program := os.Getenv(routerVariable); program != "" {
		return []string{program}, nil
	}
	program, err := goBuild("./cmd/postroad", "postroad", raceFlags...)
	return []string{program, "run", "-c"}, err
})

// ports are the TCP ports of one router, by listener.
type ports map[string]int

// router is one router process.
type router struct {
	id    string
	ports ports
	cmd   *exec.Cmd
	log   *logWatcher
	ended chan struct{} // closed when the process has ended
}

// startRouter starts one router with a configuration file and log of its own in dir, and waits until it is ready. One
// goroutine waits for the process's end.
func startRouter(dir, id, config string, p ports) (*router, error) {
	words, err := routerProgram()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, id+".conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(dir, id+".log"))
	if err != nil {
		return nil, err
	}
	r := &router{id: id, ports: p, log: &logWatcher{out: out, seen: make(chan struct{})}, ended: make(chan struct{})}
	r.cmd = exec.Command(words[0], append(words[1:len(words):len(words)], file)...)
	r.cmd.Dir = dir
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.SysProcAttr = dieWithParent()
	if err := r.cmd.Start(); err != nil {
		out.Close()
		return nil, fmt.Errorf("start router %s: %w", id, err)
	}
	go func() {
		r.cmd.Wait()
		out.Close()
		close(r.ended)
	}()
	if err := r.waitReady(); err != nil {
		r.kill()
		return nil, fmt.Errorf("router %s: %w\n%s", id, err, r.log.tail())
	}
	return r, nil
}

// waitReady waits for the log line and then for the listener: Interconnect writes the line before it listens.
func (r *router) waitReady() error {
	limit := time.After(startLimit)
	select {
	case <-r.log.seen:
	case <-r.ended:
		return fmt.Errorf("ended at its start: %v", r.cmd.ProcessState)
	case <-limit:
		return fmt.Errorf("no %q within %v", operational, startLimit)
	}
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for _, port := range r.ports {
		for !listening(port) {
			select {
			case <-retry.C:
			case <-r.ended:
				return fmt.Errorf("ended at its start: %v", r.cmd.ProcessState)
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

// kill ends the process as kill -9 does and waits for its end.
func (r *router) kill() {
	r.cmd.Process.Kill()
	<-r.ended
}

// stop ends the process as an operator does, and says how it ended if that was not exit code 0 in time.
func (r *router) stop() error {
	select {
	case <-r.ended:
		return fmt.Errorf("router %s had ended before: %v", r.id, r.cmd.ProcessState)
	default:
	}
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.kill()
		return fmt.Errorf("router %s: %w", r.id, err)
	}
	select {
	case <-r.ended:
	case <-time.After(stopLimit):
		r.kill()
		return fmt.Errorf("router %s did not end within %v of SIGTERM", r.id, stopLimit)
	}
	if !r.cmd.ProcessState.Success() {
		return fmt.Errorf("router %s ended with %v", r.id, r.cmd.ProcessState)
	}
	return nil
}

// logWatcher is the output of a router: it goes to a file, and seen is closed when it has said that it is operational.
type logWatcher struct {
	mu   sync.Mutex
	out  *os.File
	seen chan struct{}
	head bytes.Buffer // what came before operational, nil after it
	said bool
}

func (w *logWatcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.said {
		w.head.Write(b)
		if bytes.Contains(w.head.Bytes(), []byte(operational)) {
			w.said = true
			w.head.Reset()
			close(w.seen)
		}
	}
	return w.out.Write(b)
}

// tail returns the last few kilobytes of the log.
func (w *logWatcher) tail() string {
	const length = 3 << 10
	f, err := os.Open(w.out.Name())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if n, err := f.Seek(0, io.SeekEnd); err == nil {
		f.Seek(max(n-length, 0), io.SeekStart)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
