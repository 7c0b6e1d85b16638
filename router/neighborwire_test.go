package router

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// tap passes a connection on and keeps what the side that dialed has sent.
type tap struct {
	mu   sync.Mutex
	sent []byte
}

func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, b...)
	return len(b), nil
}

// frames returns the frames sent so far after both protocol headers, the SASL ones first.
func (t *tap) frames(tb testing.TB) []wire.Frame {
	tb.Helper()
	t.mu.Lock()
	b := bytes.Clone(t.sent)
	t.mu.Unlock()
	var frames []wire.Frame
	for len(b) >= 8 {
		if bytes.HasPrefix(b, []byte("AMQP")) {
			b = b[8:]
			continue
		}
		f, n, err := wire.ParseFrame(b, 1<<20)
		if err != nil {
			tb.Fatal(err)
		}
		if n == 0 {
			break
		}
		frames, b = append(frames, f), b[n:]
	}
	return frames
}

// tapped returns routers A, which dials, and B, and what A sends to B.
func tapped(t *testing.T) (a, b *Router, sent *tap) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { // after the routers have stopped
		l.Close()
		done.Wait()
	})
	n := newNetwork(t)
	b = n.add(plan{id: "B"})
	sent = &tap{}
	done.Go(func() {
		dialed, err := l.Accept()
		if err != nil {
			return
		}
		defer dialed.Close()
		up, err := net.Dial("tcp", b.Addr("routers"))
		if err != nil {
			return
		}
		defer up.Close()
		done.Go(func() {
			_, _ = io.Copy(dialed, up)
			dialed.Close()
		})
		_, _ = io.Copy(io.MultiWriter(up, sent), dialed)
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	a = n.add(plan{id: "A", connectors: fmt.Sprintf(
		"{name: up, host: 127.0.0.1, port: %s, role: inter-router, cost: 5}", port)})
	n.converge()
	return a, b, sent
}

// What a connector sends to a neighbor is what Interconnect's does (reference part 2.1, 2.2): the open with its
// capabilities and properties, eleven sessions, and on each a receiver and then a sender, the control links first and
// the ten priorities after them, with the capability as a plain symbol in both termini.
func TestAConnectorGreetsANeighborAsInterconnectDoes(t *testing.T) {
	t.Parallel()
	_, _, sent := tapped(t)
	var begins, attaches int
	for _, f := range sent.frames(t) {
		code, err := wire.PeekDescriptor(f.Body)
		if len(f.Body) == 0 || f.Type != wire.FrameAMQP {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		switch code {
		case wire.DescriptorOpen:
			var x wire.Open
			if _, err := x.Decode(f.Body); err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %s %d %d %v %v %x", x.ContainerID, x.Hostname, x.ChannelMax, x.IdleTimeOut,
				x.OfferedCapabilities, x.DesiredCapabilities, []byte(x.Properties))
			// {product: "postroad", version: "0.0.0-test", qd.conn-id: int, qd.inter-router-cost: int 5,
			// qd.annotations-version: int 1}, keys as symbols: qdrouterd stops at the first key that is none.
			want := "A 127.0.0.1 32767 8000 [ANONYMOUS-RELAY qd.streaming-links postroad.mesh] [ANONYMOUS-RELAY qd.streaming-links] " +
				"c1" + "[0-9a-f]{2}" + "0a" +
				"a307" + asHex("product") + "a108" + asHex("postroad") +
				"a307" + asHex("version") + "a10a" + asHex("0.0.0-test") +
				"a30a" + asHex("qd.conn-id") + "54" + "[0-9a-f]{2}" +
				"a314" + asHex("qd.inter-router-cost") + "5405" +
				"a316" + asHex("qd.annotations-version") + "5401"
			if !matches(want, got) {
				t.Errorf("open is\n%s, want\n%s", got, want)
			}
		case wire.DescriptorBegin:
			if int(f.Channel) != begins {
				t.Errorf("begin %d is on channel %d", begins, f.Channel)
			}
			begins++
		case wire.DescriptorAttach:
			checkAttach(t, f, attaches)
			attaches++
		}
	}
	if begins != 11 || attaches != 22 {
		t.Errorf("%d sessions and %d links, want 11 and 22", begins, attaches)
	}
}

// checkAttach checks the attach with this number among the fixed ones.
func checkAttach(t *testing.T, f wire.Frame, number int) {
	t.Helper()
	var x wire.Attach
	if _, err := x.Decode(f.Body); err != nil {
		t.Fatal(err)
	}
	capability := wire.Symbol("qd.router-data")
	if number < 2 {
		capability = "qd.router"
	}
	want := fmt.Sprintf("channel %d role %v %v %v ssm 2 rsm 0", number/2, number%2 == 0, capability, capability)
	got := fmt.Sprintf("channel %d role %v %v %v ssm %d rsm %d", f.Channel, bool(x.Role), x.Source.Capabilities[0],
		x.Target.Capabilities[0], x.SndSettleMode, x.RcvSettleMode)
	plain := x.Source.SingleCapability && x.Target.SingleCapability
	empty := !x.Source.HasAddress && !x.Target.HasAddress && x.Source.ExpiryPolicy == "link-detach"
	if got != want || !plain || !empty || !strings.HasPrefix(x.Name, "qdlink.") {
		t.Errorf("attach %d is %s, named %q, plain %v, empty %v; want %s", number, got, x.Name, plain, empty, want)
	}
}

// A message goes to a neighbor octet by octet as Interconnect sends it (reference part 2.5, 2.11): on the link of its
// priority, the user's annotations first, then x-opt-qd.to, ingress and trace as symbols in a map8, and the bare message
// untouched.
func TestAMessageGoesToANeighborAsInterconnectSendsIt(t *testing.T) {
	t.Parallel()
	a, b, sent := tapped(t)
	in := connect(t, b).receiver("q1", 10)
	n := &network{t: t, routers: []*Router{a, b}}
	n.consumers("A", "q1", 0, 1)
	out := connect(t, a).sender("q1", nil)
	m := &amqp.Message{Annotations: amqp.Annotations{"user": "x"}, Value: "m0"}
	wantAcceptedLater := out.begin(m)
	in.accept()
	wantAccepted(t, "the message", out.outcome(wantAcceptedLater))

	pairs := "a304" + asHex("user") + "a101" + asHex("x") +
		"a30b" + asHex("x-opt-qd.to") + "a102" + asHex("q1") +
		"a310" + asHex("x-opt-qd.ingress") + "a103" + asHex("0/A") +
		"a30e" + asHex("x-opt-qd.trace") + "c0" + "06" + "01" + "a103" + asHex("0/A")
	want := fmt.Sprintf("005372c1%02x08%s", len(pairs)/2+1, pairs) + "005377" + "a102" + asHex("m0")
	for _, f := range sent.frames(t) {
		if code, err := wire.PeekDescriptor(f.Body); err != nil || code != wire.DescriptorTransfer || f.Channel == 0 {
			continue
		}
		var x wire.Transfer
		payload, err := x.Decode(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(payload); got != want {
			t.Errorf("payload is\n%s, want\n%s", got, want)
		}
		if f.Channel != 5 || x.Settled || len(x.DeliveryTag) == 0 {
			t.Errorf("on channel %d, settled %v, tag %x; want channel 5 (priority 4), unsettled, with a tag",
				f.Channel, x.Settled, x.DeliveryTag)
		}
		return
	}
	t.Fatal("no message went to the neighbor")
}

func asHex(s string) string { return hex.EncodeToString([]byte(s)) }

// matches tells whether got is want, in which [0-9a-f]{2} stands for any octet.
func matches(want, got string) bool {
	ok, err := regexp.MatchString("^"+strings.NewReplacer("[ANONYMOUS-RELAY qd.streaming-links]",
		`\[ANONYMOUS-RELAY qd\.streaming-links\]`, "[ANONYMOUS-RELAY qd.streaming-links postroad.mesh]",
		`\[ANONYMOUS-RELAY qd\.streaming-links postroad\.mesh\]`).Replace(want)+"$", got)
	return err == nil && ok
}
