package router

import (
	"runtime/debug"

	"github.com/postroad/postroad/internal/logging"
)

// panicIn counts and logs what was recovered from. It is called while the stack of the panic still stands.
func (r *Router) panicIn(m logging.Module, where string, v any) {
	r.plane.Panics.Add(1)
	r.host.Log(m).Criticalf("%s: panic: %v\n%s", where, v, debug.Stack())
}

// Panicked implements journal.
func (r *Router) Panicked(where string, v any) { r.panicIn(logging.Server, where, v) }
