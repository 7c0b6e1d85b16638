package foreign

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postroad/postroad/internal/process"
)

// defaultTimeout is a client's time-out unless its task says otherwise. A client that hangs is killed grace later.
const (
	defaultTimeout = 60 * time.Second
	grace          = 15 * time.Second
)

// stderrShown is how much of what a client wrote on stderr is shown, in octets.
const stderrShown = 16 << 10

// Task is one run of a client: the command line which doc.go describes. The zero value of a field leaves its option
// out.
type Task struct {
	Command    string // send, receive, request, respond, relay or hold
	URL        string
	Address    string
	Count      int
	Sizes      []int  // body sizes in bytes, used in turn
	Credit     int    // of a receiver; NoCredit for none
	Hostname   string // of the open
	Capability string // of the source or target
	Outcomes   []string
	Values     string // file of messages to send
	Progress   int
	Timeout    time.Duration
	Show       bool
	Presettled bool
	Anonymous  bool
	Retry      bool
	Linger     bool
}

// NoCredit is the credit of a receiver that gets none before Grant.
const NoCredit = -1

// arguments returns the command line of the task.
func (k Task) arguments() []string {
	args := []string{k.Command, "--url", k.URL, "--address", k.Address}
	number := func(name string, n int) {
		if n != 0 {
			args = append(args, name, strconv.Itoa(n))
		}
	}
	flag := func(name string, on bool) {
		if on {
			args = append(args, name)
		}
	}
	number("--count", k.Count)
	if k.Credit == NoCredit {
		args = append(args, "--credit", "0")
	} else {
		number("--credit", k.Credit)
	}
	number("--progress", k.Progress)
	if k.Sizes != nil {
		sizes := make([]string, len(k.Sizes))
		for i, n := range k.Sizes {
			sizes[i] = strconv.Itoa(n)
		}
		args = append(args, "--size", strings.Join(sizes, ","))
	}
	if k.Outcomes != nil {
		args = append(args, "--outcome", strings.Join(k.Outcomes, ","))
	}
	word := func(name, value string) {
		if value != "" {
			args = append(args, name, value)
		}
	}
	word("--hostname", k.Hostname)
	word("--capability", k.Capability)
	word("--values", k.Values)
	flag("--show", k.Show)
	flag("--presettled", k.Presettled)
	flag("--anonymous", k.Anonymous)
	flag("--retry", k.Retry)
	flag("--linger", k.Linger)
	return append(args, "--timeout", strconv.FormatFloat(k.timeout().Seconds(), 'f', -1, 64))
}

func (k Task) timeout() time.Duration {
	if k.Timeout == 0 {
		return defaultTimeout
	}
	return k.Timeout
}

// Result is what a client reports at its end; a client leaves out what does not concern its command.
type Result struct {
	Count      int            // messages settled (send), different messages received, requests answered
	Error      string         // empty when the task was done in full
	Outcomes   map[string]int // send: accepted, released, rejected, modified or presettled
	States     []string       // send: the outcome of each message with its fields, when there are at most 100
	Retries    int            // send: deliveries sent again
	Duplicates int            // receive: messages that came more than once
	Corrupt    int            // messages whose body has another checksum than it was sent with
	Misordered int            // receive: messages that came after one with a higher number
	Presettled int            // receive: deliveries that came settled; go-amqp cannot tell
	Bytes      int            // receive: sum of the body sizes
	Messages   []string       // receive with Show: the text form of each message
	Numbers    []int          // receive with Linger: the number of each message
}

// event is one line of a client's output.
type event struct {
	Event   string
	Address string
	Result
}

// Process is a running client.
type Process struct {
	tb    testing.TB
	name  string
	run   *process.Process
	stdin *os.File

	mu       sync.Mutex
	changed  chan struct{} // closed and renewed at every event
	address  string        // of the ready event
	ready    bool
	progress int
	result   *Result
	ended    bool
}

// lacking are the libraries whose clients turned out not to run on this machine.
var lacking sync.Map

