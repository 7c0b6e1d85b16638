package engine

import "github.com/postroad/postroad/internal/amqp/wire"

// inputWork is how many units of work one input does about: a unit is a frame, a live delivery visited, or a frame
// written for one that was aborted.
const inputWork = 2000

// continuation is what an input has left of a frame whose work is more than that of one input: a disposition of many
// deliveries, or a flow that opens the window for many aborting frames. It holds numbers only: commands may come between
// two inputs, and what the second finds is what counts.
type continuation struct {
	kind     continued
	session  SessionID
	from, to uint64           // positions in the table of unsettled deliveries
	state    wire.Disposition // its State references no input
}

type continued uint8

const (
	nothing continued = iota
	dispositions
	aborts
)

// later keeps what is left of a frame.
func (c *Connection) later(k continuation) { c.cont, c.stop = k, true }

// spent reports whether the current input has done its share: its caller lets others work before it goes on.
func (c *Connection) spent() bool { return c.work >= inputWork || len(c.events) >= eventBatch }

// goOn does what the last input has left to do, as far as this one's share goes.
func (c *Connection) goOn() {
	k := &c.cont
	s := &c.sessions[k.session]
	if c.phase != phaseOpened || s.local != mapped || s.ending {
		c.cont = continuation{} // everything from the peer is discarded
		return
	}
	switch k.kind {
	case dispositions:
		if k.from = c.dispose(s, &k.state, k.from, k.to); k.from < k.to {
			c.stop = true
		} else {
			c.cont = continuation{}
		}
	case aborts:
		c.cont = continuation{}
		c.writeAborts(s)
	}
}

// Continues reports whether Input is to be called again, with the octets that are left or with none. Either the last one
// has stopped inside a frame of much work, or after as many frames or events as one input may have. Or a command has
// failed since, which the next input reports.
func (c *Connection) Continues() bool { return c.continues || len(c.deferred) > 0 }
