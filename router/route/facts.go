package route

import "github.com/postroad/postroad/internal/amqp/message"

// Facts is what the choice of targets goes by: those of a message, or of its copy for the next hop of an exchange.
type Facts struct {
	Address      *Address
	E            *message.Envelope // as it came to this router; empty where the message enters the mesh here
	From         string            // node name of the neighbor that it came from
	Flow         uint32            // chooses among equal ways, 0 for the first one
	Transit      bool              // it came from another router
	Doubles      bool              // it may go twice: a client's, whose sender wants an outcome
	FromFallback bool              // its sender is the fallback of the address
	Tried        []Tried           // where it went before

	hop *NextHop // nil for no copy
	// astray says that no router on the tree of the ingress router has a consumer: any other will do, that the message has
	// not passed. While the mesh converges, and on an alternate way, routers do not see the same trees.
	astray bool
	// steered says that the message is on its way to the router that its ingress router has chosen.
	steered bool
}

// Tried is a neighbor that a message, or its copy for the next hop of an exchange, was given to: each is tried once.
type Tried struct {
	To  *Neighbor
	Hop *NextHop
}

func (f *Facts) hasTried(to *Neighbor) bool {
	for _, t := range f.Tried {
		if t.To == to && t.Hop == f.hop {
			return true
		}
	}
	return false
}

// IsBound reports whether a message is one of two copies for another router's consumers. It goes nowhere else: somebody
// could get both.
func (c *Chooser) IsBound(e *message.Envelope) bool {
	return e.PathCount > 0 && string(e.Egress) != c.NodeName
}

// Target is where a message will go: to a consumer here, or to another router.
type Target struct {
	Consumer *Consumer
	Remote   *Remote
	To       *Neighbor // next hop: the link is chosen when the message is handed over
	Steered  bool      // it goes to the router that its ingress router has chosen
	Pair     *Pair     // it is one of two copies
}
