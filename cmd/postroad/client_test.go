package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/internal/bench"
)

// startTestRelay runs the relay of the benchmarks, which joins one sender and one receiver of an address, and returns
// its URL. It is all that send and receive need to be tested against an AMQP peer in this process.
func startTestRelay(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		bench.NewRelay(4096).Serve(ln)
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return "amqp://" + ln.Addr().String()
}

// execution is what one command line did.
type execution struct {
	status   int
	out, err string
}

// commandLine executes a command line with the given standard input. It ends after a minute in any case.
func commandLine(ctx context.Context, stdin string, args ...string) execution {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var out, err strings.Builder
	status := execute(ctx, args, command.Streams{In: strings.NewReader(stdin), Out: &out, Err: &err})
	return execution{status: status, out: out.String(), err: err.String()}
}

// exchange executes a send and a receive at the same time.
func exchange(t *testing.T, stdin string, send, receive []string) (sent, received execution) {
	t.Helper()
	url := startTestRelay(t)
	var work sync.WaitGroup
	work.Go(func() {
		received = commandLine(t.Context(), "", append([]string{"receive", "orders", "--url", url}, receive...)...)
	})
	work.Go(func() { sent = commandLine(t.Context(), stdin, append([]string{"send", "--url", url}, send...)...) })
	work.Wait()
	return sent, received
}

func TestSendAndReceiveBodiesFromEverywhere(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte("from a file\nwith two lines"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stdin string
		send  []string
		count string
		want  string
	}{
		"arguments":               {"", []string{"orders", "a", "b"}, "2", "a\nb\n"},
		"arguments in turn":       {"", []string{"orders", "a", "b", "-n", "3"}, "3", "a\nb\na\n"},
		"an empty argument":       {"", []string{"orders", ""}, "1", "\n"},
		"no body":                 {"", []string{"orders", "-n", "2"}, "2", "message 1\nmessage 2\n"},
		"a file":                  {"", []string{"orders", "-f", file}, "1", "from a file\nwith two lines\n"},
		"lines of a file":         {"", []string{"orders", "-f", file, "--lines"}, "2", "from a file\nwith two lines\n"},
		"standard input":          {"in", []string{"orders", "-f", "-", "-n", "2"}, "2", "in\nin\n"},
		"lines of the input":      {"1\n2\n3", []string{"orders", "--lines", "-n", "2"}, "2", "1\n2\n"},
		"a generated body":        {"", []string{"orders", "--size", "28"}, "1", "abcdefghijklmnopqrstuvwxyzab\n"},
		"a body of nothing":       {"", []string{"orders", "--size", "0"}, "1", "\n"},
		"many frames":             {"", []string{"orders", "--size", "20000", "-n", "5"}, "5", ""},
		"octets that are no text": {"\xff\x00", []string{"orders", "-f", "-"}, "1", "ff00\n"},
		"pre-settled":             {"", []string{"orders", "x", "--settled"}, "1", "x\n"},
		"at a rate":               {"", []string{"orders", "x", "-n", "3", "--rate", "1000"}, "3", "x\nx\nx\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent, received := exchange(t, c.stdin, c.send, []string{"-n", c.count, "--timeout", "10s"})
			if sent.status != command.OK || received.status != command.OK {
				t.Fatalf("send: %+v\nreceive: %+v", sent, received)
			}
			if c.want != "" && received.out != c.want {
				t.Errorf("received %q, want %q", received.out, c.want)
			}
			if sent.out != "" {
				t.Errorf("send printed on standard output: %q", sent.out)
			}
		})
	}
}

func TestMessagesCarryWhatTheFlagsSay(t *testing.T) {
	t.Parallel()
	sent, received := exchange(t, "", []string{
		"orders", "hello", "--durable", "--priority", "7", "--ttl", "5s", "--message-id", "m1", "--subject", "s",
		"--reply-to", "r", "--correlation-id", "c", "--user-id", "u", "--content-type", "text/plain",
		"--property", "a=b=c", "--property", "n:=3", "--property", "x:=true", "--annotation", "k=v", "-o", "json",
	}, []string{"-n", "1", "--timeout", "10s", "-o", "json"})
	if sent.status != command.OK || received.status != command.OK {
		t.Fatalf("send: %+v\nreceive: %+v", sent, received)
	}
	want := `{"header":{"durable":true,"priority":7,"ttlMilliseconds":5000,"firstAcquirer":false,"deliveryCount":0},` +
		`"messageAnnotations":{"k":"v"},"properties":{"messageId":"m1","userId":"u","subject":"s","replyTo":"r",` +
		`"correlationId":"c","contentType":"text/plain"},"applicationProperties":{"a":"b=c","n":3,"x":true},` +
		`"bodyType":"value","body":"hello"}` + "\n"
	if received.out != want {
		t.Errorf("received\n%s want\n%s", received.out, want)
	}
	var summary struct{ Sent, Accepted, Octets uint64 }
	if err := json.Unmarshal([]byte(sent.out), &summary); err != nil || summary.Sent != 1 || summary.Accepted != 1 ||
		summary.Octets != 5 {
		t.Errorf("summary %+v, error %v", summary, err)
	}
}

