package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/wait"
)

// Client asks routers questions over AMQP management, one at a time: requests to $management of any router of the mesh,
// answers to a dynamic address. It is not safe for concurrent use.
type Client struct {
	requests *amqp.Sender   // usually an anonymous link; each request names its router in to
	replies  *amqp.Receiver // from the dynamic address
	timeout  time.Duration  // for one answer
	asked    uint64         // requests so far; the last one has this number as its correlation-id
}

// Open attaches the two links of a management client to a connection. Closing the connection ends them. With a target,
// all requests go there; otherwise each of them says where to. The timeout bounds the attach and each answer; 0 is none.
func Open(ctx context.Context, conn *amqp.Conn, target string, timeout time.Duration) (*Client, error) {
	ctx, cancel := wait.Limit(ctx, timeout, "the router did not answer the attach of a management client")
	defer cancel()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil, wait.Cause(ctx, goamqp.Explain(err))
	}
	replies, err := session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})
	if err != nil {
		return nil, fmt.Errorf("attaching for answers: %w", wait.Cause(ctx, goamqp.Explain(err)))
	}
	requests, err := session.NewSender(ctx, target, &amqp.SenderOptions{DesiredCapabilities: []string{"ANONYMOUS-RELAY"}})
	if err != nil {
		return nil, fmt.Errorf("attaching for requests: %w", wait.Cause(ctx, goamqp.Explain(err)))
	}
	return &Client{requests: requests, replies: replies, timeout: timeout}, nil
}

// Here is the address of the management node of the router that the client is connected to.
const Here = "$management"

// Of returns the address of the management node of any interior router.
func Of(router string) string { return "_topo/0/" + router + "/" + Here }

// OfEdge returns the address of the management node of any edge router.
func OfEdge(router string) string { return "_edge/" + router + "/" + Here }

// Query asks the management node at an address for all entities of a type, each a map of the given attributes, or of all
// if none are given. Attributes that an entity does not have are missing from its map.
func (m *Client) Query(ctx context.Context, node, entityType string, attributes ...string) ([]map[string]any, error) {
	names := make([]any, len(attributes))
	for i, a := range attributes {
		names[i] = a
	}
	reply, err := m.Ask(ctx, node, map[string]any{
		"operation": "QUERY", "type": "org.amqp.management", "name": "self", "entityType": typeName(entityType),
	}, map[string]any{"attributeNames": names})
	if err != nil {
		return nil, err
	}
	rows, err := tableOf(reply)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node, err)
	}
	return rows, nil
}

// soon is how long an answer of a router that works takes at most, unless it is far away or busy.
const soon = 500 * time.Millisecond

// ErrNotSoon says that there was no answer soon.
var ErrNotSoon = errors.New("no answer yet")

// QuerySoon is Query for a router that may just have gone.
func (m *Client) QuerySoon(ctx context.Context, node, entityType string, attributes ...string) ([]map[string]any, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, soon, ErrNotSoon)
	defer cancel()
	return m.Query(ctx, node, entityType, attributes...)
}

// Ask sends a request to the management node at an address and returns the answer, whatever its status.
func (m *Client) Ask(ctx context.Context, node string, properties, body map[string]any) (*amqp.Message, error) {
	ctx, cancel := wait.Limit(ctx, m.timeout, "no answer from %s", node)
	defer cancel()
	m.asked++
	replyTo := m.replies.Address()
	request := &amqp.Message{
		Properties:            &amqp.MessageProperties{To: &node, ReplyTo: &replyTo, CorrelationID: m.correlation()},
		ApplicationProperties: properties, Value: body,
	}
	if err := m.requests.Send(ctx, request, nil); err != nil {
		var detached *amqp.LinkError
		if errors.As(err, &detached) || ctx.Err() != nil {
			return nil, fmt.Errorf("asking %s: %w", node, wait.Cause(ctx, goamqp.Explain(err)))
		}
		return nil, fmt.Errorf("%s does not take the question: %w", node, err)
	}
	return m.reply(ctx)
}

// reply waits for the answer to the last request. Answers to earlier ones, which came too late, are passed over.
func (m *Client) reply(ctx context.Context) (*amqp.Message, error) {
	for {
		reply, err := m.replies.Receive(ctx, nil)
		if err != nil {
			return nil, wait.Cause(ctx, goamqp.Explain(err))
		}
		if err := m.replies.AcceptMessage(ctx, reply); err != nil {
			return nil, wait.Cause(ctx, goamqp.Explain(err))
		}
		if reply.Properties != nil && reply.Properties.CorrelationID == m.correlation() {
			return reply, nil
		}
	}
}

// correlation is the correlation-id of the last request. It is text, since Interconnect answers a number in another
// integer type.
func (m *Client) correlation() any { return strconv.FormatUint(m.asked, 10) }

// tableOf reads the answer to a QUERY: {attributeNames: […], results: [[…], …]}.
func tableOf(reply *amqp.Message) ([]map[string]any, error) {
	if err := StatusOf(reply); err != nil {
		return nil, err
	}
	body := goamqp.Map(reply.Value)
	names, ok := body["attributeNames"].([]any)
	results, ok2 := body["results"].([]any)
	if !ok || !ok2 {
		return nil, errors.New("the answer is no table of attributeNames and results")
	}
	rows := make([]map[string]any, 0, len(results))
	for _, result := range results {
		values, ok := result.([]any)
		if !ok || len(values) > len(names) {
			return nil, errors.New("the answer has a row that does not fit its attributeNames")
		}
		row := make(map[string]any, len(values))
		for i, v := range values {
			if name, ok := names[i].(string); ok && v != nil {
				row[name] = v
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Refusal is an answer that says that nothing was done.
type Refusal struct {
	Code        int // as of HTTP
	Description string
}

func (r *Refusal) Error() string { return fmt.Sprintf("answered %d %s", r.Code, r.Description) }

// StatusOf returns the refusal that an answer is, nil if it is none.
func StatusOf(reply *amqp.Message) error {
	if code := goamqp.Int(reply.ApplicationProperties["statusCode"]); code != 200 {
		return &Refusal{code, goamqp.String(reply.ApplicationProperties["statusDescription"])}
	}
	return nil
}

// typeName is the full name of an entity type.
func typeName(short string) string {
	if t, ok := config.TypeByName(short); ok {
		return t.FullName()
	}
	return config.TypePrefix + short
}
