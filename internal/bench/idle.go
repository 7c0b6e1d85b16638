package bench

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// IdleCost is what connections cost that do nothing but be there.
type IdleCost struct {
	Connections int           `json:"connections"`
	Links       int           `json:"links"`              // receiving links on addresses of their own
	Opening     time.Duration `json:"openingNanoseconds"` // until all were open and attached
	CPU         time.Duration `json:"openingCPUNanoseconds,omitempty"`
	Memory      int64         `json:"memoryOctets,omitempty"`        // growth of the routers' resident set
	Kept        int64         `json:"memoryKeptOctets,omitempty"`    // of that, after they were closed again
	PerLink     int64         `json:"memoryPerLinkOctets,omitempty"` // growth per link
	PerConn     int64         `json:"memoryPerConnOctets,omitempty"` // growth per connection
}

// idleFleet is a number of idle connections.
type idleFleet struct {
	peers []*peer
	quit  chan struct{}
	alive sync.WaitGroup
}

// openers is how many idle connections are opened at the same time.
const openers = 16

// openIdle opens connections with receiving links on addresses of their own, spread evenly over the connections.
func openIdle(ctx context.Context, c *Config, connections, links int) (*idleFleet, error) {
	f := &idleFleet{peers: make([]*peer, connections), quit: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for w := range openers {
		work.Go(func() {
			for i := w; i < connections && ctx.Err() == nil; i += openers {
				from, to := i*links/connections, (i+1)*links/connections
				p, err := openIdleOne(ctx, c, from, to)
				if err != nil {
					cancel(fmt.Errorf("idle connection %d: %w", i, err))
					return
				}
				f.peers[i] = p
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		f.close()
		return nil, err
	}
	f.keepAlive()
	return f, nil
}

// openIdleOne opens one connection with the links from to to-1 on one session.
func openIdleOne(ctx context.Context, c *Config, from, to int) (*peer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Stall, fmt.Errorf("the router did not answer within %v", c.Stall))
	defer cancel()
	p, err := connect(ctx, c.Ingress, 4096, 0)
	if err != nil {
		return nil, err
	}
	if uint32(to-from-1) > p.handleMax {
		p.conn.Close()
		return nil, fmt.Errorf("peer allows %d links a session, %d are wanted; use more idle connections",
			uint64(p.handleMax)+1, to-from)
	}
	stop := context.AfterFunc(ctx, func() { p.conn.SetDeadline(time.Now()) })
	defer stop()
	const together = 64 // attaches in one write
	for at := from; at < to; at += together {
		var out []byte
		n := min(together, to-at)
		for i := range n {
			name := fmt.Sprintf("%s.idle.%d", c.Address, at+i)
			out = appendFrame(out, frameAMQP, 0, attachFrame(receivingLink, uint32(at+i-from), name, modeMixed))
		}
		if _, err = p.conn.Write(out); err != nil {
			break
		}
		for i := 0; i < n && err == nil; i++ {
			_, err = p.awaitAttach()
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		p.conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return p, nil
}

// keepAlive writes empty frames on all connections, at half the shortest time any peer asks for.
func (f *idleFleet) keepAlive() {
	var idle time.Duration
	for _, p := range f.peers {
		if p.idle > 0 && (idle == 0 || p.idle < idle) {
			idle = p.idle
		}
	}
	if idle == 0 {
		return
	}
	f.alive.Go(func() {
		t := time.NewTicker(max(idle/2, time.Millisecond))
		defer t.Stop()
		for {
			select {
			case <-f.quit:
				return
			case <-t.C:
			}
			for _, p := range f.peers {
				p.conn.Write(emptyFrame)
			}
		}
	})
}

// close closes all connections.
func (f *idleFleet) close() {
	close(f.quit)
	f.alive.Wait()
	for _, p := range f.peers {
		if p != nil {
			p.sayClose()
		}
	}
	for _, p := range f.peers {
		if p != nil {
			p.awaitEOF()
			p.conn.Close()
		}
	}
}
