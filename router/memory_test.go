package router

import (
	"errors"
	"hash/crc32"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/go-amqp"

	"github.com/postroad/postroad/internal/amqp/amqptest"
	"github.com/postroad/postroad/internal/amqp/buf"
	"github.com/postroad/postroad/internal/amqp/wire"
)

// heapAfterGC is the memory in use, in octets, that is not garbage.
func heapAfterGC() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// TestLargeMessageToASlowReceiverTakesLittleMemory sends 256 MiB in one message through three routers. The receiver
// takes a few frames at a time. It is not parallel: it measures the memory of the process.
func TestLargeMessageToASlowReceiverTakesLittleMemory(t *testing.T) {
	const (
		octets = 256 << 20
		frame  = 60 << 10
		window = 16           // frames that the receiver takes at a time
		bound  = 24 << 20     // octets that three routers may hold
		chunks = bound / 4096 // a chunk may be as small as this
	)
	n := chain(t, 3)
	to := rawOpen(t, n.node("C"))
	to.send(&wire.Begin{IncomingWindow: window, OutgoingWindow: 1, HandleMax: 10})
	want[*wire.Begin](to, "begin is answered")
	to.send(&wire.Attach{Name: "in", Role: wire.RoleReceiver, SndSettleMode: wire.SenderMixed,
		Source: &wire.Source{Address: "closest/x", HasAddress: true}, Target: &wire.Target{}})
	to.attached(0)
	to.send(&wire.Flow{HasNextIncomingID: true, IncomingWindow: window, OutgoingWindow: 1, HasHandle: true,
		HasDeliveryCount: true, LinkCredit: 1, HasLinkCredit: true})
	n.consumers("A", "closest/x", 0, 1)
	from := rawBegin(t, n.node("A"))
	from.attachSender(0, "closest/x")
	before, chunksBefore := heapAfterGC(), buf.Outstanding()

	var sent atomic.Int64
	done := make(chan uint32, 1)
	x := from.first(0)
	go func() {
		b := noise(1, frame)
		head := append(wire.AppendDescriptor(nil, 0x75), 0xb0, 0x10, 0, 0, 0) // a data section of 256 MiB
		sum := crc32.ChecksumIEEE(head)
		x.More = true
		from.send(transfer(x, string(head)))
		for left := octets; left > 0; left -= len(b) {
			b = b[:min(left, len(b))]
			sum = crc32.Update(sum, crc32.IEEETable, b)
			from.send(transfer(wire.Transfer{More: left > len(b)}, string(b)))
			sent.Add(int64(len(b)))
		}
		done <- sum
	}()

	var got, frames, mostHeap, mostChunks int64
	var sum uint32
	for last := false; !last; {
		what, err := to.read()
		if err != nil {
			t.Fatalf("after %d octets: %v", got, err)
		}
		f, _ := what.(amqptest.Frame)
		transfer, ok := f.Body.(*wire.Transfer)
		if !ok {
			continue
		}
		sum = crc32.Update(sum, crc32.IEEETable, []byte(f.Payload))
		got += int64(len(f.Payload))
		last = !transfer.More
		if frames++; frames%window == 0 {
			mostChunks = max(mostChunks, buf.Outstanding()-chunksBefore)
			if frames%(64*window) == 0 {
				mostHeap = max(mostHeap, heapAfterGC()-before)
			}
			to.send(&wire.Flow{NextIncomingID: uint32(frames), HasNextIncomingID: true, IncomingWindow: window,
				OutgoingWindow: 1})
		}
	}
	to.settle(0, wire.State{Kind: wire.StateAccepted})
	from.wantOutcome("the large message", x.DeliveryID, wire.StateAccepted)
	if want := <-done; sum != want {
		t.Errorf("%d octets arrived with the sum %x, want %x", got, sum, want)
	}
	t.Logf("at most %d KiB more of memory, %d chunks", mostHeap>>10, mostChunks)
	if mostHeap > bound {
		t.Errorf("memory grew by %d MiB", mostHeap>>20)
	}
	if mostChunks > chunks {
		t.Errorf("%d chunks were held", mostChunks)
	}
}

// TestSettledMessagesForAConsumerThatReadsNothingAreDroppedBeyondABound offers 180 MB from another router. It is not
// parallel: it measures the memory of the process.
func TestSettledMessagesForAConsumerThatReadsNothingAreDroppedBeyondABound(t *testing.T) {
	const (
		senders, each, size = 3, 300, 200_000
		bound               = 80 << 20 // octets: two routers may hold 16 MiB each, and some streams; the rest is clients
	)
	n := chain(t, 2)
	slow := rawBegin(t, n.node("B"))
	slow.attachReceiver(0, "closest/slow", 1000)
	n.consumers("A", "closest/slow", 0, 1)
	before := heapAfterGC()
	var sending sync.WaitGroup
	for range senders {
		s := connect(t, n.node("A")).sender("closest/slow", nil)
		sending.Go(func() {
			for range each {
				if err := s.link.Send(s.ctx, amqp.NewMessage(make([]byte, size)), &amqp.SendOptions{Settled: true}); err != nil {
					t.Errorf("send: %v", err)
					return
				}
			}
		})
	}
	sending.Wait()
	eventually(t, "what is dropped is counted", func() error {
		if n.node("A").view.Router().DroppedPresettledDeliveries+n.node("B").view.Router().DroppedPresettledDeliveries == 0 {
			return errors.New("nothing is counted")
		}
		return nil
	})
	if grown := heapAfterGC() - before; grown > bound {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	exchange(t, connect(t, n.node("A")).sender("closest/quick", nil),
		connect(t, n.node("B")).receiver("closest/quick", 10), 10)
}
