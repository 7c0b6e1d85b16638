package engine_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/engine"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// heap is how many octets of memory are in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Whatever a peer makes the engine keep, its footprint says so. Not parallel: it measures the heap.
func TestTheFootprintIsWhatAConnectionTakes(t *testing.T) {
	for name, fill := range map[string]func(p *amqptest.Peer){
		"sessions": func(p *amqptest.Peer) {
			for ch := uint16(1); ch < 5000; ch++ {
				p.Send(amqptest.On(ch, &wire.Begin{}))
			}
		},
		"links": func(p *amqptest.Peer) {
			for i := range uint32(10_000) {
				p.Send(&wire.Attach{Name: fmt.Sprint(i), Handle: i, Role: wire.RoleSender, HasInitialDelivery: true})
				p.Forget()
			}
		},
		"far handles and long names": func(p *amqptest.Peer) {
			for i := range uint32(2000) {
				p.Send(&wire.Attach{Name: fmt.Sprint(strings.Repeat("x", 1000), i), Handle: 65535 - i*30, Role: wire.RoleSender,
					HasInitialDelivery: true})
				p.Forget()
			}
		},
		"deliveries": func(p *amqptest.Peer) {
			p.Sender(0, 100_000)
			for i := range uint32(100_000) {
				p.Send(transfer(i, false, "x"))
				if i%1000 == 0 {
					p.Forget()
				}
			}
		},
		"deliveries in turns with settled ones": func(p *amqptest.Peer) {
			p.Sender(0, 1_000_000)
			for i := range uint32(200_000) {
				p.Send(transfer(i, i%20 != 0, "x"))
				if i%1000 == 0 {
					p.Forget()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := amqptest.Opened(t, engine.Config{ChannelMax: math.MaxUint16})
			p.Send(&wire.Begin{IncomingWindow: 1000, HandleMax: math.MaxUint32})
			p.Forget()
			before, had := heap(), p.Conn.Footprint()
			fill(p)
			p.Forget()
			took, says := heap()-before, p.Conn.Footprint()-had
			runtime.KeepAlive(p)
			t.Logf("%d octets are taken, the footprint is %d", took, says)
			if says < took*3/4 || says > took*3/2+1<<20 {
				t.Errorf("%d octets are taken, the footprint says %d", took, says)
			}
		})
	}
}
