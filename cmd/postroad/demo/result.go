package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
)

// result is what `postroad demo --output json` prints at the end.
type result struct {
	Topology   string         `json:"topology"`
	Seconds    float64        `json:"seconds"` // messages were sent for
	Routers    []routerResult `json:"routers"`
	Clients    []clientResult `json:"clients"`
	Total      tally          `json:"total"`
	Duplicates int            `json:"duplicates"`
	Problems   []string       `json:"problems"` // empty if everything worked
}

// routerResult is one router of a result.
type routerResult struct {
	ID    string `json:"id"`
	Site  string `json:"site,omitempty"`
	URL   string `json:"url"`
	Alive bool   `json:"alive"`
}

// tally are the counters of one client, or of all.
type tally struct {
	Sent           uint64 `json:"sent"`
	Accepted       uint64 `json:"accepted"`
	Rejected       uint64 `json:"rejected"`
	Released       uint64 `json:"released"`
	Modified       uint64 `json:"modified"`
	WithoutOutcome uint64 `json:"withoutOutcome"`
	Received       uint64 `json:"received"`
	Lost           uint64 `json:"lost"`    // accepted, and not received
	Dropped        uint64 `json:"dropped"` // sent settled, and not received
}

// clientResult is one client of a result.
type clientResult struct {
	Name    string  `json:"name"`
	Router  string  `json:"router"`
	Address string  `json:"address"`
	Role    string  `json:"role"`    // sender or receiver
	Settled bool    `json:"settled"` // the sender sends its messages settled
	Rate    float64 `json:"rate"`    // messages a second
	tally
}

// add adds the counters of another.
func (t *tally) add(o tally) {
	t.Sent += o.Sent
	t.Accepted += o.Accepted
	t.Rejected += o.Rejected
	t.Released += o.Released
	t.Modified += o.Modified
	t.WithoutOutcome += o.WithoutOutcome
	t.Received += o.Received
	t.Lost += o.Lost
	t.Dropped += o.Dropped
}

// total reads the counters of a client. Lost and dropped messages are left out while it works.
func (c *client) total() tally {
	return tally{
		Sent: c.sent.Load(), Accepted: c.accepted.Load(), Rejected: c.rejected.Load(), Released: c.released.Load(),
		Modified: c.modified.Load(), WithoutOutcome: c.unknown.Load(), Received: c.received.Load(),
	}
}

// role names what the client does.
func (c *client) role() string {
	if c.Sends != "" {
		return "sender"
	}
	return "receiver"
}

// result sums the demo up.
func (d *demo) result(problems []error) *result {
	r := &result{Topology: d.topology.Name, Problems: []string{}, Duplicates: d.ledger.repeated()}
	if !d.began.IsZero() {
		r.Seconds = d.ended.Sub(d.began).Seconds()
	}
	for _, p := range problems {
		r.Problems = append(r.Problems, p.Error())
	}
	for _, router := range d.routers {
		r.Routers = append(r.Routers, routerResult{ID: router.ID, Site: router.Site, URL: router.url(),
			Alive: !router.died})
	}
	for _, c := range d.clients {
		total := c.total()
		if missing := uint64(d.missingFrom(c)); c.Settled {
			total.Dropped = missing
		} else {
			total.Lost = missing
		}
		r.Total.add(total)
		client := clientResult{Name: c.Name, Router: c.Router, Address: c.Address(), Role: c.role(), Settled: c.Settled,
			tally: total}
		if r.Seconds > 0 {
			client.Rate = float64(c.count()) / r.Seconds
		}
		r.Clients = append(r.Clients, client)
	}
	return r
}

// report prints the result and decides on the exit status.
func (d *demo) report(cmd *cobra.Command, problems []error) error {
	r := d.result(problems)
	if output.WantJSON(cmd) {
		if err := output.WriteJSON(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	} else if !d.began.IsZero() {
		r.text(cmd.OutOrStdout())
	}
	for _, p := range r.Problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "postroad: %s\n", p)
	}
	if len(problems) > 0 {
		return command.ErrReported
	}
	return nil
}

// text prints the result for people.
func (r *result) text(w io.Writer) {
	fmt.Fprintf(w, "%-16s %-10s %-14s %9s %9s   %s\n", "client", "router", "address", "messages", "rate", "outcome")
	for _, c := range r.Clients {
		count, address := c.Sent, "to "+c.Address
		if c.Role == "receiver" {
			count, address = c.Received, "from "+c.Address
		}
		fmt.Fprintf(w, "%-16s %-10s %-14s %9d %7.0f/s   %s\n", c.Name, c.Router, address, count, c.Rate, c.outcomes())
	}
	t := r.Total
	fmt.Fprintf(w, "\n%s for %v on %s: sent %d, accepted %d, rejected %d, released %d, modified %d, received %d; "+
		"lost %d, dropped %d, duplicates %d\n", r.Topology,
		time.Duration(r.Seconds*float64(time.Second)).Round(100*time.Millisecond),
		output.Count(uint64(len(r.Routers)), "router"),
		t.Sent, t.Accepted, t.Rejected, t.Released, t.Modified, t.Received, t.Lost, t.Dropped, r.Duplicates)
}

// outcomes describes what became of the messages of a sender.
func (c *clientResult) outcomes() string {
	if c.Role == "receiver" {
		return ""
	}
	if c.Settled {
		return "sent settled"
	}
	text := fmt.Sprintf("%d accepted", c.Accepted)
	for _, o := range []struct {
		n    uint64
		name string
	}{
		{c.Rejected, "rejected"}, {c.Released, "released"}, {c.Modified, "modified"}, {c.WithoutOutcome, "without outcome"},
		{c.Lost, "lost"},
	} {
		if o.n > 0 {
			text += fmt.Sprintf(", %d %s", o.n, o.name)
		}
	}
	return text
}
