package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

// readMessages returns the messages of a file, each of them a list of lines "section.field value".
func readMessages(path string) ([][]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var messages [][]string
	for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
		messages = append(messages, strings.Split(block, "\n"))
	}
	return messages, nil
}

// buildMessage returns the message which the lines describe.
func buildMessage(lines []string) (*amqp.Message, error) {
	msg := &amqp.Message{
		Header:                &amqp.MessageHeader{Priority: 4},
		Annotations:           amqp.Annotations{},
		Properties:            &amqp.MessageProperties{},
		ApplicationProperties: map[string]any{},
	}
	for _, line := range lines {
		field, text, _ := strings.Cut(line, " ")
		section, name, _ := strings.Cut(field, ".")
		value, err := parseValue(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		switch section {
		case "header":
			switch name {
			case "durable":
				msg.Header.Durable = value.(bool)
			case "ttl":
				msg.Header.TTL = time.Duration(value.(uint32)) * time.Millisecond
			default:
				msg.Header.Priority = value.(uint8)
			}
		case "annotation":
			msg.Annotations[name] = value
		case "application":
			msg.ApplicationProperties[name] = value
		case "properties":
			setProperty(msg.Properties, name, value)
		case "body":
			setBody(msg, name, value)
		}
	}
	if msg.Value == nil && msg.Data == nil && msg.Sequence == nil {
		msg.Value = amqp.Null{}
	}
	return msg, nil
}

func setBody(msg *amqp.Message, kind string, value any) {
	switch kind {
	case "data":
		msg.Data = [][]byte{value.([]byte)}
	case "sequence":
		msg.Sequence = [][]any{value.([]any)}
	default:
		msg.Value = value
	}
}

func setProperty(p *amqp.MessageProperties, name string, value any) {
	text := func() *string {
		switch s := value.(type) {
		case amqp.Symbol:
			return new(string(s))
		case string:
			return &s
		}
		return nil
	}
	instant := func() *time.Time {
		t, _ := value.(time.Time)
		return &t
	}
	switch name {
	case "message-id":
		p.MessageID = value
	case "user-id":
		p.UserID, _ = value.([]byte)
	case "to":
		p.To = text()
	case "subject":
		p.Subject = text()
	case "reply-to":
		p.ReplyTo = text()
	case "correlation-id":
		p.CorrelationID = value
	case "content-type":
		p.ContentType = text()
	case "content-encoding":
		p.ContentEncoding = text()
	case "absolute-expiry-time":
		p.AbsoluteExpiryTime = instant()
	case "creation-time":
		p.CreationTime = instant()
	case "group-id":
		p.GroupID = text()
	case "group-sequence":
		n, _ := value.(uint32)
		p.GroupSequence = &n
	case "reply-to-group-id":
		p.ReplyToGroupID = text()
	}
}

// describeMessage returns the sorted lines of a received message.
func describeMessage(msg *amqp.Message) string {
	header := msg.Header
	if header == nil {
		header = &amqp.MessageHeader{Priority: 4}
	}
	lines := []string{
		"header.durable " + showValue(header.Durable),
		"header.priority " + showValue(header.Priority),
	}
	if header.TTL != 0 {
		lines = append(lines, fmt.Sprintf("header.ttl uint:%d", header.TTL.Milliseconds()))
	}
	for key, value := range msg.Annotations {
		lines = append(lines, fmt.Sprintf("annotation.%v %s", key, showValue(value)))
	}
	for key, value := range msg.ApplicationProperties {
		lines = append(lines, "application."+key+" "+showValue(value))
	}
	if msg.Properties != nil {
		lines = append(lines, describeProperties(msg.Properties)...)
	}
	for _, data := range msg.Data {
		lines = append(lines, "body.data "+showValue(data))
	}
	for _, sequence := range msg.Sequence {
		lines = append(lines, "body.sequence "+showValue(sequence))
	}
	if msg.Value != nil {
		lines = append(lines, "body.value "+showValue(msg.Value))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func describeProperties(p *amqp.MessageProperties) []string {
	var lines []string
	add := func(name string, value any) {
		lines = append(lines, "properties."+name+" "+showValue(value))
	}
	texts := map[string]*string{
		"to": p.To, "subject": p.Subject, "reply-to": p.ReplyTo, "group-id": p.GroupID,
		"reply-to-group-id": p.ReplyToGroupID, "content-type": p.ContentType, "content-encoding": p.ContentEncoding,
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if s := texts[name]; s != nil {
			add(name, *s)
		}
	}
	if p.MessageID != nil {
		add("message-id", p.MessageID)
	}
	if p.CorrelationID != nil {
		add("correlation-id", p.CorrelationID)
	}
	if p.UserID != nil {
		add("user-id", p.UserID)
	}
	if p.AbsoluteExpiryTime != nil {
		add("absolute-expiry-time", *p.AbsoluteExpiryTime)
	}
	if p.CreationTime != nil {
		add("creation-time", *p.CreationTime)
	}
	if p.GroupSequence != nil {
		add("group-sequence", *p.GroupSequence)
	}
	return lines
}
