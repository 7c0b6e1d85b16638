package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
)

// flags are the flags that describe messages to be sent.
type flags struct {
	durable       bool
	priority      uint8
	ttl           time.Duration
	id            string
	subject       string
	replyTo       string
	correlationID string
	userID        string
	contentType   string
	properties    []string
	annotations   []string
	binary        bool

	application map[string]any
	annotated   amqp.Annotations
}

const defaultPriority = 4 // [3.2.1]

// register adds the flags to a command.
func (f *flags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&f.durable, "durable", false, "mark messages as durable")
	fs.Uint8Var(&f.priority, "priority", defaultPriority, "priority, 0 to 9")
	fs.DurationVar(&f.ttl, "ttl", 0, "time to live; 0 for no limit")
	fs.StringVar(&f.id, "message-id", "", "message-id; with several messages their number is added: ID-1, ID-2 …")
	fs.StringVar(&f.subject, "subject", "", "subject")
	fs.StringVar(&f.correlationID, "correlation-id", "", "correlation-id")
	fs.StringVar(&f.userID, "user-id", "", "user-id")
	fs.StringVar(&f.contentType, "content-type", "", "content-type")
	fs.StringArrayVar(&f.properties, "property", nil, "application property: name=text, or name:=JSON for numbers and\n"+
		"booleans; may be repeated")
	fs.StringArrayVar(&f.annotations, "annotation", nil, "message annotation, written like --property")
	fs.BoolVar(&f.binary, "binary", false, "send text as data section instead of a string value")
}

// check parses what needs parsing; call it once before build.
func (f *flags) check() (err error) {
	if f.priority > 9 {
		return command.UsageErrorf("--priority %d is not 0 to 9", f.priority)
	}
	if f.ttl < 0 || f.ttl%time.Millisecond != 0 {
		return command.UsageErrorf("--ttl %v is no number of milliseconds from 1 on", f.ttl)
	}
	if f.application, err = parseProperties("--property", f.properties); err != nil {
		return err
	}
	annotations, err := parseProperties("--annotation", f.annotations)
	f.annotated = amqp.Annotations{}
	for k, v := range annotations {
		f.annotated[k] = v
	}
	return err
}

// parseProperties reads name=text and name:=JSON.
func parseProperties(flag string, list []string) (map[string]any, error) {
	m := make(map[string]any, len(list))
	for _, s := range list {
		name, text, found := strings.Cut(s, "=")
		if !found || name == "" || name == ":" {
			return nil, command.UsageErrorf("%s %q is not of the form name=text or name:=JSON", flag, s)
		}
		if typed, ok := strings.CutSuffix(name, ":"); ok {
			v, err := parseScalar(text)
			if err != nil {
				return nil, command.UsageErrorf("%s %q: %v", flag, s, err)
			}
			m[typed] = v
			continue
		}
		m[name] = text
	}
	return m, nil
}

// parseScalar reads a JSON scalar: integers become long, other numbers double.
func parseScalar(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, errors.New("the value is no JSON; write numbers as 17 or 1.5, truth as true or false")
	}
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i, nil
		}
		return v.Float64()
	case string, bool:
		return v, nil
	}
	return nil, errors.New("the value must be a number, true, false or a string")
}

// build returns message number n of several (counted from 1; 0 when there is only one).
func (f *flags) build(b body, n int) *amqp.Message {
	m := &amqp.Message{}
	if b.text && !f.binary && utf8.Valid(b.octets) {
		m.Value = string(b.octets)
	} else {
		m.Data = [][]byte{b.octets}
	}
	if f.durable || f.priority != defaultPriority || f.ttl > 0 {
		m.Header = &amqp.MessageHeader{Durable: f.durable, Priority: f.priority, TTL: f.ttl}
	}
	p := &amqp.MessageProperties{
		Subject: optional(f.subject), ReplyTo: optional(f.replyTo), ContentType: optional(f.contentType),
	}
	switch {
	case f.id != "" && n > 0:
		p.MessageID = fmt.Sprintf("%s-%d", f.id, n)
	case f.id != "":
		p.MessageID = f.id
	}
	if f.correlationID != "" {
		p.CorrelationID = f.correlationID
	}
	if f.userID != "" {
		p.UserID = []byte(f.userID)
	}
	m.Properties = p
	if len(f.application) > 0 {
		m.ApplicationProperties = f.application
	}
	if len(f.annotated) > 0 {
		m.Annotations = f.annotated
	}
	return m
}

// optional returns nil for an empty string, which leaves the field out.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
