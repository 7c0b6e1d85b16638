package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/Azure/go-amqp"
)

// managementClient asks routers questions over AMQP management, one at a time: requests to $management of any router of
// the mesh, answers to a dynamic address. It is not safe for concurrent use.
type managementClient struct {
	requests *amqp.Sender   // usually an anonymous link; each request names its router in to
	replies  *amqp.Receiver // from the dynamic address
	timeout  time.Duration  // for one answer
	asked    uint64         // requests so far; the last one has this number as its correlation-id
}

// management connects to a router and opens a management client on the connection, which the caller closes.
func (f *clientFlags) management(ctx context.Context, timeout time.Duration) (*amqp.Conn, *managementClient, error) {
	conn, err := f.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	m, err := openManagement(ctx, conn, "", timeout)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, m, nil
}

// openManagement attaches the two links of a management client to a connection. Closing the connection ends them. With a
// target, all requests go there; otherwise each of them says where to.
func openManagement(ctx context.Context, conn *amqp.Conn, target string, timeout time.Duration) (*managementClient, error) {
	ctx, cancel := limitWait(ctx, timeout, "the router did not answer the attach of a management client")
	defer cancel()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil, orCause(ctx, explainAMQP(err))
	}
	replies, err := session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})
	if err != nil {
		return nil, fmt.Errorf("attaching for answers: %w", orCause(ctx, explainAMQP(err)))
	}
	requests, err := session.NewSender(ctx, target, &amqp.SenderOptions{DesiredCapabilities: []string{"ANONYMOUS-RELAY"}})
	if err != nil {
		return nil, fmt.Errorf("attaching for requests: %w", orCause(ctx, explainAMQP(err)))
	}
	return &managementClient{requests: requests, replies: replies, timeout: timeout}, nil
}

// Addresses of management nodes.
const managementHere = "$management" // of the router the client is connected to

// managementOf returns the address of the management node of any interior router.
func managementOf(router string) string { return "_topo/0/" + router + "/" + managementHere }

// managementOfEdge returns the address of the management node of any edge router.
func managementOfEdge(router string) string { return "_edge/" + router + "/" + managementHere }

// query asks the management node at an address for all entities of a type, each a map of the given attributes, or of all
// if none are given. Attributes that an entity does not have are missing from its map.
func (m *managementClient) query(ctx context.Context, node, entityType string, attributes ...string,
) ([]map[string]any, error) {
	names := make([]any, len(attributes))
	for i, a := range attributes {
		names[i] = a
	}
	reply, err := m.ask(ctx, node, map[string]any{
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

// errNotSoon says that there was no answer soon.
var errNotSoon = errors.New("no answer yet")

// querySoon is query for a router that may just have gone.
func (m *managementClient) querySoon(ctx context.Context, node, entityType string, attributes ...string,
) ([]map[string]any, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, soon, errNotSoon)
	defer cancel()
	return m.query(ctx, node, entityType, attributes...)
}

// ask sends a request to the management node at an address and returns the answer, whatever its status.
func (m *managementClient) ask(ctx context.Context, node string, properties, body map[string]any) (*amqp.Message, error) {
	ctx, cancel := limitWait(ctx, m.timeout, "no answer from %s", node)
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
			return nil, fmt.Errorf("asking %s: %w", node, orCause(ctx, explainAMQP(err)))
		}
		return nil, fmt.Errorf("%s does not take the question: %w", node, err)
	}
	return m.reply(ctx)
}

// reply waits for the answer to the last request. Answers to earlier ones, which came too late, are passed over.
func (m *managementClient) reply(ctx context.Context) (*amqp.Message, error) {
	for {
		reply, err := m.replies.Receive(ctx, nil)
		if err != nil {
			return nil, orCause(ctx, explainAMQP(err))
		}
		if err := m.replies.AcceptMessage(ctx, reply); err != nil {
			return nil, orCause(ctx, explainAMQP(err))
		}
		if reply.Properties != nil && reply.Properties.CorrelationID == m.correlation() {
			return reply, nil
		}
	}
}

// correlation is the correlation-id of the last request. It is text, since Interconnect answers a number in another
// integer type.
func (m *managementClient) correlation() any { return strconv.FormatUint(m.asked, 10) }

// tableOf reads the answer to a QUERY: {attributeNames: […], results: [[…], …]}.
func tableOf(reply *amqp.Message) ([]map[string]any, error) {
	if err := statusOf(reply); err != nil {
		return nil, err
	}
	body := asMap(reply.Value)
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

// refusal is an answer that says that nothing was done.
type refusal struct {
	code        int // as of HTTP
	description string
}

func (r *refusal) Error() string { return fmt.Sprintf("answered %d %s", r.code, r.description) }

// statusOf returns the refusal that an answer is, nil if it is none.
func statusOf(reply *amqp.Message) error {
	if code := asInt(reply.ApplicationProperties["statusCode"]); code != 200 {
		return &refusal{code, asString(reply.ApplicationProperties["statusDescription"])}
	}
	return nil
}

// asInt returns an AMQP integer of any width, 0 for anything else.
func asInt(v any) int {
	switch v := v.(type) {
	case int8:
		return int(v)
	case int16:
		return int(v)
	case int32:
		return int(v)
	case int64:
		return int(v)
	case uint8:
		return int(v)
	case uint16:
		return int(v)
	case uint32:
		return int(v)
	case uint64:
		return int(v)
	default:
		return 0
	}
}

// asString returns an AMQP string or symbol, "" for anything else.
func asString(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case amqp.Symbol:
		return string(v)
	default:
		return ""
	}
}

// asMap returns an AMQP map whose keys are strings or symbols; other keys are left out.
func asMap(v any) map[string]any {
	m := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		return v
	case map[amqp.Symbol]any:
		for key, value := range v {
			m[string(key)] = value
		}
	case map[any]any:
		for key, value := range v {
			if name := asString(key); name != "" {
				m[name] = value
			}
		}
	}
	return m
}

// asStrings returns the strings and symbols of an AMQP list or array.
func asStrings(v any) []string {
	var texts []string
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if s := asString(item); s != "" {
				texts = append(texts, s)
			}
		}
	case []string:
		texts = v
	case []amqp.Symbol:
		for _, s := range v {
			texts = append(texts, string(s))
		}
	}
	return texts
}
