package attack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/postroad/postroad/internal/freeport"
	"github.com/postroad/postroad/internal/lab"
	"github.com/postroad/postroad/internal/process"
)

const (
	// drainLimit is the drain time-out in the configuration of every router.
	drainLimit = time.Second
	// endLimit is how long a router may live after SIGTERM.
	endLimit = drainLimit + 3*time.Second
	// scrapeLimit is how long a router may take to answer a request for its metrics. Only one that hangs does.
	scrapeLimit = 10 * time.Second
	// helloPeriod is the time between two fast HELLOs of routers, of which a neighbor may miss three. It is longer than
	// usual, so that a neighbor is lost to a router that hangs, and not to a busy machine.
	helloPeriod = 300 * time.Millisecond
	// startAttempts is how often routers are started when one ends at its start: somebody else may have taken a port that
	// was free a moment before.
	startAttempts = 3
)

// program builds the router once for all attacks of a process, and returns its path.
var program = sync.OnceValues(func() (path string, err error) {
	if programDir, err = os.MkdirTemp("", "postroad-attack-"); err != nil {
		return "", err
	}
	path = filepath.Join(programDir, "postroad")
	return path, lab.Build("cmd/postroad", path)
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
	mesh      bool   // the router listens for other routers, and connects to the one before it in a list of plans
}

// router is a running router process.
type router struct {
	*lab.Router
	web       int         // port of the listener for HTTP
	processes process.IDs // what is measured
}

// start starts routers, all at once, and waits until they are operational. The network is the caller's to close.
func start(plans ...plan) (n *lab.Network, routers []*router, err error) {
	for range startAttempts {
		if n, routers, err = launch(plans); !errors.Is(err, lab.ErrEnded) {
			break
		}
	}
	return n, routers, err
}

func launch(plans []plan) (n *lab.Network, routers []*router, err error) {
	path, err := program()
	if err != nil {
		return nil, nil, err
	}
	if n, err = lab.NewNetwork(); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	var specs []lab.Spec
	to := 0
	for _, p := range plans {
		ports, err := freeport.Several(3)
		if err != nil {
			return n, nil, err
		}
		clients, web, listener := ports[0], ports[1], ports[2]
		specs = append(specs, lab.Spec{ID: p.id, Program: lab.Postroad(path), Environment: p.environment(),
			Configuration: p.configuration(clients, web, listener, to), Ports: []int{clients, web}, Clients: clients})
		routers = append(routers, &router{web: web})
		to = listener
	}
	if err := n.Start(specs...); err != nil {
		return n, nil, err
	}
	for i, p := range plans {
		routers[i].Router = n.Router(p.id)
		routers[i].processes = routers[i].Usage()
	}
	return n, routers, nil
}

func (p plan) environment() []string {
	all := []string{"AUTOMEMLIMIT=off", "GOMEMLIMIT=" + p.limit}
	if p.lean {
		all = append(all, "GOGC=20")
	}
	return all
}

// configuration is the text of the file, given the ports and that of the router to connect to, 0 for none.
func (p plan) configuration(clients, web, listener, to int) string {
	var b strings.Builder
	mode := "standalone"
	if p.mesh {
		mode = "interior"
	}
	fmt.Fprintf(&b, "router: {id: %s, mode: %s, drainTimeoutSeconds: %d, fastHelloMilliseconds: %d}\n", p.id, mode,
		int(drainLimit.Seconds()), helloPeriod.Milliseconds())
	fmt.Fprintf(&b, "listeners:\n  - {name: clients, host: 127.0.0.1, port: %d}\n", clients)
	fmt.Fprintf(&b, "  - {name: web, host: 127.0.0.1, port: %d, http: true}\n", web)
	if p.mesh {
		fmt.Fprintf(&b, "  - {name: routers, host: 127.0.0.1, port: %d, role: inter-router}\n", listener)
		if to != 0 {
			fmt.Fprintf(&b, "connectors:\n  - {name: up, host: 127.0.0.1, port: %d, role: inter-router}\n", to)
		}
	}
	b.WriteString(p.addresses)
	return b.String()
}

// stop ends the router as an operator does. It returns how long that took, and what was wrong with it.
func (r *router) stop() (time.Duration, error) {
	begun := time.Now()
	err := r.Terminate()
	if err == nil {
		err = r.AwaitEndWithin(endLimit)
	}
	return time.Since(begun), err
}

// resident returns the resident set of the process in octets, 0 when it has ended.
func (r *router) resident() int64 {
	octets, _ := r.processes.Memory()
	return int64(octets)
}

// cpu returns the CPU time that the process has used, 0 when it has ended.
func (r *router) cpu() time.Duration {
	used, _ := r.processes.CPU()
	return used
}

// metric returns a metric of the router: the sum of its series.
func (r *router) metric(ctx context.Context, name string) (sum float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeLimit)
	defer cancel()
	all, err := lab.Series(ctx, r.web, name)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("router %s has no metric %s", r.ID, name)
	}
	for _, value := range all {
		sum += value
	}
	return sum, err
}

// panicked returns the log from the first panic on that its end still has, empty if there is none.
func (r *router) panicked() string {
	log := r.Log(lab.Long)
	at := max(strings.Index(log, "panic"), 0)
	return log[at:min(at+lab.Brief, len(log))]
}
