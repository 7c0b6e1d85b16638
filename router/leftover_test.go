package router

import (
	"errors"
	"fmt"
	"slices"

	"github.com/postroad/postroad/router/control"
	"github.com/postroad/postroad/router/forwarding"
)

// kill ends a router as if its process had died: sockets close without a word.
func (n *network) kill(id string) {
	n.t.Helper()
	r := n.node(id)
	if r.gossip != nil {
		r.gossip.Members.Stop() // without a goodbye
	}
	r.host.Cancel()
	for _, l := range r.listeners {
		l.Close()
	}
	for _, c := range r.endpoints() {
		driverOf(c).Socket.Abort()
	}
	r.Stop()
	n.forget(r)
}

// stop ends a router in order.
func (n *network) stop(id string) {
	n.t.Helper()
	r := n.node(id)
	r.Stop()
	n.forget(r)
}

func (n *network) forget(r *Router) {
	n.empty(r)
	n.routers = slices.DeleteFunc(n.routers, func(x *Router) bool { return x == r })
}

// end waits until the routers hold nothing of clients, whose connections were closed before, stops them, and checks
// that nothing is left.
func (n *network) end() {
	if n.t.Failed() {
		n.showLogs()
	}
	for _, r := range n.routers {
		eventually(n.t, "without clients, router "+r.ID()+" holds nothing", func() error { return clientsLeft(r) })
	}
	for _, r := range n.routers {
		r.Stop()
		n.empty(r)
	}
}

// showLogs writes the last log lines of each router.
func (n *network) showLogs() {
	for _, r := range n.routers {
		for _, e := range r.host.Logs.Recent(40) {
			n.t.Logf("%s %v %v (%v) %s", r.ID(), e.Time.Format("05.000"), e.Module, e.Level, e.Text)
		}
	}
}

// clientsLeft tells what a router still holds of clients.
func clientsLeft(r *Router) error {
	var errs []error
	for _, c := range r.endpoints() {
		if c.Terms.Role == forwarding.RoleNormal {
			errs = append(errs, fmt.Errorf("connection %d from %s is left", c.Number, c.Remote))
		}
	}
	for row := range r.view.Addresses() {
		if row.SubscriberCount > 0 {
			errs = append(errs, fmt.Errorf("address %s has %d consumers", row.Key, row.SubscriberCount))
		}
	}
	r.control.Mu.Lock()
	for key, a := range r.control.Addresses {
		if len(a.Senders) > 0 {
			errs = append(errs, fmt.Errorf("address %s has %d senders", key, len(a.Senders)))
		}
		unused := len(a.Locals) == 0 && len(a.Remotes) == 0 && a.Lost.IsZero() // it may stay for the hold time
		if b := r.control.Other(a); unused && !isConfigured(a) && !isConfigured(b) && (b == nil || b.Lost.IsZero()) {
			errs = append(errs, fmt.Errorf("address %s is in the table without anybody using it", key))
		}
	}
	r.control.Mu.Unlock()
	return errors.Join(errs...)
}

// isConfigured tells whether an address is in the table because exchanges use it.
func isConfigured(a *control.Entry) bool { return a != nil && (a.Exchange != nil || a.Pins > 0) }

// empty checks that a stopped router holds nothing.
func (n *network) empty(r *Router) {
	n.t.Helper()
	if err := clientsLeft(r); err != nil {
		n.t.Errorf("router %s was stopped: %v", r.ID(), err)
	}
	k := r.control
	k.Mu.Lock()
	defer k.Mu.Unlock()
	if len(r.host.Conns()) > 0 || len(k.Neighbors) > 0 {
		n.t.Errorf("router %s was stopped, but has %d connections and %d neighbors", r.ID(), len(r.host.Conns()), len(k.Neighbors))
	}
	for key, a := range r.control.Addresses {
		for _, l := range a.Locals {
			if !l.Node {
				n.t.Errorf("router %s was stopped, but %s has a consumer", r.ID(), key)
			}
		}
	}
}
