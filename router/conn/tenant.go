package conn

import (
	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// spaceOf is the address space of the tenant that a connection of a multi-tenant listener is in. The listener names it,
// or else the host name in the open. Without either the connection is in none, as in Interconnect.
func (s *Settings) spaceOf(open *wire.Open) (string, *wire.Error) {
	if !s.multiTenant || s.Role == forwarding.RoleInterRouter || s.Role == forwarding.RoleEdge {
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
