package management

// drain answers DRAIN: the router named in the request lets its traffic move away, and ends. The name has to be given,
// so that a request which reaches another router than it was meant for does no harm there.
func (n *Node) drain(r *request) ([]byte, error) {
	if about := n.schema.lookup(r.typeName); about == nil || about.name != typeRouter {
		return nil, failed(400, "Operation 'DRAIN' is one of routers: give 'router' as the property 'type'")
	}
	id := n.source.Router().ID
	switch {
	case r.name == "":
		return nil, failed(400, "Operation 'DRAIN' needs the id of the router as the property 'name'; this is router '%s'", id)
	case r.name != id:
		return nil, failed(404, "This is router '%s', and not '%s'", id, clip(r.name))
	}
	if err := r.writable(); err != nil {
		return nil, err
	}
	r.then = n.source.BeginDrain
	return emptyMap, nil
}

// writable refuses a request whose sender may not change anything.
func (r *request) writable() error {
	if r.mayWrite == nil {
		return failed(403, "This management node is read-only")
	}
	if err := r.mayWrite(); err != nil {
		return failed(403, "Not allowed: %v", err)
	}
	return nil
}
