package management

import (
	"errors"
	"fmt"
	"strings"
)

// Operations, as the property operation of a request spells them.
const (
	opQuery          = "QUERY"
	opCreate         = "CREATE"
	opRead           = "READ"
	opUpdate         = "UPDATE"
	opDelete         = "DELETE"
	opGetTypes       = "GET-TYPES"
	opGetAttributes  = "GET-ATTRIBUTES"
	opGetOperations  = "GET-OPERATIONS"
	opGetAnnotations = "GET-ANNOTATIONS"
	opGetMgmtNodes   = "GET-MGMT-NODES"
	opGetSchema      = "GET-SCHEMA"
	opGetJSONSchema  = "GET-JSON-SCHEMA"
	opGetLog         = "GET-LOG"
	opDrain          = "DRAIN"
)

// DefaultMaxReply is the size in octets past which the body of a reply is refused.
const DefaultMaxReply = 8 << 20

// Request is a message that arrived at the management node.
type Request struct {
	Message []byte // the whole encoded message, from the header to the footer
	// MayWrite says why the requester may not change anything, nil if they may; it is asked only for operations that do.
	// Without it, nobody may.
	MayWrite func() error
}

// Reply is the answer to a request.
type Reply struct {
	To      string // the request's reply-to
	Message []byte // the whole encoded message
	// OK is false when there is nothing to send: the request asked for no reply, or could not be decoded.
	OK bool
	// Err says why the request could not be decoded (a [*wire.DecodeError]); its delivery is to be rejected. In all
	// other cases it is nil, and the delivery accepted, whether the operation succeeded or not.
	Err error
	// Then is to be called once the message is sent, if it is not nil: it does what was asked for.
	Then func()
}

// Options are the settings of a node. The zero value of a field means its default.
type Options struct {
	MaxReply int // octets of a reply's body; DefaultMaxReply when 0
}

// Node is the management node of a router. It has no state but its tables: all methods may be called from several
// goroutines at once if the source's may.
type Node struct {
	source   Source
	schema   *schema
	tables   []*table
	maxReply int
}

// NewNode returns the management node that shows what src has.
func NewNode(src Source, options Options) *Node {
	n := &Node{source: src, schema: newSchema(), maxReply: options.MaxReply}
	if n.maxReply <= 0 {
		n.maxReply = DefaultMaxReply
	}
	for _, e := range n.schema.types {
		n.tables = append(n.tables, newTable(e, rowsOf(e.name)))
	}
	return n
}

// Handle answers a request.
//
// The reply-to address is the requester's claim. Whoever sends the reply must treat it as a message of the requester:
// under the requester's rights, not the router's.
func (n *Node) Handle(req Request) Reply {
	r, err := decodeRequest(req.Message)
	if err != nil {
		return Reply{Err: err}
	}
	if r.replyTo == "" {
		return Reply{}
	}
	outcome := statusOK
	r.mayWrite = req.MayWrite
	body, err := n.operate(r)
	if err != nil {
		body, outcome = emptyMap, statusOf(err)
	}
	reply, err := r.appendReply(nil, outcome, body)
	if err != nil {
		return Reply{Err: err}
	}
	return Reply{To: r.replyTo, Message: reply, OK: true, Then: r.then}
}

// operate performs the operation of a request and returns the encoded body of its reply.
func (n *Node) operate(r *request) ([]byte, error) {
	operation := strings.ToUpper(r.operation)
	switch operation {
	case "":
		return nil, failed(400, "No 'operation' property: give one of %s", strings.Join(readingOperations, ", "))
	case opRead:
		return n.read(r)
	case opQuery:
		return n.query(r)
	case opCreate, opUpdate, opDelete:
		return nil, failed(501, "Operation '%s' not implemented: this management node creates, updates and deletes nothing",
			operation)
	case opDrain:
		return n.drain(r)
	}
	about, err := n.entityType(r)
	if err != nil {
		return nil, err
	}
	switch operation {
	case opGetTypes:
		return n.getTypes(about), nil
	case opGetAttributes:
		return n.getAttributes(about), nil
	case opGetOperations:
		return n.getOperations(about), nil
	case opGetAnnotations:
		return emptyMap, nil
	case opGetMgmtNodes:
		return n.getMgmtNodes(), nil
	case opGetSchema:
		return n.getSchema()
	case opGetJSONSchema:
		return n.getJSONSchema(r)
	case opGetLog:
		return n.getLog(r)
	}
	return nil, failed(501, "Operation '%s' not implemented: give one of %s", clip(r.operation),
		strings.Join(readingOperations, ", "))
}

// readingOperations lists what this node does, for error messages.
var readingOperations = []string{
	opQuery, opRead, opGetTypes, opGetAttributes, opGetOperations, opGetAnnotations, opGetMgmtNodes, opGetSchema,
	opGetJSONSchema, opGetLog,
}

// entityType returns the type that a request asks about, nil for all types.
//
// The type asked about is entityType. The property type names the entity that the request is meant for, which for a
// request to the management node is the node itself; but Interconnect takes any other type there for the one asked
// about.
func (n *Node) entityType(r *request) (*typeEntry, error) {
	name := r.entityType
	if name == "" {
		name = r.typeName
	}
	if name == "" {
		return nil, nil
	}
	e := n.schema.lookup(name)
	if e == nil {
		return nil, failed(400, "No such entity type '%s': GET-TYPES lists them all", clip(name))
	}
	if r.entityType == "" && n.schema.byName[typeManagement].isA(e) {
		return nil, nil
	}
	return e, nil
}

// status is the outcome of an operation, as the application properties of a reply tell it.
type status struct {
	code        int32
	description string
}

var statusOK = status{200, "OK"}

// failure is an operation that did not succeed.
type failure struct{ status }

func (f *failure) Error() string { return fmt.Sprintf("%d %s", f.code, f.description) }

func failed(code int32, format string, args ...any) error {
	return &failure{status{code, fmt.Sprintf(format, args...)}}
}

// statusOf turns an error into a status; anything but a failure is an internal error.
func statusOf(err error) status {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.status
	}
	return status{500, "Internal error: " + err.Error()}
}

// clip shortens a text that came from a client so that it can be quoted in an error message.
func clip(s string) string {
	const longest = 128
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}
