package router

import (
	"runtime/debug"

	"github.com/postroad/postroad/internal/logging"
)

// panicIn counts and logs a panic with value v. It is called where the panic was recovered from, so that the stack
// still stands.
func (r *Router) panicIn(m logging.Module, where string, v any) {
	r.plane.Panics.Add(1)
	r.host.Log(m).Criticalf("%s: panic: %v\n%s", where, v, debug.Stack())
}

// Panicked logs and counts a panic of an endpoint. With Warn and Observe, Router is the journal of its plane.
func (r *Router) Panicked(where string, v any) { r.panicIn(logging.Server, where, v) }
