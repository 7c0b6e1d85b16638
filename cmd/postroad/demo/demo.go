package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/spawn"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/topologies"
)

// builtIn is the network of the demo unless another is asked for.
const builtIn = "three-clouds"

// New returns the command demo.
func New() *cobra.Command {
	var file string
	var duration time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a whole mesh with clients on this machine",
		Long: "Start the routers of a topology as processes of their own on 127.0.0.1, let AMQP clients exchange messages\n" +
			"across them, show what happens, and end with a summary. Exit status 1 if a router died, nothing arrived, or\n" +
			"an accepted message was lost. Kill a router meanwhile, and see what the others make of it.",
		Example: "  postroad demo\n  postroad demo --duration 10s --output json\n  postroad demo --topology mine.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if duration < 0 {
				return command.UsageErrorf("--duration %v is negative", duration)
			}
			topology, err := loadTopology(file)
			if err != nil {
				return err
			}
			return runDemo(cmd, topology, duration)
		},
	}
	cmd.Flags().StringVar(&file, "topology", "", "file that describes the network; a built-in example unless given")
	cmd.Flags().DurationVar(&duration, "duration", 0, "how long messages are sent; until interrupted unless given")
	return cmd
}

// loadTopology reads a topology, the built-in one if no file is given.
func loadTopology(file string) (*topologies.Topology, error) {
	if file == "" {
		return topologies.Named(builtIn)
	}
	return topologies.Load(file)
}

// demo is one execution of `postroad demo`.
type demo struct {
	topology *topologies.Topology
	routers  []*router
	clients  []*client
	ledger   ledger

	mu    sync.Mutex
	phase string    // what goes on at the moment
	began time.Time // when the first message was sent; zero before
	ended time.Time // when sending stopped; zero before
}

// runDemo runs a demo and reports on it.
func runDemo(cmd *cobra.Command, topology *topologies.Topology, duration time.Duration) error {
	d := &demo{topology: topology}
	folder, err := os.MkdirTemp("", "postroad-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	shown := startView(cmd, d, cancel)
	problems := d.run(ctx, folder, duration)
	shown.Stop()
	return d.report(cmd, problems)
}

// run does everything from starting the routers to stopping them. It returns everything that went wrong.
func (d *demo) run(ctx context.Context, folder string, duration time.Duration) []error {
	defer d.stopRouters()
	if err := d.prepare(ctx, folder); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted before any message was sent")
		}
		return append(d.deaths(), err)
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stopWatching()
	for _, r := range d.routers {
		watchers.Go(func() { r.watch(watching) })
	}
	d.exchange(ctx, duration)
	d.enter("stopping")
	problems := d.verdict()
	for _, c := range d.clients {
		c.close()
	}
	return problems
}

// enter tells the view what goes on.
func (d *demo) enter(phase string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase = phase
}

// prepare starts the routers, attaches the clients, and waits until every router knows where the consumers are.
func (d *demo) prepare(ctx context.Context, folder string) error {
	d.enter("starting the routers")
	routers, err := newRouters(d.topology)
	if err != nil {
		return err
	}
	ports := map[string]topologies.Ports{}
	byID := map[string]*router{}
	for _, r := range routers {
		ports[r.ID], byID[r.ID] = r.ports, r
	}
	for _, r := range routers {
		if err := r.start(d.topology, ports, folder); err != nil {
			return err
		}
		d.mu.Lock()
		d.routers = append(d.routers, r)
		d.mu.Unlock()
	}
	for _, r := range routers {
		if err := r.awaitReady(ctx); err != nil {
			return err
		}
	}
	d.enter("attaching the clients")
	for _, c := range d.topology.Clients {
		reader := c.Receives
		if d.topology.Distribution(c.Receives) == config.DistributionMulticast {
			reader = c.Name
		}
		client := &client{Client: c, url: byID[c.Router].url(), reader: reader, ledger: &d.ledger}
		if err := client.attach(ctx); err != nil {
			return err
		}
		d.mu.Lock()
		d.clients = append(d.clients, client)
		d.mu.Unlock()
	}
	d.enter("waiting until all routers know all paths and consumers")
	for _, r := range routers {
		if err := r.awaitMesh(ctx, d.topology, readyLimit); err != nil {
			return err
		}
	}
	return nil
}

