package router

import (
	"strings"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// enter puts a connection of a multi-tenant listener into the address space of its tenant: that which the listener
// names, or else the host name in the open. Without either it is in none, as in Interconnect.
func (c *conn) enter() *wire.Error {
	s := c.settings
	if !s.multiTenant || s.role == RoleInterRouter || s.role == RoleEdge {
		return nil
	}
	space := s.vhost
	if space == "" {
		space = c.open.Hostname
	}
	if space != "" && !addressing.ValidSpace(space) {
		return &wire.Error{Condition: wire.ErrInvalidField,
			Description: "the hostname of an open on this listener must not contain / or begin with _ (multiTenant)"}
	}
	c.space = space
	return nil
}

// isTemporary tells whether an address is one that a router made for a dynamic terminus.
func isTemporary(a addressing.Address) bool {
	switch a.Class {
	case addressing.ClassMobile:
		return strings.HasPrefix(a.Text, "_$temp.")
	case addressing.ClassLocal:
		return strings.HasPrefix(a.Text, "temp.")
	}
	return false
}

// appendForRouters appends the address that a client gave, and that has the key in c.key, as other routers read it.
func (c *conn) appendForRouters(dst, to []byte) []byte {
	if addressing.Class(c.key[0]) == addressing.ClassMobile {
		return addressing.AppendMobile(dst, c.key[2:])
	}
	return c.router.identity.ParseIn(c.space, string(to)).AppendForRouters(dst)
}
