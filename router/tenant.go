package router

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// spaceOf is the address space of the tenant that a connection of a multi-tenant listener is in: that which the listener
// names, or else the host name in the open. Without either it is in none, as in Interconnect.
func (s *settings) spaceOf(open *wire.Open) (string, *wire.Error) {
	if !s.multiTenant || s.role == RoleInterRouter || s.role == RoleEdge {
		return "", nil
	}
	space := s.vhost
	if space == "" {
		space = open.Hostname
	}
	if space != "" && !addressing.ValidSpace(space) {
		return "", &wire.Error{Condition: wire.ErrInvalidField,
			Description: "the hostname of an open on this listener must not contain / or begin with _ (multiTenant)"}
	}
	return space, nil
}

// appendForRouters appends the address that a client gave, and that has the key in c.key, as other routers read it.
func (c *Endpoint) appendForRouters(dst, to []byte) []byte {
	if addressing.Class(c.choice.key[0]) == addressing.ClassMobile {
		return addressing.AppendMobile(dst, c.choice.key[2:])
	}
	return c.plane.identity.ParseIn(c.peer.space, string(to)).AppendForRouters(dst)
}
