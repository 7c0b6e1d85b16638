package foreign

import (
	"context"
	"fmt"

	"github.com/Azure/go-amqp"
)

// Query asks a router's management for the entities of a type and returns each of them as a map of the attributes
// named.
func Query(ctx context.Context, url, entityType string, attributes ...string) ([]map[string]any, error) {
	conn, err := amqp.Dial(ctx, url, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	defer conn.Close()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil, err
	}
	replies, err := session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true})
	if err != nil {
		return nil, fmt.Errorf("attach for replies: %w", err)
	}
	requests, err := session.NewSender(ctx, "$management", nil)
	if err != nil {
		return nil, fmt.Errorf("attach to $management: %w", err)
	}
	names := make([]any, len(attributes))
	for i, name := range attributes {
		names[i] = name
	}
	err = requests.Send(ctx, &amqp.Message{
		Properties: &amqp.MessageProperties{ReplyTo: new(replies.Address()), CorrelationID: uint64(1)},
		ApplicationProperties: map[string]any{
			"operation": "QUERY", "type": "org.amqp.management", "name": "self", "entityType": entityType,
		},
		Value: map[string]any{"attributeNames": names},
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("send the query: %w", err)
	}
	reply, err := replies.Receive(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("receive the answer: %w", err)
	}
	if err := replies.AcceptMessage(ctx, reply); err != nil {
		return nil, err
	}
	status := reply.ApplicationProperties
	if code := toInt(status["statusCode"]); code != 200 {
		return nil, fmt.Errorf("query %s: status %d %v", entityType, code, status["statusDescription"])
	}
	return table(reply.Value)
}

// table turns the body of a query's answer into one map for each entity.
func table(body any) ([]map[string]any, error) {
	fields, _ := body.(map[string]any)
	names, ok := fields["attributeNames"].([]any)
	rows, okRows := fields["results"].([]any)
	if !ok || !okRows {
		return nil, fmt.Errorf("answer of a query without attributeNames and results: %v", body)
	}
	entities := make([]map[string]any, 0, len(rows))
	for _, row := range rows {
		values, _ := row.([]any)
		if len(values) != len(names) {
			return nil, fmt.Errorf("answer of a query with %d names and %d values: %v", len(names), len(values), row)
		}
		entity := make(map[string]any, len(names))
		for i, name := range names {
			entity[fmt.Sprint(name)] = values[i]
		}
		entities = append(entities, entity)
	}
	return entities, nil
}

// toInt returns an AMQP integer of any width, or -1 for anything else.
func toInt(v any) int {
	switch n := v.(type) {
	case int8:
		return int(n)
	case uint8:
		return int(n)
	case int16:
		return int(n)
	case uint16:
		return int(n)
	case int32:
		return int(n)
	case uint32:
		return int(n)
	case int64:
		return int(n)
	case uint64:
		return int(n)
	}
	return -1
}
