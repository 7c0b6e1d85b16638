package contract

// malformed has messages that are none.
func malformed(c *Cell) {
	r := c.Settling(c.Last(), 10, accepted)
	s := c.Sender()
	payloads := []string{"no section", "\x00\x53\x72\x45", "\x00\x53\x72\xc1\xc8\x02", "\x00\x53\x70\xc1\x01\x00"}
	for _, payload := range payloads {
		if sent := s.Deliver(payload, c.column.settled()); !c.column.settled() {
			c.See(sent.Outcome())
		}
	}
	if c.column.settled() {
		c.Dropped(c.First(), s, len(payloads))
		c.See("dropped, counted")
	}
	c.Alive(s, r)
	c.Check(r.Count() == 1, "%d are delivered", r.Count()-1)
	c.See("the link goes on")
}

// reserved has receivers on addresses of the routers' own.
func reserved(c *Cell) {
	client := c.Dial(c.First())
	for _, address := range []string{"$management", "_topo/0/A/$management", "_topo/all/all/qdrouter", "_edge/e/x"} {
		c.refused(client.Receiver(address, 0))
	}
	c.See("the connection goes on")
}

// unavailable has a sender to an address that is configured as unavailable.
func unavailable(c *Cell) {
	c.refused(c.Dial(c.First()).Sender(Unavailable + "/x"))
	c.See("the connection goes on")
}

// refused looks whether an attach was refused, which its detach says.
func (c *Cell) refused(l *Link) {
	l.c.Sync()
	l.c.mu.Lock()
	detach := l.Detach
	l.c.mu.Unlock()
	switch {
	case detach == nil:
		c.See("attached")
	case detach.Error == nil:
		c.See("attach refused")
	default:
		c.Seef("attach refused: %s", detach.Error.Condition)
	}
}
