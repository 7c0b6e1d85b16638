package connect

import (
	"strings"
	"testing"
)

func TestURLsAreUnderstood(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]Endpoint{
		"amqp://127.0.0.1":          {Address: "127.0.0.1:5672", Hostname: "127.0.0.1", Mechanism: "ANONYMOUS"},
		"localhost:1234":            {Address: "localhost:1234", Hostname: "localhost", Mechanism: "ANONYMOUS"},
		"amqp://u:p%40ss@h:5":       {Address: "h:5", Hostname: "h", Mechanism: "PLAIN", User: "u", Password: "p@ss"},
		"amqp://[::1]:7/":           {Address: "[::1]:7", Hostname: "::1", Mechanism: "ANONYMOUS"},
		"amqps://london.example":    {Address: "london.example:5671", Hostname: "london.example", Mechanism: "ANONYMOUS"},
		"amqps://london.example:44": {Address: "london.example:44", Hostname: "london.example", Mechanism: "ANONYMOUS"},
	} {
		e, err := (&Flags{}).Endpoint(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if secured := strings.HasPrefix(url, "amqps"); secured != (e.TLS != nil) {
			t.Errorf("%s: TLS %v", url, e.TLS != nil)
		}
		e.TLS = nil
		if *e != want {
			t.Errorf("%s: %+v, want %+v", url, *e, want)
		}
	}
}

func TestSenselessConnectionFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags Flags
		want  string
	}{
		"another scheme":       {Flags{URL: "http://a"}, "amqp or amqps"},
		"no host":              {Flags{URL: "amqp://:5672"}, "names no host"},
		"port 0":               {Flags{URL: "amqp://a:0"}, "is no port"},
		"an address in it":     {Flags{URL: "amqp://a/orders"}, `the address "orders" as an argument`},
		"a broken password":    {Flags{URL: "amqp://u:hush#hush@h"}, "write special characters"},
		"TLS flags without":    {Flags{URL: "amqp://a", ca: "x"}, "use amqps://"},
		"PLAIN without user":   {Flags{URL: "amqp://a", sasl: "plain"}, "needs user and password"},
		"an unknown mechanism": {Flags{URL: "amqp://a", sasl: "MAGIC"}, "ANONYMOUS, PLAIN, EXTERNAL or none"},
		"half a key pair":      {Flags{URL: "amqps://a", cert: "x"}, "belong together"},
		"no such CA":           {Flags{URL: "amqps://a", ca: "/nonexistent"}, "--ca"},
		"no such certificate":  {Flags{URL: "amqps://a", cert: "/nonexistent", key: "/nonexistent"}, "--cert"},
		"a CA without PEM":     {Flags{URL: "amqps://a", ca: "connect_test.go"}, "no certificate in PEM form"},
	} {
		_, err := c.flags.Endpoint(c.flags.URL)
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
		flags Flags
		user  bool
		want  string
	}{
		{Flags{}, false, "ANONYMOUS"},
		{Flags{}, true, "PLAIN"},
		{Flags{cert: "c"}, false, "EXTERNAL"},
		{Flags{sasl: "anonymous"}, true, "ANONYMOUS"},
		{Flags{sasl: "none"}, true, ""},
	} {
		if got, err := c.flags.mechanism(c.user); err != nil || got != c.want {
			t.Errorf("%+v, user %v: %q, error %v; want %q", c.flags, c.user, got, err, c.want)
		}
	}
}
