package attack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startLimit bounds a router's start.
	startLimit = 30 * time.Second
	// drainLimit is the drain time-out in the configuration of every router.
	drainLimit = time.Second
	// endLimit is how long a router may live after SIGTERM.
	endLimit = drainLimit + 3*time.Second
	// scrapeLimit is how long a router may take to answer a request for its metrics. Only one that hangs does.
	scrapeLimit = 10 * time.Second
)

// errEnded says that a router has ended at its start.
var errEnded = errors.New("ended at its start")

// program builds the router once for all attacks of a process, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "postroad-attack-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "postroad")
	build := exec.Command("go", "build", "-o", path, "github.com/postroad/postroad/cmd/postroad")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/postroad: %w\n%s", err, out)
	}
	return path, nil
})

// programDir is where the program was built, empty if it was not.
var programDir string

// Clean removes the program that was built. It is called when all attacks are over.
func Clean() { os.RemoveAll(programDir) }

// plan says how a router is started.
type plan struct {
	id        string
	limit     string // GOMEMLIMIT, none when empty
	addresses string // section of the configuration
	lean      bool   // garbage is collected early
	mesh      bool   // the router listens for other routers
	to        int    // port of a router to which it connects
}

// router is a running router process.
type router struct {
	plan
	clients, routers, web int // ports
	dir                   string
	cmd                   *exec.Cmd
	log                   *tail
	ended                 chan struct{} // closed when the process has ended
}

// startRouter starts a router and waits until it is operational. The router is the caller's to end.
func startRouter(p plan) (r *router, err error) {
	for range 3 { // somebody else may have taken a port that was free a moment before
		if r, err = launch(p); !errors.Is(err, errEnded) {
			break
		}
	}
	return r, err
}

func launch(p plan) (*router, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postroad-attack-")
	if err != nil {
		return nil, err
	}
	r := &router{plan: p, clients: freePort(), routers: freePort(), web: freePort(), dir: dir}
	r.ended = make(chan struct{})
	file := filepath.Join(dir, p.id+".yaml")
	if err := os.WriteFile(file, []byte(r.configuration()), 0o644); err != nil {
		return nil, err
	}
	r.log = &tail{wanted: []byte("SERVER (notice) Operational"), seen: make(chan struct{})}
	r.cmd = exec.Command(path, "run", "-c", file)
	r.cmd.Env = append(os.Environ(), "AUTOMEMLIMIT=off", "GOMEMLIMIT="+p.limit)
	if p.lean {
		r.cmd.Env = append(r.cmd.Env, "GOGC=20")
	}
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.SysProcAttr = dieWithParent()
	if err := r.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		r.cmd.Wait()
		close(r.ended)
	}()
	select {
	case <-r.log.seen:
		return r, nil
	case <-r.ended:
		err = fmt.Errorf("router %s %w: %v\n%s", p.id, errEnded, r.cmd.ProcessState, r.log)
	case <-time.After(startLimit):
		err = fmt.Errorf("router %s: not operational after %v\n%s", p.id, startLimit, r.log)
	}
	r.kill()
	return nil, err
}

func (r *router) configuration() string {
	var b strings.Builder
	mode := "standalone"
	if r.mesh {
		mode = "interior"
	}
	fmt.Fprintf(&b, "router: {id: %s, mode: %s, drainTimeoutSeconds: %d}\n", r.id, mode, int(drainLimit.Seconds()))
	fmt.Fprintf(&b, "listeners:\n  - {name: clients, host: 127.0.0.1, port: %d}\n", r.clients)
	fmt.Fprintf(&b, "  - {name: web, host: 127.0.0.1, port: %d, http: true}\n", r.web)
	if r.mesh {
		fmt.Fprintf(&b, "  - {name: routers, host: 127.0.0.1, port: %d, role: inter-router}\n", r.routers)
	}
	if r.to != 0 {
		fmt.Fprintf(&b, "connectors:\n  - {name: up, host: 127.0.0.1, port: %d, role: inter-router}\n", r.to)
	}
	b.WriteString(r.addresses)
	return b.String()
}

// portsTaken are the ports which this process has given out.
var portsTaken sync.Map

// freePort returns a TCP port on which nobody listens, outside the range of outgoing connections.
func freePort() int {
	for {
		port := 20000 + rand.IntN(12000)
		if _, taken := portsTaken.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
}

// kill ends the process as kill -9 does and removes its files.
func (r *router) kill() {
	r.cmd.Process.Kill()
	<-r.ended
	os.RemoveAll(r.dir)
}

// alive tells whether the process has not ended.
func (r *router) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// stop ends the process as an operator does. It returns how long that took, and what was wrong with it.
func (r *router) stop() (time.Duration, error) {
	defer r.kill()
	if !r.alive() {
		return 0, fmt.Errorf("router %s had ended before: %v\n%s", r.id, r.cmd.ProcessState, r.log)
	}
	begun := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-r.ended:
	case <-time.After(endLimit):
		return endLimit, fmt.Errorf("router %s had not ended %v after SIGTERM", r.id, endLimit)
	}
	if !r.cmd.ProcessState.Success() {
		return time.Since(begun), fmt.Errorf("router %s ended with %v\n%s", r.id, r.cmd.ProcessState, r.log)
	}
	return time.Since(begun), nil
}

// resident returns the resident set of the process in octets, 0 when it has ended.
func (r *router) resident() int64 {
	fields := r.proc("statm")
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// cpu returns the CPU time that the process has used.
func (r *router) cpu() time.Duration {
	fields := r.proc("stat") // the name of the program has no space
	if len(fields) < 15 {
		return 0
	}
	user, _ := strconv.Atoi(fields[13])
	system, _ := strconv.Atoi(fields[14])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (r *router) proc(name string) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", r.cmd.Process.Pid, name))
	return strings.Fields(string(b))
}

// metric returns a metric of the router: the sum of its series.
func (r *router) metric(ctx context.Context, name string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeLimit)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%d/metrics", r.web)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	request.Close = true // no connection is open when the router is to end
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	sum, found := 0.0, false
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if series, _, _ = strings.Cut(series, "{"); series == name {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum, found = sum+v, true
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	if !found {
		return 0, fmt.Errorf("router %s has no metric %s, status %s", r.id, name, response.Status)
	}
	return sum, nil
}

// tailKept is how much of the end of a router's log is kept, in octets.
const tailKept = 4 << 10

// tail is the output of a router: its end, and its size. seen is closed when it has said what is waited for.
type tail struct {
	mu     sync.Mutex
	wanted []byte
	seen   chan struct{}
	said   bool
	last   []byte
	size   int64
	panics []byte // the log around the first panic
}

func (w *tail) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size += int64(len(b))
	w.last = append(w.last, b...)
	if at := bytes.Index(w.last, []byte("panic")); at >= 0 && len(w.panics) < tailKept {
		w.panics = bytes.Clone(w.last[at:])
	}
	if !w.said && bytes.Contains(w.last, w.wanted) {
		w.said = true
		close(w.seen)
	}
	if w.said && len(w.last) > 2*tailKept {
		w.last = append(w.last[:0], w.last[len(w.last)-tailKept:]...)
	}
	return len(b), nil
}

// String returns the end of the log.
func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.last[max(len(w.last)-tailKept, 0):])
}

// panicked returns the log from the first panic on, empty if there was none.
func (w *tail) panicked() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.panics)
}

// written returns the size of the log so far.
func (w *tail) written() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}