// exchange lets the clients work until ctx ends or the duration is over, then until everything sent has an outcome and
// what should arrive has arrived.
func (d *demo) exchange(ctx context.Context, duration time.Duration) {
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	if duration > 0 {
		defer time.AfterFunc(duration, stopSending).Stop()
	}
	receiving, stopReceiving := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReceiving()
	d.enter("")
	d.mu.Lock()
	d.began = time.Now()
	d.mu.Unlock()
	var senders, receivers sync.WaitGroup
	for _, c := range d.clients {
		if c.receiver != nil {
			receivers.Go(func() { c.receive(receiving) })
		} else {
			senders.Go(func() { c.send(sending) })
		}
	}
	<-sending.Done()
	d.mu.Lock()
	d.ended = time.Now()
	d.mu.Unlock()
	d.enter("waiting for the last messages")
	senders.Wait()
	for deadline := time.Now().Add(outcomeLimit); d.missing() > 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	stopReceiving()
	receivers.Wait()
}

// readers returns under which names the ledger files the messages to an address. A receiver of a multicast address that
// has lost its router is none: what the others accept is accepted.
func (d *demo) readers(address string) []string {
	seen := map[string]bool{}
	var readers []string
	for _, c := range d.clients {
		if c.reader == c.Name && c.failure() != nil {
			continue
		}
		if c.Receives == address && !seen[c.reader] {
			seen[c.reader] = true
			readers = append(readers, c.reader)
		}
	}
	return readers
}

// missing counts the messages that should have arrived and have not, once for every reader.
func (d *demo) missing() int {
	n := 0
	for _, c := range d.clients {
		n += d.missingFrom(c)
	}
	return n
}

// missingFrom counts the messages of one sender that should have arrived and have not.
func (d *demo) missingFrom(c *client) int {
	readers := d.readers(c.Sends)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, reader := range readers {
		n += d.ledger.missing(reader, c.Name, &c.expected)
	}
	return n
}

// deaths returns the errors of the routers that have ended by themselves, and marks those as dead.
func (d *demo) deaths() []error {
	var deaths []error
	for _, r := range d.routers {
		if err := r.death(); err != nil {
			r.died = true
			deaths = append(deaths, err)
		}
	}
	return deaths
}

// verdict returns everything that went wrong while messages were exchanged.
func (d *demo) verdict() []error {
	problems := d.deaths()
	for _, c := range d.clients {
		if err := c.failure(); err != nil {
			problems = append(problems, err)
		}
		switch {
		case c.Sends != "" && c.sent.Load() == 0:
			problems = append(problems, fmt.Errorf("%s sent nothing", c.Name))
		case c.Receives != "" && c.reader == c.Name && c.received.Load() == 0:
			problems = append(problems, fmt.Errorf("%s received nothing", c.Name))
		}
		if n := c.unknown.Load(); n > 0 {
			problems = append(problems, fmt.Errorf("%s learned no outcome of %s", c.Name, output.Count(n, "message")))
		}
		if n := d.missingFrom(c); n > 0 && !c.Settled {
			problems = append(problems, fmt.Errorf("%s of %s was accepted and did not arrive",
				output.Count(uint64(n), "message"), c.Name))
		}
	}
	for _, c := range d.clients {
		if c.Sends != "" && d.receivedAt(c.Sends) == 0 {
			problems = append(problems, fmt.Errorf("nothing arrived at %s", c.Sends))
			break
		}
	}
	if n := d.ledger.repeated(); n > 0 {
		problems = append(problems, fmt.Errorf("%s arrived more than once", output.Count(uint64(n), "message")))
	}
	return problems
}

// receivedAt counts the messages received from an address.
func (d *demo) receivedAt(address string) uint64 {
	var n uint64
	for _, c := range d.clients {
		if c.Receives == address {
			n += c.received.Load()
		}
	}
	return n
}

// stopRouters ends all processes.
func (d *demo) stopRouters() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all spawn.Processes
	for _, r := range d.routers {
		all = append(all, r.process)
	}
	all.Stop()
}
