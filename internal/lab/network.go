package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Network is routers that are started together. Their files are in a folder of their own.
type Network struct {
	dir     string
	ids     []string // of the routers that were started, in the order of their first start
	mu      sync.Mutex
	routers map[string]*Router
}

// NewNetwork makes the folder of a network in which no router runs yet. The network is the caller's to close.
func NewNetwork() (*Network, error) {
	dir, err := os.MkdirTemp("", "postroad-lab-")
	return &Network{dir: dir, routers: make(map[string]*Router)}, err
}

// Launch starts routers without waiting for anything. A router that was started before gets a new process.
func (n *Network) Launch(specs ...Spec) error {
	for _, s := range specs {
		r, err := Launch(n.dir, s)
		if err != nil {
			return err
		}
		n.mu.Lock()
		if !slices.Contains(n.ids, s.ID) {
			n.ids = append(n.ids, s.ID)
		}
		n.routers[s.ID] = r
		n.mu.Unlock()
	}
	return nil
}

// Start starts routers, all at once, and waits until they are ready.
func (n *Network) Start(specs ...Spec) error {
	if err := n.Launch(specs...); err != nil {
		return err
	}
	var errs []error
	for _, s := range specs {
		errs = append(errs, n.Router(s.ID).AwaitReady())
	}
	return errors.Join(errs...)
}

// Restart starts a router again that has ended, as it was started before, and waits until it is ready.
func (n *Network) Restart(id string) error { return n.Start(n.Router(id).Spec) }

// Router returns the last run of a router. It panics if there is none, which is a mistake of the caller's.
func (n *Network) Router(id string) *Router {
	if r := n.started(id); r != nil {
		return r
	}
	panic(fmt.Sprintf("router %s was never started", id))
}

// started returns the last run of a router, nil if it was never started.
func (n *Network) started(id string) *Router {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.routers[id]
}

// Up reports whether a router runs, does not stand still, and has not been told to end.
func (n *Network) Up(id string) bool {
	r := n.started(id)
	return r != nil && r.Up()
}

// Kill ends a router as kill -9 does. It reports one that had ended by itself.
func (n *Network) Kill(id string) error { return n.Router(id).Kill() }

// Deaths reports the routers that have ended by themselves.
func (n *Network) Deaths() error {
	var errs []error
	for _, id := range n.ids {
		errs = append(errs, n.Router(id).Death())
	}
	return errors.Join(errs...)
}

// Logs returns the ends of the routers' logs, so many octets of each at most.
func (n *Network) Logs(octets int) string {
	var b strings.Builder
	for _, id := range n.ids {
		fmt.Fprintf(&b, "router %s, end of log:\n%s\n", id, n.Router(id).Log(octets))
	}
	return b.String()
}

// Stop ends the routers that have not been told to end, all at once, as an operator does, and then does as Close. It
// reports routers that had ended by themselves, did not end in time, or had another exit status than 0.
func (n *Network) Stop() error {
	errs := make([]error, len(n.ids))
	var stopping sync.WaitGroup
	for i, id := range n.ids {
		if r := n.Router(id); !r.isTold() {
			stopping.Go(func() { errs[i] = r.Stop() })
		}
	}
	stopping.Wait()
	return errors.Join(append(errs, n.Close())...)
}

// Close kills what runs and removes the network's files.
func (n *Network) Close() error {
	for _, id := range n.ids {
		n.Router(id).Kill()
	}
	return os.RemoveAll(n.dir)
}
