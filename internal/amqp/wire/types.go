package wire

// Role tells which side of a link the sender of a performative plays [2.8.1].
type Role bool

// The two roles [2.8.1].
const (
	RoleSender   Role = false
	RoleReceiver Role = true
)

// SenderSettleMode is the settlement policy of a sender [2.8.2].
type SenderSettleMode uint8

// Sender settle modes [2.8.2].
const (
	SenderUnsettled SenderSettleMode = 0
	SenderSettled   SenderSettleMode = 1
	SenderMixed     SenderSettleMode = 2
)

// ReceiverSettleMode is the settlement policy of a receiver [2.8.3].
type ReceiverSettleMode uint8

// Receiver settle modes [2.8.3].
const (
	ReceiverFirst  ReceiverSettleMode = 0
	ReceiverSecond ReceiverSettleMode = 1
)

// Symbol is an AMQP symbol [1.6.21]: ASCII text of a constrained domain.
type Symbol string

// Raw is one encoded AMQP value, carried through unchanged. It is well formed when it comes from a decoder of this
// package. Nil means absent (null).
type Raw []byte

// Open is the performative that negotiates connection parameters [2.7.1].
type Open struct {
	ContainerID         string
	Hostname            string
	MaxFrameSize        uint32 // octets; decoding yields 4294967295 when absent
	ChannelMax          uint16 // highest channel number; decoding yields 65535 when absent
	IdleTimeOut         uint32 // milliseconds, 0 = none
	OutgoingLocales     []Symbol
	IncomingLocales     []Symbol
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Raw // map or nil
}

// Begin is the performative that begins a session on a channel [2.7.2].
type Begin struct {
	RemoteChannel       uint16
	HasRemoteChannel    bool
	NextOutgoingID      uint32
	IncomingWindow      uint32
	OutgoingWindow      uint32
	HandleMax           uint32 // decoding yields 4294967295 when absent
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Raw
}

// Attach is the performative that attaches a link to a session [2.7.3].
type Attach struct {
	Name                 string
	Handle               uint32
	Role                 Role
	SndSettleMode        SenderSettleMode // decoding yields SenderMixed when absent
	RcvSettleMode        ReceiverSettleMode
	Source               *Source
	Target               *Target      // nil when absent or when Coordinator is set
	Coordinator          *Coordinator // set when the target is a coordinator
	Unsettled            Raw          // map or nil
	IncompleteUnsettled  bool
	InitialDeliveryCount uint32
	HasInitialDelivery   bool
	MaxMessageSize       uint64 // octets, 0 = no limit
	OfferedCapabilities  []Symbol
	DesiredCapabilities  []Symbol
	Properties           Raw
}

// Source is the source terminus of a link [3.5.3].
type Source struct {
	Address               string
	HasAddress            bool   // false when the address is null
	Durable               uint32 // 0 none, 1 configuration, 2 unsettled-state [3.5.5]
	ExpiryPolicy          Symbol // decoding yields "session-end" when absent [3.5.6]
	Timeout               uint32 // seconds
	Dynamic               bool
	DynamicNodeProperties Raw
	DistributionMode      Symbol
	Filter                Raw
	DefaultOutcome        Raw
	Outcomes              []Symbol
	Capabilities          []Symbol
	// SingleCapability says that Capabilities holds one element that is or was encoded as a plain symbol and not as
	// an array of one. Encoding honours it: some peers accept only one of the two forms.
	SingleCapability bool
}

// Target is the target terminus of a link [3.5.4].
type Target struct {
	Address               string
	HasAddress            bool
	Durable               uint32
	ExpiryPolicy          Symbol
	Timeout               uint32
	Dynamic               bool
	DynamicNodeProperties Raw
	Capabilities          []Symbol
	SingleCapability      bool // as in Source
}

// Coordinator is the target of a transaction controller's link [4.5.1].
type Coordinator struct {
	Capabilities []Symbol
}

// Flow is the performative that updates session and link flow state [2.7.4].
type Flow struct {
	NextIncomingID    uint32
	IncomingWindow    uint32
	NextOutgoingID    uint32
	OutgoingWindow    uint32
	Handle            uint32
	DeliveryCount     uint32
	LinkCredit        uint32
	Available         uint32
	HasNextIncomingID bool
	HasHandle         bool
	HasDeliveryCount  bool
	HasLinkCredit     bool
	HasAvailable      bool
	Drain             bool
	Echo              bool
	Properties        Raw
}

// Transfer is the performative that carries a delivery or a part of one [2.7.5]. The payload follows it in the frame.
type Transfer struct {
	Handle           uint32
	DeliveryID       uint32
	MessageFormat    uint32
	DeliveryTag      []byte // nil when absent; references the input after decoding
	HasDeliveryID    bool
	HasMessageFormat bool
	Settled          bool
	HasSettled       bool
	More             bool
	RcvSettleMode    ReceiverSettleMode
	HasRcvSettleMode bool
	Resume           bool
	Aborted          bool
	Batchable        bool
	State            State
}

// Disposition is the performative that informs the peer of state changes of deliveries [2.7.6].
type Disposition struct {
	Role      Role
	First     uint32
	Last      uint32 // equals First when absent
	Settled   bool
	Batchable bool
	State     State
}

// Detach is the performative that detaches a link [2.7.7].
type Detach struct {
	Handle uint32
	Closed bool
	Error  *Error
}

// End is the performative that ends a session [2.7.8].
type End struct{ Error *Error }

// Close is the performative that closes a connection [2.7.9].
type Close struct{ Error *Error }

// Error is the AMQP error composite that a detach, end, close or rejected outcome carries [2.8.14].
type Error struct {
	Condition   Symbol
	Description string
	Info        Raw // map or nil
}

// Error makes *Error a Go error: "condition: description".
func (e *Error) Error() string {
	if e.Description == "" {
		return string(e.Condition)
	}
	return string(e.Condition) + ": " + e.Description
}

// StateKind classifies a delivery state by its descriptor [3.4].
type StateKind uint8

// Delivery states. StateNone is "no state given", StateOther a described type that this package does not know, which
// is carried through in State.Raw.
const (
	StateNone StateKind = iota
	StateReceived
	StateAccepted
	StateRejected
	StateReleased
	StateModified
	StateDeclared
	StateTransactional
	StateOther
)

// State is a delivery state [3.4]. Raw is its whole encoding and may be nil for kinds that need no fields
// (StateNone, StateAccepted, StateReleased, StateRejected without an error, StateModified without fields): the kind
// alone is then encoded. After decoding, Raw references the input, except that it is nil for an accepted or released
// state that carries no fields.
type State struct {
	Kind StateKind
	Raw  Raw
}

// SASLMechanisms announces the mechanisms of a SASL server [5.3.3.1].
type SASLMechanisms struct{ Mechanisms []Symbol }

// SASLInit selects a mechanism and may carry an initial response [5.3.3.2].
type SASLInit struct {
	Mechanism          Symbol
	InitialResponse    []byte
	HasInitialResponse bool
	Hostname           string
}

// SASLChallenge carries a challenge of the server [5.3.3.3].
type SASLChallenge struct{ Challenge []byte }

// SASLResponse carries a response of the client [5.3.3.4].
type SASLResponse struct{ Response []byte }

// SASLOutcome ends the exchange [5.3.3.5]. Code 0 is success, 1 an authentication failure [5.3.3.6].
type SASLOutcome struct {
	Code           uint8
	AdditionalData []byte
}
