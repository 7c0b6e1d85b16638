package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

func TestURLsAreUnderstood(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]endpoint{
		"amqp://127.0.0.1":          {address: "127.0.0.1:5672", hostname: "127.0.0.1", mechanism: "ANONYMOUS"},
		"localhost:1234":            {address: "localhost:1234", hostname: "localhost", mechanism: "ANONYMOUS"},
		"amqp://u:p%40ss@h:5":       {address: "h:5", hostname: "h", mechanism: "PLAIN", user: "u", password: "p@ss"},
		"amqp://[::1]:7/":           {address: "[::1]:7", hostname: "::1", mechanism: "ANONYMOUS"},
		"amqps://london.example":    {address: "london.example:5671", hostname: "london.example", mechanism: "ANONYMOUS"},
		"amqps://london.example:44": {address: "london.example:44", hostname: "london.example", mechanism: "ANONYMOUS"},
	} {
		e, err := (&clientFlags{}).endpoint(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if secured := strings.HasPrefix(url, "amqps"); secured != (e.tls != nil) {
			t.Errorf("%s: TLS %v", url, e.tls != nil)
		}
		e.tls = nil
		if *e != want {
			t.Errorf("%s: %+v, want %+v", url, *e, want)
		}
	}
}

func TestSenselessConnectionFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags clientFlags
		want  string
	}{
		"another scheme":       {clientFlags{url: "http://a"}, "amqp or amqps"},
		"no host":              {clientFlags{url: "amqp://:5672"}, "names no host"},
		"port 0":               {clientFlags{url: "amqp://a:0"}, "is no port"},
		"an address in it":     {clientFlags{url: "amqp://a/orders"}, `the address "orders" as an argument`},
		"a broken password":    {clientFlags{url: "amqp://u:hush#hush@h"}, "write special characters"},
		"TLS flags without":    {clientFlags{url: "amqp://a", ca: "x"}, "use amqps://"},
		"PLAIN without user":   {clientFlags{url: "amqp://a", sasl: "plain"}, "needs user and password"},
		"an unknown mechanism": {clientFlags{url: "amqp://a", sasl: "MAGIC"}, "ANONYMOUS, PLAIN, EXTERNAL or none"},
		"half a key pair":      {clientFlags{url: "amqps://a", cert: "x"}, "belong together"},
		"no such CA":           {clientFlags{url: "amqps://a", ca: "/nonexistent"}, "--ca"},
		"no such certificate":  {clientFlags{url: "amqps://a", cert: "/nonexistent", key: "/nonexistent"}, "--cert"},
		"a CA without PEM":     {clientFlags{url: "amqps://a", ca: "clientflags_test.go"}, "no certificate in PEM form"},
	} {
		_, err := c.flags.endpoint(c.flags.url)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to mention %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows a password: %v", name, err)
		}
	}
}

func TestMechanismFollowsCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flags clientFlags
		user  bool
		want  string
	}{
		{clientFlags{}, false, "ANONYMOUS"},
		{clientFlags{}, true, "PLAIN"},
		{clientFlags{cert: "c"}, false, "EXTERNAL"},
		{clientFlags{sasl: "anonymous"}, true, "ANONYMOUS"},
		{clientFlags{sasl: "none"}, true, ""},
	} {
		if got, err := c.flags.mechanism(c.user); err != nil || got != c.want {
			t.Errorf("%+v, user %v: %q, error %v; want %q", c.flags, c.user, got, err, c.want)
		}
	}
}

func TestSenselessMessageFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, f := range []messageFlags{
		{priority: 10}, {ttl: -1}, {ttl: time.Microsecond}, {properties: []string{"x"}}, {properties: []string{"=x"}},
		{properties: []string{":=1"}}, {properties: []string{"x:=[1]"}}, {properties: []string{"x:=1 2"}},
		{annotations: []string{"x"}},
	} {
		if err := f.check(); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}

func TestMessageIDsAreNumberedWhenThereAreSeveral(t *testing.T) {
	t.Parallel()
	f := messageFlags{id: "m", priority: defaultPriority}
	if one, many := f.build(body{}, 0), f.build(body{}, 3); one.Properties.MessageID != "m" ||
		many.Properties.MessageID != "m-3" || one.Header != nil {
		t.Errorf("%v and %v", one.Properties.MessageID, many.Properties.MessageID)
	}
}

func TestAnyMessagePrintsAsJSON(t *testing.T) {
	t.Parallel()
	deep := any("end")
	for range 1000 {
		deep = []any{deep}
	}
	m := &amqp.Message{
		Annotations: amqp.Annotations{"k": []byte{0xff}, int64(7): amqp.Symbol("s")},
		Properties:  &amqp.MessageProperties{MessageID: amqp.UUID{1}, CorrelationID: uint64(5)},
		ApplicationProperties: map[string]any{
			"nan": math.NaN(), "half": float32(0.5), "when": time.UnixMilli(0).UTC(), "list": []int32{1, 2},
		},
		Value: map[any]any{int8(1): []any{nil, true, "x"}, "deep": deep},
	}
	got := compactJSON(toJSON(m))
	for _, want := range []string{
		`"k":"/w=="`, `"7":"s"`, `"messageId":"01000000-0000-0000-0000-000000000000"`, `"correlationId":5`, `"nan":"NaN"`,
		`"half":0.5`, `"when":"1970-01-01T00:00:00Z"`, `"list":[1,2]`, `"1":[null,true,"x"]`, `"…"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the JSON lacks %s: %s", want, got)
		}
	}
	for _, m := range []*amqp.Message{
		{}, {Data: [][]byte{[]byte("a"), []byte("b")}}, {Sequence: [][]any{{1, "x"}}}, {Value: []any{int64(1)}},
	} {
		if compactJSON(toJSON(m)) == "" || strings.Contains(bodyText(m), "\n") {
			t.Errorf("%+v prints as %q", m, bodyText(m))
		}
	}
	if got := bodyText(&amqp.Message{Data: [][]byte{[]byte("a"), []byte("b")}}); got != "ab" {
		t.Errorf("two data sections print as %q", got)
	}
}

func TestRepliesAreMatchedByEitherIdentifier(t *testing.T) {
	t.Parallel()
	p := &amqp.MessageProperties{MessageID: "m", CorrelationID: "c"}
	for id, want := range map[any]bool{nil: true, "m": true, "c": true, "x": false} {
		if got := correlates(id, p); got != want {
			t.Errorf("a reply with correlation-id %v: %v", id, got)
		}
	}
}
