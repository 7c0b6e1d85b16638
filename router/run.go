package router

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router/forwarding"
)

// Start opens the listeners and starts all goroutines. It returns an error when a port cannot be opened or gossip
// cannot begin; then nothing runs, and the router cannot be started again.
func (r *Router) Start() error {
	var errs []error
	for _, l := range r.listeners {
		errs = append(errs, l.Open())
	}
	if err := errors.Join(append(errs, r.gossip.Open())...); err != nil {
		for _, l := range r.listeners {
			l.Close()
		}
		r.gossip.Close()
		r.host.Cancel()
		return err
	}
	if err := r.gossip.Start(); err != nil {
		for _, l := range r.listeners {
			l.Close()
		}
		r.gossip.Close()
		r.gossip.Leave()
		r.host.Cancel()
		return err
	}
	if r.control.Mesh != nil {
		r.control.Mesh.Start(time.Now())
	}
	r.running.Store(true)
	r.loops.Go(func() { r.loop.run(r.stop) })
	r.loops.Go(func() { r.agent.loop(r.stop) })
	for _, l := range r.listeners {
		r.host.Serving.Go(l.Serve)
	}
	for _, c := range r.connectors {
		r.host.Serving.Go(c.Serve)
	}
	r.gossip.Serve()
	return nil
}

// closingTime is how long connections get to take their close.
const closingTime = 2 * time.Second

// Stop ends a router that was started: it tells the other routers, closes listeners and connections, and returns when
// every goroutine of the router has ended. Connections get two seconds to take their close.
func (r *Router) Stop() {
	r.change(forwarding.EventLeave)
	r.plane.Stopping.Store(true)
	r.host.Cancel()
	for _, l := range r.listeners {
		l.Close()
	}
	r.gossip.Close()
	r.loops.Go(r.gossip.Leave)
	for _, c := range r.host.Conns() {
		c.E.Close(c.E.Forced("the router is shutting down"))
	}
	patience := closingTime
	if r.host.Draining.Load() { // they were asked before
		patience /= 2
	}
	hard := time.AfterFunc(patience, func() {
		for _, c := range r.host.Conns() {
			c.Socket.Close()
		}
	})
	r.host.Serving.Wait()
	hard.Stop()
	close(r.stop)
	r.loops.Wait()
	r.host.Closing.Wait()
}

// Run starts the router, and logs a line when it is ready. When ctx ends, or management asks for it, Run drains and
// stops the router, and returns nil. It returns the error of Start.
func (r *Router) Run(ctx context.Context) error {
	if err := r.Start(); err != nil {
		return err
	}
	r.host.Log(logging.Server).Noticef("Operational, %d Threads Running (process ID %d)", runtime.GOMAXPROCS(0), os.Getpid())
	select {
	case <-ctx.Done():
	case <-r.asked:
	}
	r.host.Log(logging.Server).Notice("Shutting down")
	if r.drainTimeout > 0 {
		_ = r.Drain(context.WithoutCancel(ctx)) // which logs what was left
	}
	r.Stop()
	return nil
}
