package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

// options is the command line.
type options struct {
	url, address, values        string
	hostname, capability        string
	count, progress, credit     int
	sizes                       []int
	outcomes                    []string
	timeout                     time.Duration
	show, presettled, anonymous bool
	retry, linger               bool
}

// result is the last line which a command prints. Each command fills in the fields that concern it.
type result struct {
	Event      string         `json:"event"`
	Count      int            `json:"count"`
	Error      string         `json:"error"`
	Outcomes   map[string]int `json:"outcomes,omitempty"`
	States     []string       `json:"states,omitempty"`
	Retries    int            `json:"retries"`
	Duplicates int            `json:"duplicates"`
	Corrupt    int            `json:"corrupt"`
	Misordered int            `json:"misordered"`
	Presettled int            `json:"presettled"`
	Bytes      int            `json:"bytes"`
	Messages   []string       `json:"messages,omitempty"`
	Numbers    []int          `json:"numbers,omitempty"`
}

// client is one run of a command.
type client struct {
	options
	session *amqp.Session
	result  result
}

func main() {
	commands := map[string]func(*client, context.Context) error{
		"send":    (*client).send,
		"receive": (*client).receive,
		"request": (*client).request,
		"respond": (*client).respond,
		"relay":   (*client).relay,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: goclient send|receive|request|respond|relay --url URL --address ADDRESS")
		os.Exit(2)
	}
	c := &client{result: result{Event: "result"}}
	if err := c.parse(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	err := c.run(commands[os.Args[1]])
	if err != nil {
		c.result.Error = err.Error()
	}
	say(c.result)
	if err != nil {
		os.Exit(1)
	}
}

func (c *client) parse(args []string) error {
	flags := flag.NewFlagSet("goclient", flag.ContinueOnError)
	flags.StringVar(&c.url, "url", "", "amqp://HOST:PORT")
	flags.StringVar(&c.address, "address", "", "address to send to or to receive from")
	flags.StringVar(&c.values, "values", "", "file with the messages to send")
	flags.StringVar(&c.hostname, "hostname", "", "hostname in the open, instead of the URL's")
	flags.StringVar(&c.capability, "capability", "", "capability of the source or target")
	flags.IntVar(&c.count, "count", 1, "messages")
	flags.IntVar(&c.progress, "progress", 0, "print a line every so many messages")
	flags.IntVar(&c.credit, "credit", 100, "credit window of a receiver")
	flags.BoolVar(&c.show, "show", false, "print the received messages")
	flags.BoolVar(&c.presettled, "presettled", false, "send settled")
	flags.BoolVar(&c.anonymous, "anonymous", false, "send over a link without a target address")
	flags.BoolVar(&c.linger, "linger", false, "go on receiving until a line on stdin says otherwise")
	flags.BoolVar(&c.retry, "retry", false, "send again what was released or modified")
	sizes := flags.String("size", "64", "body sizes, used in turn")
	outcomes := flags.String("outcome", "accept", "outcomes, used in turn")
	timeout := flags.Float64("timeout", 60, "seconds")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return fmt.Errorf("--size %s: %w", *sizes, err)
		}
		c.sizes = append(c.sizes, n)
	}
	c.outcomes = strings.Split(*outcomes, ",")
	c.timeout = time.Duration(*timeout * float64(time.Second))
	return nil
}

func (c *client) run(command func(*client, context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	conn, err := amqp.Dial(ctx, c.url, &amqp.ConnOptions{HostName: c.hostname, SASLType: amqp.SASLTypeAnonymous()})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.url, err)
	}
	if c.session, err = conn.NewSession(ctx, nil); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err = command(c, ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no end after %v: %w", c.timeout, err)
		}
		return err
	}
	// go-amqp closes its socket without waiting for the peer, and the system then throws away what the peer has not yet
	// read. The answer to the end of the session says that it has read everything.
	if err := c.session.Close(ctx); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return conn.Close()
}

// capabilities returns those of the source which the client receives from, or of the target which it sends to.
func (c *client) capabilities() []string {
	if c.capability == "" {
		return nil
	}
	return []string{c.capability}
}

// say prints one line of JSON.
func say(event any) {
	b, err := json.Marshal(event)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Stdout.Write(append(b, '\n'))
}

func sayReady(address string) {
	say(map[string]string{"event": "ready", "address": address})
}

func (c *client) sayProgress(count int) {
	if c.progress > 0 && count%c.progress == 0 {
		say(map[string]any{"event": "progress", "count": count})
	}
}

// bodyOf returns the body of message seq: a pattern with a prime period, so that a misplaced frame shows.
func bodyOf(seq, size int) []byte {
	body := make([]byte, size)
	for i := range min(size, 251) {
		body[i] = byte(i + seq)
	}
	for n := 251; n < size; n *= 2 {
		copy(body[n:], body[:n])
	}
	return body
}

// numbered returns message seq with its checksum.
func (c *client) numbered(seq int) *amqp.Message {
	body := bodyOf(seq, c.sizes[seq%len(c.sizes)])
	msg := amqp.NewMessage(body)
	msg.Properties = &amqp.MessageProperties{MessageID: uint64(seq)}
	msg.ApplicationProperties = map[string]any{"seq": uint64(seq), "crc": crc32.ChecksumIEEE(body)}
	return msg
}

// sequence returns the number of a message which numbered made, and whether its body arrived as it was sent.
func sequence(msg *amqp.Message) (int, bool) {
	seq, _ := msg.ApplicationProperties["seq"].(uint64)
	crc, ok := msg.ApplicationProperties["crc"].(uint32)
	return int(seq), ok && len(msg.Data) == 1 && crc32.ChecksumIEEE(msg.Data[0]) == crc
}
