package router

import (
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/discovery"
	"github.com/postroad/postroad/router/forwarding"
)

// driverOf returns the driver of a connection's endpoint.
func driverOf(e *forwarding.Endpoint) *conn.Conn { return e.Driver.(*conn.Conn) }

// endpoints lists the endpoints of a router's connections.
func (r *Router) endpoints() (list []*forwarding.Endpoint) {
	for _, c := range r.host.Conns() {
		list = append(list, c.E)
	}
	return list
}

// endNow ends a connection that nobody serves, and throws away what it has to write.
func endNow(e *forwarding.Endpoint) {
	c := driverOf(e)
	c.End(nil)
	c.Output.Out.Release()
	e.Discard(&c.Output.Out)
}

// neighborhoodOf looks at the links of a router to others.
func neighborhoodOf(r *Router) *discovery.Neighborhood {
	return (&links{r.host, r.control}).Neighborhood()
}
