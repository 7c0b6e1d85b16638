package wire

// Descriptors of the performatives and of the composite types that stand in them [2.7, 2.8, 3.4, 3.5, 4.5, 5.3].
const (
	DescriptorOpen                    uint64 = 0x10
	DescriptorBegin                   uint64 = 0x11
	DescriptorAttach                  uint64 = 0x12
	DescriptorFlow                    uint64 = 0x13
	DescriptorTransfer                uint64 = 0x14
	DescriptorDisposition             uint64 = 0x15
	DescriptorDetach                  uint64 = 0x16
	DescriptorEnd                     uint64 = 0x17
	DescriptorClose                   uint64 = 0x18
	DescriptorError                   uint64 = 0x1d
	DescriptorReceived                uint64 = 0x23
	DescriptorAccepted                uint64 = 0x24
	DescriptorRejected                uint64 = 0x25
	DescriptorReleased                uint64 = 0x26
	DescriptorModified                uint64 = 0x27
	DescriptorSource                  uint64 = 0x28
	DescriptorTarget                  uint64 = 0x29
	DescriptorDeleteOnClose           uint64 = 0x2b
	DescriptorDeleteOnNoLinks         uint64 = 0x2c
	DescriptorDeleteOnNoMessages      uint64 = 0x2d
	DescriptorDeleteOnNoLinksMessages uint64 = 0x2e
	DescriptorCoordinator             uint64 = 0x30
	DescriptorDeclare                 uint64 = 0x31
	DescriptorDischarge               uint64 = 0x32
	DescriptorDeclared                uint64 = 0x33
	DescriptorTransactionalState      uint64 = 0x34
	DescriptorSASLMechanisms          uint64 = 0x40
	DescriptorSASLInit                uint64 = 0x41
	DescriptorSASLChallenge           uint64 = 0x42
	DescriptorSASLResponse            uint64 = 0x43
	DescriptorSASLOutcome             uint64 = 0x44
)

// Descriptors of the sections of a message [3.2].
const (
	DescriptorHeader                uint64 = 0x70
	DescriptorDeliveryAnnotations   uint64 = 0x71
	DescriptorMessageAnnotations    uint64 = 0x72
	DescriptorProperties            uint64 = 0x73
	DescriptorApplicationProperties uint64 = 0x74
	DescriptorData                  uint64 = 0x75
	DescriptorAMQPSequence          uint64 = 0x76
	DescriptorAMQPValue             uint64 = 0x77
	DescriptorFooter                uint64 = 0x78
)

// symbolicDescriptor gives the code for the symbolic form of each descriptor.
var symbolicDescriptor = map[string]uint64{
	"amqp:open:list":                           DescriptorOpen,
	"amqp:begin:list":                          DescriptorBegin,
	"amqp:attach:list":                         DescriptorAttach,
	"amqp:flow:list":                           DescriptorFlow,
	"amqp:transfer:list":                       DescriptorTransfer,
	"amqp:disposition:list":                    DescriptorDisposition,
	"amqp:detach:list":                         DescriptorDetach,
	"amqp:end:list":                            DescriptorEnd,
	"amqp:close:list":                          DescriptorClose,
	"amqp:error:list":                          DescriptorError,
	"amqp:received:list":                       DescriptorReceived,
	"amqp:accepted:list":                       DescriptorAccepted,
	"amqp:rejected:list":                       DescriptorRejected,
	"amqp:released:list":                       DescriptorReleased,
	"amqp:modified:list":                       DescriptorModified,
	"amqp:source:list":                         DescriptorSource,
	"amqp:target:list":                         DescriptorTarget,
	"amqp:delete-on-close:list":                DescriptorDeleteOnClose,
	"amqp:delete-on-no-links:list":             DescriptorDeleteOnNoLinks,
	"amqp:delete-on-no-messages:list":          DescriptorDeleteOnNoMessages,
	"amqp:delete-on-no-links-or-messages:list": DescriptorDeleteOnNoLinksMessages,
	"amqp:coordinator:list":                    DescriptorCoordinator,
	"amqp:declare:list":                        DescriptorDeclare,
	"amqp:discharge:list":                      DescriptorDischarge,
	"amqp:declared:list":                       DescriptorDeclared,
	"amqp:transactional-state:list":            DescriptorTransactionalState,
	"amqp:sasl-mechanisms:list":                DescriptorSASLMechanisms,
	"amqp:sasl-init:list":                      DescriptorSASLInit,
	"amqp:sasl-challenge:list":                 DescriptorSASLChallenge,
	"amqp:sasl-response:list":                  DescriptorSASLResponse,
	"amqp:sasl-outcome:list":                   DescriptorSASLOutcome,
	"amqp:header:list":                         DescriptorHeader,
	"amqp:delivery-annotations:map":            DescriptorDeliveryAnnotations,
	"amqp:message-annotations:map":             DescriptorMessageAnnotations,
	"amqp:properties:list":                     DescriptorProperties,
	"amqp:application-properties:map":          DescriptorApplicationProperties,
	"amqp:data:binary":                         DescriptorData,
	"amqp:amqp-sequence:list":                  DescriptorAMQPSequence,
	"amqp:amqp-value:*":                        DescriptorAMQPValue,
	"amqp:footer:map":                          DescriptorFooter,
}

// PeekDescriptor returns the descriptor code of the described value that starts at body[0], be it encoded as ulong or
// as the symbol of a type of the specification. It reads nothing after the descriptor.
func PeekDescriptor(body []byte) (code uint64, err error) {
	code, _, err = ReadDescriptor(body)
	return code, err
}

// ReadDescriptor returns the descriptor code of the described value that starts at b[0] and the octets after the
// descriptor, at which the value's own format code stands.
func ReadDescriptor(b []byte) (code uint64, rest []byte, err error) {
	if len(b) >= 3 && b[0] == CodeDescribed && b[1] == CodeSmallUlong {
		return uint64(b[2]), b[3:], nil
	}
	code, next, bad := descriptorAt(b, 0)
	if bad != nil {
		return 0, nil, bad
	}
	return code, b[next:], nil
}

// descriptorAt decodes the descriptor of the described value at b[i] and returns the position of the value.
func descriptorAt(b []byte, i int) (code uint64, next int, bad *DecodeError) {
	if i >= len(b) {
		return 0, 0, malformed(i, "nothing where a described value should start")
	}
	if b[i] != CodeDescribed {
		return 0, 0, malformed(i, "format code %s where a described value (0x00) should start", describeCode(b[i]))
	}
	i++
	if v, next, ok := ulongAt(b, i); ok {
		return v, next, nil
	}
	if i < len(b) && (b[i] == CodeSymbol8 || b[i] == CodeSymbol32) {
		name, next, bad := variableAt(b, i)
		if bad != nil {
			return 0, 0, bad
		}
		if code, ok := symbolicDescriptor[string(name)]; ok {
			return code, next, nil
		}
		return 0, 0, malformed(i, "unknown symbolic descriptor %q", clip(name))
	}
	if bad := wellFormed(b, i); bad != nil {
		return 0, 0, bad
	}
	return 0, 0, malformed(i, "descriptor of format code %s where a ulong or symbol should stand", describeCode(b[i]))
}

// clip keeps text from a peer short, for error messages.
func clip(text []byte) string {
	const most = 64
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
