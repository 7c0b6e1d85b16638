package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/wait"
	"github.com/postroad/postroad/topologies"
)

// Properties of the messages of the demo.
const (
	propertySender = "demo-sender" // name of the client
	propertyNumber = "demo-number" // 0, 1, 2, … per sender
)

// client is one client of the demo: a connection with one link.
type client struct {
	topologies.Client
	url    string
	reader string  // under which the ledger files what it receives
	ledger *ledger // shared by all

	conn     *amqp.Conn
	sender   *amqp.Sender
	receiver *amqp.Receiver

	sent, received, accepted, rejected, released, modified, unknown atomic.Uint64

	mu       sync.Mutex
	expected numberSet         // numbers of the messages that should arrive: accepted, or sent settled
	from     map[string]uint64 // received messages by sender
	problem  error             // what ended its work early
}

// Patience of the clients of a demo.
const (
	attachLimit  = 5 * time.Second  // for connecting and attaching
	outcomeLimit = 5 * time.Second  // for the outcomes that are outstanding at the end
	readyLimit   = 20 * time.Second // until every router knows every consumer
	window       = 250              // messages of a sender without outcome
	credit       = 200              // of a receiver
)

// attach connects the client and attaches its link.
func (c *client) attach(ctx context.Context) error {
	ctx, cancel := wait.Limit(ctx, attachLimit, "%s could not attach to %s", c.Name, c.Router)
	defer cancel()
	flags := connect.Flags{URL: c.url, Timeout: attachLimit}
	var err error
	if c.conn, err = flags.Open(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	session, err := c.conn.NewSession(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, wait.Cause(ctx, goamqp.Explain(err)))
	}
	if c.Receives != "" {
		c.receiver, err = session.NewReceiver(ctx, c.Receives, &amqp.ReceiverOptions{Credit: credit, Name: c.Name})
	} else {
		options := &amqp.SenderOptions{Name: c.Name}
		if c.Settled {
			options.SettlementMode = amqp.SenderSettleModeSettled.Ptr()
		}
		c.sender, err = session.NewSender(ctx, c.Sends, options)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, wait.Cause(ctx, goamqp.Explain(err)))
	}
	return nil
}

// fail keeps the first error that ended the work of the client.
func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil {
		c.problem = err
	}
}

// failure returns what ended the work of the client early, nil if nothing did.
func (c *client) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}

// send sends at the rate of the client until stop ends, then waits for the outcomes that are outstanding.
func (c *client) send(stop context.Context) {
	receipts := make(chan pendingReceipt, window-1)
	var settling sync.WaitGroup
	settling.Go(func() { c.settle(stop, receipts) })
	defer settling.Wait()
	defer close(receipts)
	body := make([]byte, c.Size)
	began := time.Now()
	for number := uint64(0); ; number++ {
		if c.Rate > 0 && !wait.Until(stop, began.Add(time.Duration(float64(number)/c.Rate*float64(time.Second)))) {
			return
		}
		message := amqp.NewMessage(body)
		message.ApplicationProperties = map[string]any{propertySender: c.Name, propertyNumber: number}
		var receipt amqp.SendReceipt
		var err error
		if c.Settled {
			err = c.sender.Send(stop, message, nil)
		} else {
			receipt, err = c.sender.SendWithReceipt(stop, message, nil)
		}
		if err != nil {
			if stop.Err() == nil && !errors.Is(err, context.Canceled) {
				c.fail(fmt.Errorf("%s could not send: %w", c.Name, goamqp.Explain(err)))
			}
			return
		}
		c.sent.Add(1)
		if c.Settled {
			c.expect(number)
		} else {
			receipts <- pendingReceipt{number, receipt}
		}
	}
}

// pendingReceipt is a message under way.
type pendingReceipt struct {
	number  uint64
	receipt amqp.SendReceipt
}

// settle counts the outcomes in the order of the messages. Once stop has ended all that are left have to come within
// the limit.
func (c *client) settle(stop context.Context, receipts <-chan pendingReceipt) {
	waiting, cancel := context.WithCancel(context.WithoutCancel(stop))
	defer cancel()
	defer context.AfterFunc(stop, func() { time.AfterFunc(outcomeLimit, cancel) })()
	for r := range receipts {
		state, err := r.receipt.Wait(waiting)
		switch state.(type) {
		case *amqp.StateAccepted:
			c.accepted.Add(1)
			c.expect(r.number)
		case *amqp.StateRejected:
			c.rejected.Add(1)
		case *amqp.StateReleased:
			c.released.Add(1)
		case *amqp.StateModified:
			c.modified.Add(1)
		default:
			c.unknown.Add(1)
			if waiting.Err() == nil {
				c.fail(fmt.Errorf("%s learned no outcome: %w", c.Name, goamqp.Explain(err)))
			}
		}
	}
}

// expect notes that a message should arrive.
func (c *client) expect(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected.add(number)
}

// receive accepts messages until stop ends.
func (c *client) receive(stop context.Context) {
	for {
		message, err := c.receiver.Receive(stop, nil)
		if stop.Err() != nil {
			return
		}
		if err != nil {
			c.fail(fmt.Errorf("%s could not receive: %w", c.Name, goamqp.Explain(err)))
			return
		}
		sender, _ := message.ApplicationProperties[propertySender].(string)
		number, ok := message.ApplicationProperties[propertyNumber].(uint64)
		if sender == "" || !ok {
			c.fail(fmt.Errorf("%s received a message that no client of the demo has sent", c.Name))
			return
		}
		c.ledger.arrive(c.reader, sender, number)
		c.received.Add(1)
		c.mu.Lock()
		if c.from == nil {
			c.from = map[string]uint64{}
		}
		c.from[sender]++
		c.mu.Unlock()
		if err := c.receiver.AcceptMessage(stop, message); err != nil && stop.Err() == nil {
			c.fail(fmt.Errorf("%s could not accept: %w", c.Name, goamqp.Explain(err)))
			return
		}
	}
}

// receivedFrom returns how many messages of a sender the client has received.
func (c *client) receivedFrom(sender string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.from[sender]
}

// count returns the messages the client has sent or received.
func (c *client) count() uint64 { return c.sent.Load() + c.received.Load() }

// close ends the connection.
func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close() // the router may be gone
	}
}
