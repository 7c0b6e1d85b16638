package router

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

var (
	chaosSeed  = flag.Uint64("chaos.seed", 0, "seed of the chaos test; 0 takes one from the clock")
	chaosSteps = flag.Int("chaos.steps", 25, "what each client of the chaos test does")
)

// TestClientsThatComeAndGoAtRandomAlwaysHearAnOutcome has clients on every router that attach, send, receive, settle in
// every way or not at all, detach, close, or vanish. Whatever they do: as long as a sender's link lives, each of its
// deliveries gets an outcome; and when all are gone, nothing of them is left.
func TestClientsThatComeAndGoAtRandomAlwaysHearAnOutcome(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("go test ./router -run %s -chaos.seed %d", t.Name(), seed)
		}
	})
	n := fullMesh(t, 3)
	w := &world{t: t, n: n, over: make(chan struct{})}
	for _, address := range chaosAddresses { // somebody always takes what comes, so that senders have credit
		w.steady(address)
	}
	var clients sync.WaitGroup
	for i := range 12 {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		clients.Go(func() {
			for range *chaosSteps {
				w.visit(rng)
			}
		})
	}
	clients.Wait()
	close(w.over)
	t.Logf("%d messages had outcomes, %d ended with their link; %d received", w.outcomes.Load(), w.lost.Load(),
		w.received.Load())
}

var chaosAddresses = []string{"closest/x", "balanced/x", "multicast/x"}

// world is what the clients of the chaos test share.
type world struct {
	t        *testing.T
	n        *network
	over     chan struct{}
	outcomes atomic.Int64
	lost     atomic.Int64
	received atomic.Int64
}

// steady is a consumer that stays.
func (w *world) steady(address string) {
	connect(w.t, w.n.routers[0]).receiver(address, 20).consume(nil)
}

// visit is one client's stay: it connects somewhere, does one thing, and leaves in order or not.
func (w *world) visit(rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r := w.n.routers[rng.IntN(len(w.n.routers))]
	nc, err := net.Dial("tcp", r.Addr("clients"))
	if err != nil {
		w.t.Errorf("connect: %v", err)
		return
	}
	conn, err := amqp.NewConn(ctx, nc, &amqp.ConnOptions{MaxFrameSize: uint32(512 + rng.IntN(60_000))})
	if err != nil {
		w.t.Errorf("open: %v", err)
		return
	}
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		w.t.Errorf("begin: %v", err)
		return
	}
	address := chaosAddresses[rng.IntN(len(chaosAddresses))]
	if rng.IntN(2) == 0 {
		w.send(ctx, rng, session, address, nc)
	} else {
		w.receive(ctx, rng, session, address)
	}
	if rng.IntN(2) == 0 {
		nc.Close()
	}
	conn.Close()
}

// send sends some messages and waits for their outcomes, unless the client decides to vanish.
func (w *world) send(ctx context.Context, rng *rand.Rand, session *amqp.Session, address string, nc net.Conn) {
	anonymous := rng.IntN(3) == 0
	target := address
	if anonymous {
		target = ""
	}
	s, err := session.NewSender(ctx, target, nil)
	if err != nil {
		w.t.Errorf("attach a sender: %v", err)
		return
	}
	settled, vanish := rng.IntN(3) == 0, rng.IntN(4) == 0
	var receipts []amqp.SendReceipt
	for range 1 + rng.IntN(20) {
		size := rng.IntN(2000)
		if rng.IntN(5) == 0 {
			size = rng.IntN(400_000)
		}
		m := amqp.NewMessage(make([]byte, size))
		if anonymous {
			m = to(address, m)
		}
		if settled {
			err = s.Send(ctx, m, &amqp.SendOptions{Settled: true})
		} else {
			var receipt amqp.SendReceipt
			if receipt, err = s.SendWithReceipt(ctx, m, nil); err == nil {
				receipts = append(receipts, receipt)
			}
		}
		if err != nil {
			w.t.Errorf("send to %q: %v", target, err)
			return
		}
	}
	if vanish {
		nc.Close()
	}
	for i := range receipts {
		state, err := receipts[i].Wait(ctx)
		switch {
		case err == nil && state != nil:
			w.outcomes.Add(1)
		case errors.Is(err, context.DeadlineExceeded):
			w.t.Errorf("message %d of %d to %s (target %q) has no outcome", i, len(receipts), address, target)
			return
		default:
			w.lost.Add(1)
		}
	}
}

// receive takes some messages, settles them in some way, and leaves.
func (w *world) receive(ctx context.Context, rng *rand.Rand, session *amqp.Session, address string) {
	r, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: int32(1 + rng.IntN(30))})
	if err != nil {
		w.t.Errorf("attach a receiver: %v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(100))*time.Millisecond)
	defer cancel()
	for range rng.IntN(20) {
		m, err := r.Receive(ctx, nil)
		if err != nil {
			break
		}
		w.received.Add(1)
		switch rng.IntN(6) {
		case 0:
			err = r.ReleaseMessage(ctx, m)
		case 1:
			err = r.RejectMessage(ctx, m, &amqp.Error{Condition: "test:bad", Description: fmt.Sprint(len(m.GetData()))})
		case 2:
			err = r.ModifyMessage(ctx, m, &amqp.ModifyMessageOptions{UndeliverableHere: true})
		case 3: // left unsettled
		default:
			err = r.AcceptMessage(ctx, m)
		}
		if err != nil {
			break
		}
	}
	if rng.IntN(2) == 0 {
		r.Close(context.Background())
	}
}
