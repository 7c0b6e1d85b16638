package engine

import (
	"errors"
	"fmt"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// Scope tells what an error ends.
type Scope uint8

// The scopes, from the smallest.
const (
	ScopeLink Scope = iota
	ScopeSession
	ScopeConnection
)

// Error is why a link, a session or a connection ended, and who said so.
type Error struct {
	Scope Scope
	Local bool // detected and sent by this side; otherwise the peer said so
	Cause *wire.Error
}

// Error says who ended what and why.
func (e *Error) Error() string {
	who := "peer"
	if e.Local {
		who = "local"
	}
	what := [...]string{"link", "session", "connection"}[e.Scope]
	if e.Cause == nil {
		return fmt.Sprintf("%s ended by %s", what, who)
	}
	return fmt.Sprintf("%s ended by %s: %v", what, who, e.Cause)
}

// ErrTimeout is the cause of a connection that ended because the peer was silent for too long.
var ErrTimeout = errors.New("engine: nothing received within the idle time-out")

func cause(condition wire.Symbol, format string, args ...any) *wire.Error {
	return &wire.Error{Condition: condition, Description: fmt.Sprintf(format, args...)}
}
