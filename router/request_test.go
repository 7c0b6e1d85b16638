package router

import (
	"context"
	"strings"
	"testing"

	"github.com/Azure/go-amqp"
)

// serve answers requests at an address in a goroutine: the reply goes to the request's reply-to, with its
// correlation-id and its body in capitals.
func (c *client) serve(address string) {
	requests := c.receiver(address, 10)
	replies := c.sender("", nil)
	ctx := context.WithoutCancel(c.ctx)
	requests.consume(func(m *amqp.Message) {
		reply := amqp.NewMessage([]byte(strings.ToUpper(string(m.GetData()))))
		reply.Properties = &amqp.MessageProperties{To: m.Properties.ReplyTo, CorrelationID: m.Properties.MessageID}
		receipt, err := replies.link.SendWithReceipt(ctx, reply, nil)
		if err == nil {
			_, err = receipt.Wait(ctx)
		}
		if err != nil {
			c.t.Errorf("send a reply: %v", err)
		}
	})
}

// request sends a request and returns the body of its reply.
func request(s *sender, replies *receiver, id uint64, what string) string {
	s.t.Helper()
	m := text("%s", what)
	m.Properties = &amqp.MessageProperties{MessageID: id, ReplyTo: ptr(replies.link.Address())}
	receipt := s.begin(m)
	reply := replies.accept()
	wantAccepted(s.t, "a request", s.outcome(receipt))
	if reply.Properties.CorrelationID != id {
		s.t.Errorf("the reply's correlation-id is %v, want %v", reply.Properties.CorrelationID, id)
	}
	return string(reply.GetData())
}

func TestRepliesToDynamicSourcesFindTheirWayAcrossRouters(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	connect(t, n.node("C")).serve("closest/service")
	for _, id := range []string{"A", "B", "C"} {
		c := connect(t, n.node(id))
		replies := c.receiverWith("", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})
		if address := replies.link.Address(); !strings.HasPrefix(address, "amqp:/_topo/0/"+id+"/temp.") {
			t.Errorf("the dynamic address is %q", address)
		}
		s := c.sender("closest/service", nil)
		for i := range uint64(5) {
			if got := request(s, replies, i, "hello from "+id); got != "HELLO FROM "+strings.ToUpper(id) {
				t.Errorf("the reply is %q", got)
			}
		}
	}
}

func TestDynamicSourcesAreDifferentAndGoWithTheirLink(t *testing.T) {
	t.Parallel()
	n := alone(t)
	c := connect(t, n.node("A"))
	first := c.receiverWith("", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})
	second := c.receiverWith("", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 10})
	if first.link.Address() == second.link.Address() {
		t.Errorf("two dynamic sources have the address %q", first.link.Address())
	}
	anonymous := c.sender("", nil)
	receipt := anonymous.begin(to(first.link.Address(), text("x")))
	first.accept()
	wantAccepted(t, "while the receiver is there", anonymous.outcome(receipt))
	gone := first.link.Address()
	first.detach()
	wantReleased(t, "after it left", anonymous.send(to(gone, text("x"))))
}

func TestDynamicTargetsCanBeConsumedFromOnAnyRouter(t *testing.T) {
	t.Parallel()
	n := chain(t, 3)
	s := connect(t, n.node("A")).sender("", &amqp.SenderOptions{DynamicAddress: true})
	address := s.link.Address()
	if !strings.HasPrefix(address, "amqp:/_$temp.") {
		t.Errorf("the dynamic address is %q", address)
	}
	r := connect(t, n.node("C")).receiver(address, 10)
	for i := range 5 {
		receipt := s.begin(text("%d", i))
		r.accept()
		wantAccepted(t, "a message to a dynamic target", s.outcome(receipt))
	}
}
