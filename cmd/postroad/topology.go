package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/internal/management/client"
)

// Output formats of topology beside text and json.
const (
	outputDOT = "dot"
	outputSVG = "svg"
)

func newTopologyCommand() *cobra.Command {
	var client clientFlags
	var timeout, interval time.Duration
	var watching bool
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "Draw the mesh",
		Long: "Draw the mesh as the router at --url knows it: the tree of the shortest paths from there with their costs,\n" +
			"and the links that are on none of them. Routers that were there and to which there is no way are named below.\n" +
			"It works with routers of Interconnect, too.\n\n" +
			"With --watch, it is drawn again and again until Ctrl-C: on a terminal in place, else when it has changed. A\n" +
			"router that does not answer is asked again.",
		Example: "  postroad topology --url amqp://hub.example\n  postroad topology --output svg > mesh.svg\n" +
			"  postroad topology --watch",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !watching {
				if cmd.Flags().Changed("interval") {
					return usageErrorf("--interval has no effect without --watch")
				}
				asker := meshAsker{client: &client, timeout: timeout}
				defer asker.close()
				v, err := asker.ask(cmd.Context())
				if err != nil {
					return err
				}
				return v.write(cmd.OutOrStdout(), outputFormat(cmd))
			}
			switch format := outputFormat(cmd); {
			case format == outputDOT || format == outputSVG:
				return usageErrorf("--watch draws text, or writes json, and no %s", format)
			case interval <= 0:
				return usageErrorf("--interval %v leaves no time between two pictures", interval)
			}
			return watchTopology(cmd, &client, timeout, interval)
		},
	}
	client.register(cmd)
	fs := cmd.Flags()
	fs.DurationVar(&timeout, "timeout", 5*time.Second, "longest time to wait for each answer")
	fs.BoolVarP(&watching, "watch", "w", false, "draw it anew when it changes, until Ctrl-C")
	fs.DurationVar(&interval, "interval", time.Second, "time between two questions of --watch")
	fs.VarP(newOutputFlag(outputText, outputJSON, outputDOT, outputSVG), outputFlagName, "o",
		"format of the result: text, json, dot or svg")
	return cmd
}

// watchTopology draws the mesh until it is interrupted. It fails if the router cannot be asked at the beginning.
func watchTopology(cmd *cobra.Command, client *clientFlags, timeout, interval time.Duration) error {
	asker := meshAsker{client: client, timeout: timeout}
	defer asker.close()
	if _, err := asker.ask(cmd.Context()); err != nil {
		return err
	}
	format := outputFormat(cmd)
	return watch(cmd, "postroad topology", interval, func(ctx context.Context) watched {
		v, err := asker.ask(ctx)
		if err != nil {
			return watched{err: err}
		}
		var text, key strings.Builder
		_ = v.write(&text, format) // which cannot fail
		for i := range v.Gone {
			v.Gone[i].Heard = nil
		}
		_ = v.write(&key, format)
		return watched{text: text.String(), key: key.String()}
	})
}

// meshAsker asks one router for the mesh, and connects to it when there is need to.
type meshAsker struct {
	client  *clientFlags
	timeout time.Duration
	conn    *amqp.Conn
	m       *client.Client
}

// ask asks for the mesh. After an error the next question begins with a new connection.
func (a *meshAsker) ask(ctx context.Context) (*meshView, error) {
	if a.conn == nil {
		var err error
		if a.conn, a.m, err = a.client.management(ctx, a.timeout); err != nil {
			a.conn = nil
			return nil, err
		}
	}
	v, err := askMesh(ctx, a.m)
	if err != nil {
		a.close()
	}
	return v, err
}

func (a *meshAsker) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// write writes the mesh in one of the formats.
func (v *meshView) write(w io.Writer, format string) error {
	switch format {
	case outputJSON:
		return writeJSON(w, v)
	case outputDOT:
		v.dot(w)
	case outputSVG:
		v.svg(w)
	default:
		v.text(w)
	}
	return nil
}
