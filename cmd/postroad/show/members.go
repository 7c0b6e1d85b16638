package show

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/internal/goamqp"
	"github.com/postroad/postroad/internal/management/client"
)

// memberReport is one router in what `postroad members --output json` prints.
type memberReport struct {
	ID        string    `json:"id"`
	Site      string    `json:"site,omitempty"`
	Role      string    `json:"role"`
	State     string    `json:"state"` // present or lost
	Since     time.Time `json:"since"`
	Endpoints []string  `json:"endpoints"`
	Self      bool      `json:"self,omitempty"`
	Planned   bool      `json:"planned"` // a link between it and the router asked is planned
	Linked    bool      `json:"linked"`  // there is an adjacency between them
}

// NewMembers returns the command members.
func NewMembers() *cobra.Command {
	var flags connect.Flags
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the routers that gossip knows",
		Long: "List the routers that the router at --url knows by gossip, itself included: since when they are there or lost,\n" +
			"where they can be dialed, and which of them are to be its neighbors, and are. Routers that only configured\n" +
			"connectors lead to are not among them; see postroad topology.",
		Example: "  postroad members --url amqp://hub.example\n  postroad members --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			conn, m, err := flags.Management(ctx, timeout)
			if err != nil {
				return err
			}
			defer conn.Close()
			members, err := askMembers(ctx, m)
			if err != nil {
				return err
			}
			if output.WantJSON(cmd) {
				return output.WriteJSON(cmd.OutOrStdout(), members)
			}
			return writeMembers(cmd.OutOrStdout(), members, time.Now())
		},
	}
	flags.Register(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "longest time to wait for the answer")
	return cmd
}

// askMembers asks the router at the other end for the members it knows, in the order of their ids.
func askMembers(ctx context.Context, m *client.Client) ([]memberReport, error) {
	rows, err := m.Query(ctx, client.Here, "member", "id", "site", "role", "state", "since", "endpoints", "self",
		"planned", "linked")
	if err != nil {
		return nil, err
	}
	members := make([]memberReport, 0, len(rows))
	for _, row := range rows {
		flag := func(name string) bool { v, _ := row[name].(bool); return v }
		members = append(members, memberReport{
			ID: goamqp.String(row["id"]), Site: goamqp.String(row["site"]), Role: goamqp.String(row["role"]),
			State: goamqp.String(row["state"]), Since: time.Unix(int64(goamqp.Int(row["since"])), 0).UTC(),
			Self: flag("self"), Planned: flag("planned"), Linked: flag("linked"),
			Endpoints: append([]string{}, goamqp.Strings(row["endpoints"])...),
		})
	}
	slices.SortFunc(members, func(a, b memberReport) int { return strings.Compare(a.ID, b.ID) })
	return members, nil
}

// writeMembers prints members as a table.
func writeMembers(w io.Writer, members []memberReport, now time.Time) error {
	if len(members) == 0 {
		_, err := fmt.Fprintln(w, "This router does not gossip (mesh.gossip).")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ROUTER\tSITE\tROLE\tSTATE\tFOR\tLINK\tENDPOINTS")
	for _, m := range members {
		link := ""
		switch {
		case m.Self:
			link = "(self)"
		case m.Planned && m.Linked:
			link = "planned, up"
		case m.Planned:
			link = "planned, down"
		case m.Linked:
			link = "up"
		}
		endpoints := strings.Join(m.Endpoints, " ")
		if endpoints == "" {
			endpoints = "(dials only)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%v\t%s\t%s\n", m.ID, orDash(m.Site), m.Role, m.State,
			max(now.Sub(m.Since), 0).Truncate(time.Second), orDash(link), endpoints)
	}
	return t.Flush()
}

// orDash is what stands in a table for a text, which may be empty.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
