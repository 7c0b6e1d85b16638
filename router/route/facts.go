package route

import "github.com/postroad/postroad/internal/amqp/message"

// Facts is what the choice of targets goes by: the facts of one message, or of its copy for the next hop of an
// exchange.
type Facts struct {
	Address      *Address
	E            *message.Envelope // as it came to this router; empty where the message enters the mesh here
	From         string            // node name of the neighbor that the message came from
	Flow         uint32            // chooses among equal ways; 0 for the next hop
	Transit      bool              // the message came from another router
	Doubles      bool              // the message may go twice: a client sent it, who wants an outcome
	FromFallback bool              // the sender is the fallback of the address
	Tried        []Tried           // where the message went before

	hop *NextHop // the copy is for; nil for no copy
	// astray says that no router on the tree of the ingress router has a consumer: any other one will do that the
	// message has not passed. While the mesh converges, and on an alternate, routers do not see the same trees.
	astray bool
	// steered says that the message is on its way to the router that its ingress router has chosen.
	steered bool
}

// Tried is a neighbor that a message was given to, or its copy for the next hop of an exchange. Each is tried once.
type Tried struct {
	To  *Neighbor
	Hop *NextHop // nil for no copy
}

// hasTried reports whether the message, or its copy for the same next hop, was given to a neighbor before.
func (f *Facts) hasTried(to *Neighbor) bool {
	for _, t := range f.Tried {
		if t.To == to && t.Hop == f.hop {
			return true
		}
	}
	return false
}

// IsBound reports whether a message is one of two copies for the consumers of another router. Such a copy goes nowhere
// else, since somebody could get both.
func (c *Chooser) IsBound(e *message.Envelope) bool {
	return e.PathCount > 0 && string(e.Egress) != c.NodeName
}

// Target is where a message will go: to a consumer here, or to another router.
type Target struct {
	Consumer *Consumer // nil for another router, until the message is handed over
	Remote   *Remote   // the router that the message is for; nil for a consumer here, or where a path is followed
	To       *Neighbor // next hop; nil for a consumer here
	Steered  bool      // the message goes to the router that its ingress router has chosen
	Pair     *Pair     // the message is one of two copies; nil for all others
}
