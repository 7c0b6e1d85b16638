package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/tls"
)

// listenQUIC opens a QUIC listener that serves connections with a function.
func listenQUIC(t *testing.T, p *tls.Profile, serve func(c *QUICConn)) (host, port string) {
	t.Helper()
	l, err := ListenQUIC(t.Context(), ListenOptions{
		Host: "127.0.0.1", Port: "0", TLS: p, ClientCertificate: true, ALPN: []string{membership.ALPN},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	host, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// TestQUICCarriesOctetsLikeTCP: a megabyte each way, half-close, and nothing is lost at the end.
func TestQUICCarriesOctetsLikeTCP(t *testing.T) {
	t.Parallel()
	p := profile(t)
	accepted := make(chan Conn, 1)
	host, port := listenQUIC(t, p, func(c *QUICConn) {
		go func() {
			s, err := c.Stream(context.Background(), false)
			if err != nil {
				t.Error(err)
			}
			accepted <- s
		}()
	})
	o := DialOptions{Host: host, Port: port, TLS: p, VerifyHostname: true}
	c, err := DialQUIC(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	client, err := c.Stream(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Protocol() != ALPNAMQP || client.Handshake(t.Context()) != nil || client.TLS().Protocol != "TLSv1.3" {
		t.Errorf("the connection is %q, %+v", c.Protocol(), client.TLS())
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() { _, _ = client.Write(data); _ = client.CloseWrite() }()
	server := <-accepted
	if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d octets arrived, %v", len(got), err)
	}
	if server.TLS().Identity == "" {
		t.Error("the peer has no identity")
	}
	go func() { _, _ = server.Write(data); _ = server.Close() }()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d octets came back, %v", len(got), err)
	}
	if err := client.Abort(); err != nil {
		t.Error(err)
	}
	for _, wrong := range []DialOptions{{Host: host, Port: port}, {Host: host, Port: port, TLS: p, ALPN: []string{"x"}}} {
		if c, err := DialQUIC(t.Context(), wrong); err == nil {
			_ = c.Close()
			t.Errorf("%+v connects", wrong)
		}
	}
	if _, err := ListenQUIC(t.Context(), ListenOptions{}); err == nil {
		t.Error("a listener needs no profile")
	}
}

// TestGossipSharesAQUICPort: members find each other over the datagrams and streams of the port that AMQP has, one of
// them without a port of its own.
func TestGossipSharesAQUICPort(t *testing.T) {
	t.Parallel()
	p := profile(t)
	var members []*membership.Membership
	var seeds []membership.Endpoint
	ids := []string{"R1", "R2", "R3", "R4"}
	changed := make(chan struct{}, 1)
	for i, id := range ids {
		overlay, err := membership.NewOverlay(membership.OverlayConfig{Mesh: "test", ID: id,
			Dial: func(ctx context.Context, e membership.Endpoint) (membership.Carrier, error) {
				return DialQUIC(ctx, DialOptions{
					Host: e.Host, Port: strconv.Itoa(int(e.Port)), TLS: p, ALPN: []string{membership.ALPN},
				})
			}})
		if err != nil {
			t.Fatal(err)
		}
		config := membership.Config{Mesh: "test", ID: id, Seeds: seeds, Network: overlay}
		config.Changed = func(*membership.Snapshot) {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
		config.Timing.Probe, config.Timing.ProbeWait = 200*time.Millisecond, 100*time.Millisecond
		if i < len(ids)-1 {
			host, port := listenQUIC(t, p, func(c *QUICConn) {
				if c.Protocol() == membership.ALPN {
					overlay.Serve(c)
				}
			})
			number, _ := strconv.ParseUint(port, 10, 16)
			config.Endpoints = []membership.Endpoint{{Transport: "quic", Host: host, Port: uint16(number)}}
		}
		if seeds == nil {
			seeds = config.Endpoints
		}
		m, err := membership.New(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Stop)
		members = append(members, m)
	}
	known := func() error {
		for i, m := range members {
			var got []string
			for _, other := range m.Snapshot().Present() {
				got = append(got, other.ID)
			}
			if !slices.Equal(got, ids) {
				return fmt.Errorf("%s knows %v", ids[i], got)
			}
		}
		return nil
	}
	limit := time.After(time.Minute)
	for known() != nil {
		select {
		case <-changed:
		case <-limit:
			t.Fatal(known())
		}
	}
}

// TestAPortCarriesSeveralProtocols: who asks for one by ALPN gets it, who asks for an unknown one or none gets AMQP.
func TestAPortCarriesSeveralProtocols(t *testing.T) {
	t.Parallel()
	p := profile(t)
	l := listen(t, ListenOptions{TLS: p, ALPN: []string{membership.ALPN}})
	for _, tt := range []struct {
		ask  []string
		want string
	}{{nil, ""}, {[]string{"h2"}, ""}, {[]string{membership.ALPN}, membership.ALPN}} {
		client, server := dial(t, l, DialOptions{TLS: p, ALPN: tt.ask})
		for _, c := range []Conn{client, server} {
			if got := c.TLS().Connection.NegotiatedProtocol; got != tt.want {
				t.Errorf("asked for %q, got %q, want %q", tt.ask, got, tt.want)
			}
		}
	}
}