// Start starts the library's client for the task. The test fails at once if the client cannot run on this machine. The
// client is killed when the test ends.
//
// One goroutine per process reads its output; it ends with the process.
func (l Library) Start(tb testing.TB, task Task) *Process {
	tb.Helper()
	words, err := l.command()
	if err != nil {
		if _, again := lacking.LoadOrStore(l, true); again {
			tb.Fatalf("the %s client cannot run here; the test that wanted it first says why", l)
		}
		tb.Fatal(err)
	}
	words = append(words[:len(words):len(words)], task.arguments()...)
	p := &Process{tb: tb, name: fmt.Sprintf("%s %s", l, task.Command), changed: make(chan struct{})}
	output, err := p.start(words)
	if err != nil {
		tb.Fatalf("start %s: %v", p.name, err)
	}
	killer := time.AfterFunc(task.timeout()+grace, p.run.Kill)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(output)
		<-p.run.Ended()
		output.Close()
		p.stdin.Close()
		killer.Stop()
		p.change(func() { p.ended = true })
	}()
	tb.Cleanup(func() {
		p.run.Kill()
		<-done
	})
	return p
}

// start starts the process and returns what it prints.
func (p *Process) start(words []string) (output *os.File, err error) {
	commands, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	output, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, commands.Close(), stdin.Close())
	}
	p.stdin = stdin
	p.run, err = process.Start(process.Options{Command: words, Environment: environment, Stdin: commands, Stdout: stdout,
		Orphaned: syscall.SIGKILL})
	commands.Close()
	stdout.Close()
	if err != nil {
		return nil, errors.Join(err, output.Close(), stdin.Close())
	}
	return output, nil
}

// read takes in the events until the process closes its output.
func (p *Process) read(stdout io.Reader) {
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				p.change(func() { p.take(e) })
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Process) take(e event) {
	switch e.Event {
	case "ready":
		p.ready, p.address = true, e.Address
	case "progress":
		p.progress = e.Count
	case "result":
		p.result = &e.Result
	}
}

// change alters the state and wakes whoever waits for it.
func (p *Process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait blocks until the condition holds, and reports false if the process ended without it.
func (p *Process) wait(condition func() bool) bool {
	for {
		p.mu.Lock()
		ok, ended, changed := condition(), p.ended, p.changed
		p.mu.Unlock()
		if ok || ended {
			return ok
		}
		<-changed
	}
}

// Ready waits until the client's receiving link is attached and returns the link's address.
func (p *Process) Ready() string {
	p.tb.Helper()
	if !p.wait(func() bool { return p.ready }) {
		p.tb.Fatalf("%s ended before it was ready: %s", p.name, p.why())
	}
	return p.address
}

// Progress waits until the client has reported n messages.
func (p *Process) Progress(n int) {
	p.tb.Helper()
	if !p.wait(func() bool { return p.progress >= n }) {
		p.tb.Fatalf("%s ended after %d of %d messages: %s", p.name, p.progress, n, p.why())
	}
}

// Continue lets a client go on which holds a delivery.
func (p *Process) Continue() {
	p.tb.Helper()
	p.tell("continue 0")
}

// Grant gives the link of a receiver that lingers so much credit more.
func (p *Process) Grant(credit int) {
	p.tb.Helper()
	p.tell(fmt.Sprintf("credit %d", credit))
}

// End makes a receiver that lingers end once it has received so many different messages, or more, and waits for its
// result. End(0) ends it with what it has.
func (p *Process) End(count int) Result {
	p.tb.Helper()
	p.tell(fmt.Sprintf("end %d", count))
	return p.Result()
}

func (p *Process) tell(line string) {
	p.tb.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.tb.Fatalf("%s: %v", p.name, err)
	}
}

// Kill ends the client as kill -9 does and waits for its end.
func (p *Process) Kill() {
	p.run.Kill()
	p.wait(func() bool { return p.ended })
}

// Result waits for the client's end. A client that did not do its task in full is an error of the test.
func (p *Process) Result() Result {
	p.tb.Helper()
	p.wait(func() bool { return p.ended })
	if p.result == nil {
		p.tb.Errorf("%s ended without a result: %s", p.name, p.why())
		return Result{Error: "no result"}
	}
	if p.result.Error != "" {
		p.tb.Errorf("%s: %s", p.name, p.why())
	}
	return *p.result
}

// Outcome is Result for a task that may fail: it reports the client's error in the result only.
func (p *Process) Outcome() Result {
	p.wait(func() bool { return p.ended })
	if p.result == nil {
		return Result{Error: p.why()}
	}
	return *p.result
}

// why says how a process ended.
func (p *Process) why() string {
	text := fmt.Sprintf("no result, %v", p.run.State())
	if p.result != nil {
		text = fmt.Sprintf("%s; result %+v", p.result.Error, *p.result)
	}
	if s := p.run.Log(stderrShown); s != "" {
		text += "\n" + s
	}
	return text
}
