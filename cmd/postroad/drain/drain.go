package drain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/meshview"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/terminal"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/management/client"
	"github.com/postroad/postroad/internal/wait"
)

// drainInterval is the time between two questions how far a drain is. Messages to the router that drains are what keeps
// it from being done, so they must not be too many.
const drainInterval = 500 * time.Millisecond

// drainCommand is one execution of `postroad drain`.
type drainCommand struct {
	client  connect.Flags
	router  string
	noWait  bool
	timeout time.Duration

	conn     *amqp.Conn
	m        *client.Client
	here     bool   // the router asked is the one that drains
	node     string // address of its management
	instance int    // of the router in the mesh, before it drains
	state    atomic.Pointer[drainState]
}

// drainState is what a router that drains says of itself.
type drainState struct {
	step                         string
	senders, deliveries, clients int
	problem                      string
}

// drainResult is what `postroad drain --output json` prints.
type drainResult struct {
	Router  string  `json:"router"`
	Left    bool    `json:"left"`              // it is not in the mesh any more, or it is a new process
	Back    bool    `json:"back"`              // it was started again
	Problem string  `json:"problem,omitempty"` // what was left when its time was over
	Seconds float64 `json:"seconds"`
}

// New returns the command drain.
func New() *cobra.Command {
	d := &drainCommand{}
	cmd := &cobra.Command{
		Use:   "drain ROUTER",
		Short: "Let the traffic of a router move away, and end it",
		Long: "Have a router announce that it is overloaded, take no new clients and give no more credit, wait for the outcomes\n" +
			"of what is under way, send its clients to other routers, and end with exit status 0, as after SIGTERM. Whoever\n" +
			"supervises it starts it again, with a new version or configuration if there is one.\n\n" +
			"The router at --url may be the router itself or any other one of the mesh. It takes a user whom the router's\n" +
			"attribute `managers` names: user and password in --url, or --cert. Without --no-wait, the command ends when the\n" +
			"router has left the mesh. Exit status 1 if it was not drained in its time (drainTimeoutSeconds), or is still there.",
		Example: "  postroad drain tokyo --url amqps://ann:secret@london.example\n  postroad drain tokyo --no-wait --output json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.router = args[0]
			return d.run(cmd)
		},
	}
	d.client.Register(cmd)
	fs := cmd.Flags()
	fs.BoolVar(&d.noWait, "no-wait", false, "end when the router has begun to drain")
	fs.DurationVar(&d.timeout, "timeout", 60*time.Second, "longest time to wait until the router has left")
	return cmd
}

// run has the router drain, and waits.
func (d *drainCommand) run(cmd *cobra.Command) error {
	if d.timeout <= 0 {
		return command.UsageErrorf("--timeout %v leaves no time to wait", d.timeout)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), d.timeout,
		fmt.Errorf("router %s has not left within %v; it goes on draining", d.router, d.timeout))
	defer cancel()
	if err := d.connect(ctx); err != nil {
		return err
	}
	defer d.conn.Close()
	if err := d.begin(ctx); err != nil {
		return err
	}
	result := drainResult{Router: d.router}
	var err error
	if !d.noWait {
		shown := terminal.StartProgress(cmd.ErrOrStderr(), d.progress)
		result.Back, err = d.wait(ctx)
		shown.Stop()
		if result.Left = err == nil; !result.Left {
			err = wait.Cause(ctx, err)
		}
		if s := d.state.Load(); s != nil {
			result.Problem = s.problem
		}
	}
	result.Seconds = time.Since(began).Seconds()
	if output.WantJSON(cmd) {
		err = errors.Join(err, output.WriteJSON(cmd.OutOrStdout(), result))
	} else if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), result.text(d.noWait))
	}
	if err == nil && result.Problem != "" {
		err = fmt.Errorf("router %s was not drained in its time: %s", d.router, result.Problem)
	}
	return err
}

// text says in a sentence what has come of it.
func (r *drainResult) text(noWait bool) string {
	after := time.Duration(r.Seconds * float64(time.Second)).Round(time.Millisecond)
	switch {
	case noWait:
		return r.Router + " drains"
	case r.Back:
		return fmt.Sprintf("%s has left, and is back as a new process, after %v", r.Router, after)
	}
	return fmt.Sprintf("%s has left after %v", r.Router, after)
}

