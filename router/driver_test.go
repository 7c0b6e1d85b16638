package router

// driverOf returns the driver of a connection's endpoint.
func driverOf(e *Endpoint) *conn { return e.driver.(*conn) }

// endpoints lists the endpoints of a router's connections.
func (r *Router) endpoints() (list []*Endpoint) {
	for _, c := range r.host.conns() {
		list = append(list, c.e)
	}
	return list
}

// endNow ends a connection that nobody serves, and throws away what it has to write.
func endNow(e *Endpoint) {
	c := driverOf(e)
	c.end(nil)
	c.output.out.Release()
	e.discard(&c.output.out)
}

// neighborhoodOf looks at the links of a router to others.
func neighborhoodOf(r *Router) *neighborhood { return (&links{r.host, r.control}).neighborhood() }
