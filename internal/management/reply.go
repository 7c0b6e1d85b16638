package management

import (
	"github.com/postroad/postroad/internal/amqp/message"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// emptyMap is the encoding of a map without pairs.
var emptyMap = wire.AppendMapHeader(nil, 0, 0)

// appendReply appends the reply to r: properties with to and correlation-id, application properties with the status,
// and the encoded body as an amqp-value section.
func (r *request) appendReply(dst []byte, s status, body []byte) ([]byte, error) {
	head := message.Message{
		Properties: &message.Properties{To: r.replyTo, CorrelationID: r.correlation},
		ApplicationProperties: wire.Map{
			{Key: "statusDescription", Value: s.description},
			{Key: "statusCode", Value: s.code},
		},
	}
	dst, err := head.Append(dst)
	if err != nil {
		return nil, err
	}
	return append(wire.AppendDescriptor(dst, wire.DescriptorAMQPValue), body...), nil
}

// appendPairsMap appends a map of so many pairs, which are encoded one after the other.
func appendPairsMap(dst []byte, pairs int, content []byte) []byte {
	return append(wire.AppendMapHeader(dst, len(content), pairs), content...)
}
