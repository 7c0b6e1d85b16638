package router

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// slowLine is a TCP relay on which everything takes a time, in both directions.
type slowLine struct {
	listener net.Listener
	target   string
	delay    atomic.Int64 // one way, in nanoseconds
}

// newSlowLine makes one to the listener for routers of a router, which ends with the test.
func newSlowLine(t testing.TB, to *Router, delay time.Duration) *slowLine {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &slowLine{listener: l, target: to.Addr("routers")}
	s.delay.Store(int64(delay))
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp4", s.target)
			if err != nil {
				from.Close()
				continue
			}
			go s.carry(from, to)
			go s.carry(to, from)
		}
	}()
	return s
}

// carry takes octets from one connection to the other until one of them ends.
func (s *slowLine) carry(from, to net.Conn) {
	type parcel struct {
		due    time.Time
		octets []byte
	}
	way := make(chan parcel, 4096)
	go func() {
		defer from.Close()
		defer to.Close()
		timer := time.NewTimer(0)
		defer timer.Stop()
		for p := range way {
			timer.Reset(time.Until(p.due))
			<-timer.C
			if _, err := to.Write(p.octets); err != nil {
				break
			}
		}
		for range way { // until the other side has ended, too
		}
	}()
	defer close(way)
	for {
		b := make([]byte, 64<<10)
		n, err := from.Read(b)
		if err != nil {
			return
		}
		way <- parcel{time.Now().Add(time.Duration(s.delay.Load())), b[:n]}
	}
}

// connector is one of a router over the line, whose cost follows from the time.
func (s *slowLine) connector(name string) string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return fmt.Sprintf("{name: %s, host: 127.0.0.1, port: %s, role: inter-router, costBasis: rtt}", name, port)
}

// rowOf is what a router says of another one.
func rowOf(r *Router, id string) (row struct {
	nextHop  string
	cost     int64
	rtt      time.Duration
	neighbor bool
}) {
	for n := range r.view.RouterNodes() {
		if n.ID == id {
			row.nextHop, row.cost, row.neighbor = n.NextHop, n.Cost, n.Neighbor
			row.rtt = time.Duration(n.RTT) * time.Microsecond
		}
	}
	return row
}

// D is behind B and behind C. A comes to both over a line; the one to C is slow, and later that to B is much slower.
func TestPathOverALinkThatBecomesSlowIsLeftForAQuickerOne(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	const quick = "fastHelloMilliseconds: 100" // also under the race detector: HELLOs measure
	d := n.add(plan{id: "D", router: quick})
	b := n.add(plan{id: "B", router: quick, to: []*Router{d}})
	c := n.add(plan{id: "C", router: quick, to: []*Router{d}})
	toB, toC := newSlowLine(t, b, 0), newSlowLine(t, c, 20*time.Millisecond)
	a := n.add(plan{id: "A", router: quick, connectors: toB.connector("to-b") + ", " + toC.connector("to-c")})
	n.converge()
	eventually(t, "the quicker line is preferred", func() error {
		way, quick, slow := rowOf(a, "D"), rowOf(a, "B"), rowOf(a, "C")
		if way.nextHop != "B" || quick.rtt == 0 || slow.rtt < 40*time.Millisecond || rowOf(d, "A").nextHop != "B" {
			return fmt.Errorf("D %+v, B %+v, C %+v", way, quick, slow)
		}
		return nil
	})
	if cost := linkCost(a, "C"); cost < 400 {
		t.Errorf("a line of 40 ms costs %d, want 401 or a little more", cost)
	}
	toB.delay.Store(int64(100 * time.Millisecond))
	eventually(t, "the line that has become slow is left", func() error {
		if way, slow := rowOf(a, "D"), rowOf(a, "B"); way.nextHop != "C" || slow.rtt < 200*time.Millisecond {
			return fmt.Errorf("D %+v, B %+v", way, slow)
		}
		if back := rowOf(d, "A"); back.nextHop != "C" { // B knows it, too
			return fmt.Errorf("D goes to A by %s", back.nextHop)
		}
		return nil
	})
}

// linkCost is what a router says that a neighbor costs, 0 if it is none.
func linkCost(r *Router, id string) int {
	for _, p := range r.ownLinkState() {
		if p.ID == id {
			return p.Cost
		}
	}
	return 0
}

// Whoever dials a planned link asks the other end to measure, too.
func TestCostsOfPlannedLinksAreMeasuredAtBothEnds(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for id, cost := range map[string]string{"A": "rtt", "B": "fixed"} { // A dials, as it has the lower id
		g.run(g.secured(g.text(id, g.profile(g.ca, id), "costWithin: 5000, cost: "+cost)))
	}
	for _, r := range g.routers {
		eventually(t, "the cost follows from the time", func() error {
			r.control.Mu.Lock()
			defer r.control.Mu.Unlock()
			for _, l := range r.control.Mesh.Links() {
				if l.Measured && l.RTT > 0 && l.Cost < 5000 {
					return nil
				}
			}
			return fmt.Errorf("%s has the links %+v", r.ID(), r.control.Mesh.Links())
		})
	}
}