func TestAnonymousMessagesNameTheirAddress(t *testing.T) {
	t.Parallel()
	url := startTestRelay(t)
	var received execution
	var work sync.WaitGroup
	work.Go(func() { // the relay pairs by address, and that of an anonymous link is empty
		received = commandLine(t.Context(), "", "receive", "", "--url", url, "-n", "1", "--timeout", "10s", "-v")
	})
	sent := commandLine(t.Context(), "", "send", "--to", "orders", "x", "--url", url)
	work.Wait()
	if sent.status != command.OK || !strings.Contains(received.out, `properties {"to":"orders"}`) {
		t.Errorf("send: %+v\nreceive: %+v", sent, received)
	}
}

func TestEveryOutcomeReachesTheSender(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		receive []string
		status  int
		summary string
		reason  string
	}{
		"accepted": {[]string{"--accept"}, command.OK, "2 accepted", ""},
		"rejected": {[]string{"--reject"}, command.Failed, "2 rejected", "rejected by postroad receive"},
		"released": {[]string{"--release"}, command.Failed, "2 released", "it was not consumed"},
		"modified": {
			[]string{"--modify", "--undeliverable-here"}, command.Failed, "2 modified",
			"failed false, undeliverable here true",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent, received := exchange(t, "", []string{"orders", "a", "b"}, append(c.receive, "-n", "2", "--timeout", "10s"))
			if sent.status != c.status || !strings.Contains(sent.err, c.summary) || !strings.Contains(sent.err, c.reason) {
				t.Errorf("send: %+v", sent)
			}
			if received.status != command.OK || received.out != "a\nb\n" {
				t.Errorf("receive: %+v", received)
			}
		})
	}
}

func TestWaitingEndsWithAReason(t *testing.T) {
	t.Parallel()
	url := startTestRelay(t)
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"no consumer": {
			[]string{"send", "lonely", "x", "--timeout", "50ms"}, command.Failed, "no credit: nobody consumes",
		},
		"too few": {
			[]string{"receive", "quiet", "-n", "2", "--timeout", "50ms"}, command.Failed, "0 of 2 messages received",
		},
		"none, and none were demanded": {
			[]string{"receive", "still", "--timeout", "50ms"}, command.OK, "received 0 messages",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := commandLine(t.Context(), "", append(c.args, "--url", url)...)
			if got.status != c.status || !strings.Contains(got.err, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestInterruptEndsCleanly(t *testing.T) {
	t.Parallel()
	url := startTestRelay(t)
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"an endless receive is done":        {[]string{"receive", "a"}, command.OK, "received 0 messages"},
		"a counted receive is not":          {[]string{"receive", "b", "-n", "3"}, command.Failed, "0 of 3 messages received"},
		"a send that waits for credit":      {[]string{"send", "c", "x", "y"}, command.Failed, "0 of 2 messages sent"},
		"a bench that waits for a receiver": {[]string{"bench", "--senders", "2"}, command.Failed, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
			got := commandLine(ctx, "", append(c.args, "--url", url)...)
			if got.status != c.status || !strings.Contains(got.err, c.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestBenchPrintsFiguresAndJSON(t *testing.T) {
	t.Parallel()
	url := startTestRelay(t)
	load := []string{"bench", "--url", url, "--messages", "500", "--warmup", "0s"}
	text := commandLine(t.Context(), "", load...)
	if text.status != command.OK || !strings.Contains(text.out, "accepted") || !strings.Contains(text.out, "p99.9") {
		t.Errorf("%+v", text)
	}
	got := commandLine(t.Context(), "", append(load, "-o", "json", "--address", "other")...)
	var r bench.Result
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.status != command.OK || r.Messages < 500 ||
		r.Route.Address != "other" || r.Route.IngressName != "relay" {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestConnectionErrorsSayWhatToLookAt(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	relay := strings.TrimPrefix(startTestRelay(t), "amqp://")
	for name, c := range map[string]struct{ url, want string }{
		"nobody listens":         {"amqp://" + closed, "connection refused by " + closed + "; is a router listening there?"},
		"TLS to a plain port":    {"amqps://" + relay, "does not speak TLS; is amqp:// meant?"},
		"a host that is unknown": {"amqp://nowhere.invalid", `host "nowhere.invalid" cannot be found`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"send", "receive", "request"} {
				got := commandLine(t.Context(), "", name, "orders", "--url", c.url)
				if got.status != command.Failed || !strings.Contains(got.err, c.want) {
					t.Errorf("%s: %+v", name, got)
				}
			}
		})
	}
}
