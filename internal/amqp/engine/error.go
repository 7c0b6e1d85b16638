package engine

import (
	"fmt"
	"strings"

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

func cause(condition wire.Symbol, format string, args ...any) *wire.Error {
	return &wire.Error{Condition: condition, Description: fmt.Sprintf(format, args...)}
}

// fit makes an error small enough for one frame to the peer: where it is too long, the info is left out and the
// description cut.
func (c *Connection) fit(err *wire.Error) *wire.Error {
	const rest = 128 // octets of frame header, performative and encoding
	if err == nil {
		return nil
	}
	room := int(c.maxFrameOut) - rest
	if len(err.Condition)+len(err.Description)+len(err.Info) <= room {
		return err
	}
	short := &wire.Error{Condition: err.Condition}
	if len(short.Condition) > room {
		short.Condition = wire.ErrInternal
	}
	most := min(len(err.Description), room-len(short.Condition))
	short.Description = strings.ToValidUTF8(err.Description[:most], "")
	return short
}