// connect opens the connection, and finds out where to ask.
func (d *drainCommand) connect(ctx context.Context) (err error) {
	const wait = 5 * time.Second // for each answer
	if d.conn, d.m, err = d.client.Management(ctx, wait); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			d.conn.Close()
		}
	}()
	self, err := d.m.Query(ctx, client.Here, "router", "id")
	if err != nil {
		return err
	}
	if len(self) > 0 && goamqp.String(self[0]["id"]) == d.router {
		d.here, d.node = true, client.Here
		// A router that drains gives no credit but to senders to its management.
		d.m, err = client.Open(ctx, d.conn, client.Here, wait)
		return err
	}
	nodes, err := d.m.Query(ctx, client.Here, "router.node")
	if err != nil {
		return err
	}
	v := &meshview.View{}
	if len(self) > 0 {
		v.Router = goamqp.String(self[0]["id"])
	}
	v.AddNodes(nodes)
	if v.Find(d.router) == nil {
		return v.Unknown(d.router)
	}
	d.node, d.instance = client.Of(d.router), instanceOf(nodes, d.router)
	return nil
}

// instanceOf returns the number of a router's life, 0 if it is not known.
func instanceOf(nodes []map[string]any, router string) int {
	for _, n := range nodes {
		if goamqp.String(n["id"]) == router {
			return goamqp.Int(n["instance"])
		}
	}
	return 0
}

// begin has the router drain.
func (d *drainCommand) begin(ctx context.Context) error {
	reply, err := d.m.Ask(ctx, d.node, map[string]any{"operation": "DRAIN", "type": "router", "name": d.router}, nil)
	if err != nil {
		return err
	}
	var refused *client.Refusal
	switch err := client.StatusOf(reply); {
	case !errors.As(err, &refused):
		return nil
	case refused.Code == 403:
		return fmt.Errorf("router %s refuses (amqp:unauthorized-access): %s", d.router,
			strings.TrimPrefix(refused.Description, "Not allowed: "))
	case refused.Code == 501:
		return fmt.Errorf("router %s cannot be drained by management, it is no Postroad router or an old one (%v)", d.router, err)
	default:
		return fmt.Errorf("router %s: %w", d.router, err)
	}
}

// wait waits until the router has left, and reports whether it is back.
func (d *drainCommand) wait(ctx context.Context) (back bool, err error) {
	tick := time.NewTicker(drainInterval)
	defer tick.Stop()
	for {
		if d.here {
			select {
			case <-d.conn.Done():
				return false, nil
			default:
			}
		} else {
			nodes, err := d.m.Query(ctx, client.Here, "router.node")
			if err != nil {
				return false, err
			}
			v := &meshview.View{}
			v.AddNodes(nodes)
			if r := v.Find(d.router); r == nil {
				return false, nil
			}
			if instanceOf(nodes, d.router) != d.instance {
				return true, nil
			}
		}
		d.look(ctx)
		select {
		case <-tick.C:
		case <-d.conn.Done():
			if d.here {
				return false, nil
			}
			return false, goamqp.Explain(d.conn.Err())
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// look asks how far the router is. That it does not answer any more is no error.
func (d *drainCommand) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*drainInterval)
	defer cancel()
	rows, err := d.m.Query(ctx, d.node, "router", "drainStep", "drainSenders", "drainDeliveries", "drainClients",
		"drainProblem")
	if err != nil || len(rows) == 0 || rows[0]["drainStep"] == nil {
		return
	}
	row := rows[0]
	d.state.Store(&drainState{goamqp.String(row["drainStep"]), goamqp.Int(row["drainSenders"]),
		goamqp.Int(row["drainDeliveries"]), goamqp.Int(row["drainClients"]), goamqp.String(row["drainProblem"])})
}

// progress is the line that is shown meanwhile.
func (d *drainCommand) progress() string {
	s := d.state.Load()
	if s == nil {
		return d.router + " drains"
	}
	waits := map[string]string{"senders": "what clients have sent", "consumers": "what is under way to its consumers",
		"clients": "clients to go", "neighbors": "its connections to other routers to end"}[s.step]
	return fmt.Sprintf("%s waits for %s: %d unsettled, %s with credit, %s", d.router, cmp.Or(waits, s.step), s.deliveries,
		output.Count(uint64(s.senders), "sender"), output.Count(uint64(s.clients), "client"))
}
