package mesh

import (
	"fmt"
	"slices"

	"github.com/postroad/postroad/addressing"
)

// input takes a control message apart and gives it to whom it concerns. What is wrong with a message ends the message,
// never the link.
func (n *Node) input(l *link, payload []byte) {
	if len(payload) > n.config.MaxMessage {
		n.malformed(l, fmt.Errorf("%d octets, at most %d are accepted", len(payload), n.config.MaxMessage))
		return
	}
	if n.sameHello(l, payload) {
		return
	}
	e, err := decodeEnvelope(payload)
	if err != nil {
		n.malformed(l, err)
		return
	}
	a := n.self.Parse(string(e.to))
	op := parseOpcode(e.opcode)
	if a.Class == addressing.ClassLocal && a.Text == pathHello {
		n.inputHello(l, e, op, payload)
		return
	}
	if op == OpcodeRA && len(e.routers) > 1 && e.routers[0] == n.config.ID {
		n.heardMyself(e)
	}
	if !n.checkTrace(l, e) {
		return
	}
	switch {
	case a.Class == addressing.ClassRouter && (a.Rest == pathRouter || a.Rest == pathMobile):
		n.forwardTo(e, a.Text)
		return
	case a.Class == addressing.ClassTopological && a.Text == pathRouter && op == OpcodeRA:
	case a.Class == addressing.ClassTopological && a.Text == pathMobile && op == OpcodeMAU:
	case a.Class == addressing.ClassLocal && a.Text == pathRouter &&
		(op == OpcodeLSR || op == OpcodeLSU || op == OpcodeWithhold):
	case a.Class == addressing.ClassLocal && a.Text == pathMobile && (op == OpcodeMAR || op == OpcodeMAU):
	default:
		n.counters.Dropped[DropMalformed]++
		n.complain(LevelError, ModuleRouter, subject("address", l),
			"Control message from router %s: opcode %.20q at %.80q is not known", l.peer, e.opcode, e.to)
		return
	}
	m := n.decode(l, e, op)
	if m == nil {
		return
	}
	if string(e.ingress) != m.id || e.routers[0] != m.id {
		n.counters.Dropped[DropSpoofed]++
		n.complain(LevelError, ModuleRouter, subject("origin", l),
			"%v from router %s says that it is of %.80q, but it was made by %.80q", op, l.peer, m.id, e.ingress)
		return
	}
	n.handle(l, e, op, m, a.Class == addressing.ClassTopological)
}

func (n *Node) handle(l *link, e *envelope, op Opcode, m *message, multicast bool) {
	tooNew := n.tooNew(op, m)
	switch {
	case op == OpcodeRA && tooNew:
		if r := n.routers[m.id]; r != nil {
			n.floodRA(l, e, r, m)
		}
	case op == OpcodeRA:
		if r := n.handleRA(m, len(e.routers) == 1); r != nil {
			n.floodRA(l, e, r, m)
		}
	case op == OpcodeMAU && multicast:
		r := n.routers[m.id]
		if r == nil {
			n.unknownRouter(op, m.id)
			return
		}
		if !tooNew {
			n.handleMAU(r, m)
		}
		n.floodMAU(l, e, r, m)
	case tooNew:
	case op == OpcodeLSR:
		n.handleLSR(m)
	case op == OpcodeLSU:
		n.handleLSU(m)
	case op == OpcodeWithhold:
		n.handleWithhold(m)
	case op == OpcodeMAR || op == OpcodeMAU:
		r := n.routers[m.id]
		switch {
		case r == nil:
			n.unknownRouter(op, m.id)
		case op == OpcodeMAR:
			n.handleMAR(r, m)
		default:
			n.handleMAU(r, m)
		}
	}
}

// inputHello takes a HELLO, which must come straight from the router at the other end of the link.
func (n *Node) inputHello(l *link, e *envelope, op Opcode, payload []byte) {
	if op != OpcodeHello {
		n.malformed(l, fmt.Errorf("opcode %.20q at %s, must be HELLO", e.opcode, pathHello))
		return
	}
	m := n.decode(l, e, op)
	if m == nil || n.tooNew(op, m) {
		return
	}
	if len(e.routers) > 1 || len(e.routers) == 1 && e.routers[0] != m.id {
		n.counters.Dropped[DropSpoofed]++
		n.complain(LevelError, ModuleHello, subject("hello", l),
			"HELLO on link %d is of %.80q, but came by way of %.80q: ignored", l.id, m.id, e.routers)
		return
	}
	n.handleHello(l, m)
	if l.hearing && l.peer == m.id && m.probe == (probe{}) {
		l.got, l.gotten = append(l.got[:0], payload...), *m
	}
}

// checkTrace reports whether the message may be taken: the router at the other end of the link has said hello and is
// the last in the trace, and this router is not in the trace.
func (n *Node) checkTrace(l *link, e *envelope) bool {
	switch {
	case slices.Contains(e.routers, n.config.ID):
		n.counters.Dropped[DropLoop]++
		return false
	case l.peer == "" || !l.hearing || l.refused:
		n.counters.Dropped[DropNoHello]++
		return false
	case len(e.routers) == 0 || e.routers[len(e.routers)-1] != l.peer:
		n.counters.Dropped[DropSpoofed]++
		n.complain(LevelError, ModuleRouter, subject("trace", l),
			"Control message from router %s has the trace %.200q: ignored", l.peer, e.routers)
		return false
	}
	return true
}

func (n *Node) decode(l *link, e *envelope, op Opcode) *message {
	m, err := decodeMessage(op, e.body, limits{peers: n.config.MaxRouters, addresses: n.config.MaxAddresses})
	if err != nil {
		n.malformed(l, fmt.Errorf("%v: %w", op, err))
		return nil
	}
	n.counters.Received[op]++
	return m
}

func (n *Node) malformed(l *link, err error) {
	n.counters.Dropped[DropMalformed]++
	n.complain(LevelError, ModuleRouter, subject("malformed", l), "Control message error: link %d, router %q: %.300v",
		l.id, l.peer, err)
}

// tooNew reports whether the message is of a later version of the protocol, and logs it once for a while.
func (n *Node) tooNew(op Opcode, m *message) bool {
	if m.version <= ProtocolVersion {
		return false
	}
	n.counters.Dropped[DropVersion]++
	n.complain(LevelWarning, ModuleRouter, "version", "Received %v at protocol version %d from %s.  Ignoring.", op,
		m.version, m.id)
	return true
}

func (n *Node) unknownRouter(op Opcode, id string) {
	n.counters.Dropped[DropUnknownRouter]++
	n.complain(LevelWarning, ModuleMA, "unknown", "Received %v from an unknown router with router id %s", op, id)
}

// subject names a kind of complaint about a link.
func subject(kind string, l *link) string { return fmt.Sprintf("%s %d", kind, l.id) }
