package main

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router"
)

// startTestRouter runs a router in this process and returns its URL.
func startTestRouter(t *testing.T) string {
	t.Helper()
	const yaml = "router: {id: solo, mode: standalone}\n" +
		"listeners:\n  - {name: clients, host: 127.0.0.1, port: 0}\n" +
		"addresses:\n  - {prefix: prices, distribution: multicast}\n"
	c, problems := config.Parse("solo.yaml", []byte(yaml))
	if problems.Refused() {
		t.Fatal(problems)
	}
	logs, err := logging.New(logging.Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	r, err := router.New(c, router.Options{Logs: logs})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return "amqp://" + r.Addr("clients")
}

// answer receives requests from an address and replies to each with what reply makes of it, until the test ends.
func answer(t *testing.T, url, address string, reply func(request *amqp.Message) *amqp.Message) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := amqp.Dial(ctx, url, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	if err != nil {
		t.Fatal(err)
	}
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	requests, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			m, err := requests.Receive(ctx, nil)
			if err != nil {
				return
			}
			if err := requests.AcceptMessage(context.Background(), m); err != nil {
				t.Error(err)
			}
			if r := reply(m); r != nil {
				replies, err := session.NewSender(context.Background(), *m.Properties.ReplyTo, nil)
				if err == nil {
					err = replies.Send(context.Background(), r, nil)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		work.Wait()
		conn.Close()
	})
}

func TestRequestPrintsTheReplyThatCorrelates(t *testing.T) {
	t.Parallel()
	url := startTestRouter(t)
	answer(t, url, "upper", func(request *amqp.Message) *amqp.Message {
		text, _ := request.Value.(string)
		return &amqp.Message{
			Value: strings.ToUpper(text), Properties: &amqp.MessageProperties{CorrelationID: request.Properties.MessageID},
		}
	})
	got := commandLine(t.Context(), "", "request", "upper", "hello", "--url", url)
	if got.status != command.OK || got.out != "HELLO\n" {
		t.Errorf("%+v", got)
	}
	got = commandLine(t.Context(), "", "request", "upper", "x", "--message-id", "m7", "--url", url, "-o", "json")
	if got.status != command.OK || !strings.Contains(got.out, `"correlationId":"m7"`) ||
		!strings.Contains(got.out, `"body":"X"`) {
		t.Errorf("%+v", got)
	}
}

func TestRequestWithoutReplyEndsInTime(t *testing.T) {
	t.Parallel()
	url := startTestRouter(t)
	answer(t, url, "silent", func(*amqp.Message) *amqp.Message { return nil })
	answer(t, url, "wrong", func(*amqp.Message) *amqp.Message {
		return &amqp.Message{Value: "x", Properties: &amqp.MessageProperties{CorrelationID: "another request"}}
	})
	for address, want := range map[string]string{
		"silent": "no reply from", "wrong": "no reply from", "lonely": "no credit to send to",
	} {
		got := commandLine(t.Context(), "", "request", address, "x", "--url", url, "--timeout", "100ms")
		if got.status != command.Failed || !strings.Contains(got.err, want) || got.out != "" {
			t.Errorf("%s: %+v", address, got)
		}
	}
}

func TestDynamicAddressesAreTold(t *testing.T) {
	t.Parallel()
	got := commandLine(t.Context(), "", "receive", "--dynamic", "--timeout", "50ms", "--url", startTestRouter(t))
	if got.status != command.OK || !strings.Contains(got.err, "receiving from amqp:/") {
		t.Errorf("%+v", got)
	}
}

func TestAnonymousMessageWithoutConsumerIsReleased(t *testing.T) {
	t.Parallel()
	got := commandLine(t.Context(), "", "send", "--to", "lonely", "x", "--url", startTestRouter(t))
	if got.status != command.Failed || !strings.Contains(got.err, "1 released") {
		t.Errorf("%+v", got)
	}
}

func TestPreSettledReceiveFromARouter(t *testing.T) {
	t.Parallel()
	url := startTestRouter(t)
	var received execution
	var work sync.WaitGroup
	work.Go(func() {
		received = commandLine(t.Context(), "", "receive", "orders", "--settled", "-n", "2", "--timeout", "10s", "--url", url)
	})
	sent := commandLine(t.Context(), "", "send", "orders", "a", "b", "--url", url)
	work.Wait()
	if sent.status != command.OK || received.status != command.OK || received.out != "a\nb\n" {
		t.Errorf("send: %+v\nreceive: %+v", sent, received)
	}
}

func TestBenchThroughARouter(t *testing.T) {
	t.Parallel()
	url := startTestRouter(t)
	for name, args := range map[string][]string{
		"unsettled":        {},
		"paced":            {"--rate", "20000"},
		"large":            {"--size", "300000", "--messages", "20"},
		"one to three":     {"--receivers", "3", "--multicast", "--address", "prices"},
		"three to two":     {"--senders", "3", "--receivers", "2", "--address", "many"},
		"beside idle ones": {"--idle-connections", "10", "--addresses", "100", "--address", "busy"},
	} {
		args = append([]string{"bench", "--url", url, "--messages", "1000", "--warmup", "0s"}, args...)
		got := commandLine(t.Context(), "", args...)
		if got.status != command.OK || !strings.Contains(got.out, "0 lost, 0 duplicated") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
