package contract

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/postroad/postroad/internal/freeport"
)

// proxy hands octets on between two routers until it is cut. Then it closes its connections, and accepts and closes
// new ones at once.
type proxy struct {
	port     int
	to       string
	listener net.Listener

	mu    sync.Mutex
	off   bool
	conns map[net.Conn]bool
}

// newProxy returns a proxy to a port of this machine. One goroutine accepts, two for each connection hand on.
func newProxy(to int) (*proxy, error) {
	port, err := freeport.One()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	p := &proxy{port: port, to: fmt.Sprintf("127.0.0.1:%d", to), listener: l, conns: make(map[net.Conn]bool)}
	go p.accept()
	return p, nil
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil || !p.admit(in, out) {
			in.Close()
			if out != nil {
				out.Close()
			}
			continue
		}
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			go func() {
				io.Copy(pair[0], pair[1])
				in.Close()
				out.Close()
			}()
		}
	}
}

// admit takes note of a connection, unless the proxy is cut.
func (p *proxy) admit(in, out net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off {
		p.conns[in], p.conns[out] = true, true
	}
	return !p.off
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

func (p *proxy) isCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

func (p *proxy) mend() {
	p.mu.Lock()
	p.off = false
	p.mu.Unlock()
}

func (p *proxy) end() {
	p.listener.Close()
	p.cut()
}
