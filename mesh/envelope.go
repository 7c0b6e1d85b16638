package mesh

import (
	"fmt"

	"github.com/postroad/postroad/addressing"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// The addresses of control messages behind the name of the router or of all of them.
const (
	pathHello  = "qdhello"
	pathRouter = "qdrouter"
	pathMobile = "qdrouter.ma"
)

// The annotations of a message that routers pass on.
const (
	annotationIngress = "x-opt-qd.ingress"
	annotationTrace   = "x-opt-qd.trace"
)

// envelope is what a control message has around its body. It references the octets of the message.
type envelope struct {
	head []byte // the sections before the message-annotations
	tail []byte // the sections behind them

	ingress []byte // id of the router that made the message; nil if the message does not say
	trace   []byte // the encoded values of the trace
	routers []string
	to      []byte
	opcode  []byte
	body    []byte // the value of the amqp-value section
}

// maxTrace bounds the number of routers in a trace.
const maxTrace = 1024

// decodeEnvelope takes a message apart. The sections must come in the order of [3.2], each at most once. The order
// decides where the annotations of a forwarded message go.
func decodeEnvelope(msg []byte) (*envelope, error) {
	e := &envelope{}
	last := uint64(0)
	for b := msg; len(b) > 0; {
		code, value, err := wire.ReadDescriptor(b)
		if err != nil {
			return nil, err
		}
		n, err := wire.Skip(value)
		if err != nil {
			return nil, err
		}
		if code <= last || code < wire.DescriptorHeader || code > wire.DescriptorFooter {
			return nil, fmt.Errorf("section 0x%02x after 0x%02x", code, last)
		}
		last = code
		rest := value[n:]
		switch code {
		case wire.DescriptorHeader, wire.DescriptorDeliveryAnnotations:
			e.head = msg[:len(msg)-len(rest)]
		case wire.DescriptorMessageAnnotations:
			err = e.decodeAnnotations(value[:n])
		case wire.DescriptorProperties:
			err = e.decodeProperties(value[:n])
		case wire.DescriptorApplicationProperties:
			err = e.decodeApplicationProperties(value[:n])
		case wire.DescriptorAMQPValue:
			e.body = value[:n]
		case wire.DescriptorData, wire.DescriptorAMQPSequence:
			err = fmt.Errorf("body of section 0x%02x, must be an amqp-value", code)
		}
		if err != nil {
			return nil, err
		}
		if code <= wire.DescriptorMessageAnnotations {
			e.tail = rest
		}
		b = rest
	}
	if e.tail == nil {
		e.tail = msg
	}
	switch {
	case e.to == nil:
		return nil, fmt.Errorf("no address in the field to")
	case e.opcode == nil:
		return nil, fmt.Errorf("no application property opcode")
	case e.body == nil:
		return nil, fmt.Errorf("no amqp-value section")
	}
	return e, nil
}

func (e *envelope) decodeAnnotations(value []byte) error {
	count, b, _, err := wire.ReadMapHeader(value)
	for ; err == nil && count > 0; count -= 2 {
		var key []byte
		if key, b, err = wire.ReadText(b); err != nil {
			return fmt.Errorf("key of an annotation: %w", err)
		}
		switch string(key) {
		case annotationIngress:
			var node []byte
			if node, b, err = wire.ReadText(b); err != nil {
				return fmt.Errorf("ingress: %w", err)
			}
			id, ok := addressing.RouterOfNode(node)
			if !ok {
				return fmt.Errorf("ingress %q, must be 0/<router id>", node)
			}
			e.ingress = id
		case annotationTrace:
			if b, err = e.decodeTrace(b); err != nil {
				return fmt.Errorf("trace: %w", err)
			}
		default:
			var n int
			n, err = wire.Skip(b)
			b = b[n:]
		}
	}
	return err
}

func (e *envelope) decodeTrace(b []byte) (rest []byte, err error) {
	count, b, rest, err := wire.ReadListHeader(b)
	if err != nil {
		return nil, err
	}
	if count > maxTrace {
		return nil, fmt.Errorf("%d routers, at most %d are possible", count, maxTrace)
	}
	e.trace = b
	e.routers = make([]string, count)
	for i := range e.routers {
		var node []byte
		if node, b, err = wire.ReadText(b); err != nil {
			return nil, err
		}
		id, ok := addressing.RouterOfNode(node)
		if !ok {
			return nil, fmt.Errorf("node %q, must be 0/<router id>", node)
		}
		e.routers[i] = string(id)
	}
	return rest, nil
}

// decodeProperties finds the third field, to [3.2.4].
func (e *envelope) decodeProperties(value []byte) error {
	count, b, _, err := wire.ReadListHeader(value)
	if err != nil || count < 3 {
		return err
	}
	for range 2 {
		n, err := wire.Skip(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	if wire.IsNull(b) {
		return nil
	}
	if e.to, _, err = wire.ReadText(b); err != nil {
		return fmt.Errorf("to: %w", err)
	}
	return nil
}

func (e *envelope) decodeApplicationProperties(value []byte) error {
	count, b, _, err := wire.ReadMapHeader(value)
	for ; err == nil && count > 0; count -= 2 {
		var key []byte
		if key, b, err = wire.ReadText(b); err != nil {
			return fmt.Errorf("key of an application property: %w", err)
		}
		if string(key) == "opcode" {
			if e.opcode, b, err = wire.ReadText(b); err != nil {
				return fmt.Errorf("opcode: %w", err)
			}
			continue
		}
		n, err := wire.Skip(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return err
}

// appendForwarded appends the message with one more router at the end of its trace. Annotations that are not about
// ingress and trace stay behind.
func (e *envelope) appendForwarded(dst []byte, node string) []byte {
	dst = append(dst, e.head...)
	ingress := node
	if e.ingress != nil {
		ingress = addressing.NodeName(string(e.ingress))
	}
	dst = appendAnnotations(dst, ingress, e.trace, len(e.routers), node)
	return append(dst, e.tail...)
}

// appendAnnotations appends the message-annotations section: the ingress, and the trace of count encoded values with
// node at its end.
func appendAnnotations(dst []byte, ingress string, trace []byte, count int, node string) []byte {
	var buffer [512]byte
	own := wire.AppendString(buffer[:0], node)
	list := wire.AppendListHeader(nil, len(trace)+len(own), count+1)
	content := wire.AppendSymbol(make([]byte, 0, 64+len(ingress)+len(trace)+len(own)), annotationIngress)
	content = wire.AppendString(content, ingress)
	content = wire.AppendSymbol(content, annotationTrace)
	content = append(append(append(content, list...), trace...), own...)
	dst = wire.AppendDescriptor(dst, wire.DescriptorMessageAnnotations)
	dst = wire.AppendMapHeader(dst, len(content), 2)
	return append(dst, content...)
}

// encode returns a whole new control message of this router.
func encode(node string, to string, op Opcode, m *message) []byte {
	native := op == OpcodeMAR || op == OpcodeMAU
	dst := wire.AppendDescriptor(nil, wire.DescriptorHeader)
	b := composer{dst: dst, native: native}
	b.open(wire.CodeList32)
	b.dst = wire.AppendBool(b.dst, false) // durable
	b.counted()
	b.close()

	b.dst = appendAnnotations(b.dst, node, nil, 0, node)

	b.dst = wire.AppendDescriptor(b.dst, wire.DescriptorProperties)
	b.open(wire.CodeList32)
	b.dst = wire.AppendNull(wire.AppendNull(b.dst)) // message-id, user-id
	b.dst = wire.AppendString(b.dst, to)
	b.stack[0].count = 3
	if !native {
		b.dst = wire.AppendNull(wire.AppendNull(wire.AppendNull(b.dst))) // subject, reply-to, correlation-id
		b.stack[0].count = 6
	}
	b.close()

	b.dst = wire.AppendDescriptor(b.dst, wire.DescriptorApplicationProperties)
	b.open(wire.CodeMap32)
	b.text("opcode", op.String())
	b.close()

	b.dst = wire.AppendDescriptor(b.dst, wire.DescriptorAMQPValue)
	return m.appendBody(b.dst, op)
}
