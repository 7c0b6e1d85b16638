package management

import (
	"errors"
	"testing"

	"github.com/postroad/postroad/internal/amqp/message"
)

// change sends a request that changes something, and returns the status and whether the router is to do something.
func change(t *testing.T, n *Node, mayWrite func() error, p properties) (status int32, description string, then func()) {
	t.Helper()
	reply := n.Handle(Request{Message: requestMessage(t, p, nil), MayWrite: mayWrite})
	head, _ := split(t, reply.Message)
	m, err := message.Decode(head)
	if err != nil {
		t.Fatal(err)
	}
	code, _ := m.ApplicationProperties.Get("statusCode")
	text, _ := m.ApplicationProperties.Get("statusDescription")
	return code.(int32), text.(string), reply.Then
}

func TestDrainBeginsOnceTheReplyIsSent(t *testing.T) {
	t.Parallel()
	src := london()
	anybody := func() error { return nil }
	for _, kind := range []string{"router", "org.apache.qpid.dispatch.router"} {
		status, _, then := change(t, NewNode(src, Options{}), anybody,
			properties{"operation": "DRAIN", "type": kind, "name": "london"})
		if status != 200 || then == nil || src.drains != 0 {
			t.Fatalf("status %d, %d drains before the reply is sent", status, src.drains)
		}
		then()
		if src.drains != 1 {
			t.Errorf("%d drains", src.drains)
		}
		src.drains = 0
	}
}

func TestDrainOfAnotherRouterIsRefused(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	anybody := func() error { return nil }
	for what, c := range map[string]struct {
		p    properties
		want int32
		text string
	}{
		"another router": {properties{"type": "router", "name": "tokyo"}, 404, "This is router 'london', and not 'tokyo'"},
		"no router": {properties{"type": "router"}, 400,
			"Operation 'DRAIN' needs the id of the router as the property 'name'; this is router 'london'"},
		"a listener": {properties{"type": "listener", "name": "london"}, 400,
			"Operation 'DRAIN' is one of routers: give 'router' as the property 'type'"},
		"nothing": {properties{}, 400, "Operation 'DRAIN' is one of routers: give 'router' as the property 'type'"},
	} {
		c.p["operation"] = "DRAIN"
		if status, text, then := change(t, n, anybody, c.p); status != c.want || text != c.text || then != nil {
			t.Errorf("%s: %d %s, done: %v", what, status, text, then != nil)
		}
	}
}

func TestWhoMayNotWriteIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	for want, mayWrite := range map[string]func() error{
		"This management node is read-only": nil,
		"Not allowed: ann only reads":       func() error { return errors.New("ann only reads") },
	} {
		status, text, then := change(t, n, mayWrite, properties{"operation": "drain", "type": "router", "name": "london"})
		if status != 403 || text != want || then != nil {
			t.Errorf("%d %s, done: %v", status, text, then != nil)
		}
	}
}

func TestReadingAsksNobodyWhetherItMayWrite(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	asked := func() error { t.Error("it was asked"); return nil }
	for _, operation := range readingOperations {
		change(t, n, asked, properties{"operation": operation, "entityType": "router"})
	}
}
