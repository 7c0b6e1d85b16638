package show

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/connect"
	"github.com/postroad/postroad/cmd/postroad/meshview"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/terminal"
	"github.com/postroad/postroad/internal/management/client"
)

// Output formats of topology beside text and json.
const (
	outputDOT = "dot"
	outputSVG = "svg"
)

// NewTopology returns the command topology.
func NewTopology() *cobra.Command {
	var flags connect.Flags
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
					return command.UsageErrorf("--interval has no effect without --watch")
				}
				asker := asker{flags: &flags, timeout: timeout}
				defer asker.close()
				v, err := asker.ask(cmd.Context())
				if err != nil {
					return err
				}
				return writeMesh(cmd.OutOrStdout(), v, output.Format(cmd))
			}
			switch format := output.Format(cmd); {
			case format == outputDOT || format == outputSVG:
				return command.UsageErrorf("--watch draws text, or writes json, and no %s", format)
			case interval <= 0:
				return command.UsageErrorf("--interval %v leaves no time between two pictures", interval)
			}
			return watchTopology(cmd, &flags, timeout, interval)
		},
	}
	flags.Register(cmd)
	fs := cmd.Flags()
	fs.DurationVar(&timeout, "timeout", 5*time.Second, "longest time to wait for each answer")
	fs.BoolVarP(&watching, "watch", "w", false, "draw it anew when it changes, until Ctrl-C")
	fs.DurationVar(&interval, "interval", time.Second, "time between two questions of --watch")
	fs.VarP(output.NewFlag(output.Text, output.JSON, outputDOT, outputSVG), output.FlagName, "o",
		"format of the result: text, json, dot or svg")
	return cmd
}

// watchTopology draws the mesh until it is interrupted. It fails if the router cannot be asked at the beginning.
func watchTopology(cmd *cobra.Command, flags *connect.Flags, timeout, interval time.Duration) error {
	asker := asker{flags: flags, timeout: timeout}
	defer asker.close()
	if _, err := asker.ask(cmd.Context()); err != nil {
		return err
	}
	format := output.Format(cmd)
	return terminal.Watch(cmd, "postroad topology", interval, func(ctx context.Context) terminal.Watched {
		v, err := asker.ask(ctx)
		if err != nil {
			return terminal.Watched{Err: err}
		}
		var text, key strings.Builder
		_ = writeMesh(&text, v, format) // which cannot fail
		for i := range v.Gone {
			v.Gone[i].Heard = nil
		}
		_ = writeMesh(&key, v, format)
		return terminal.Watched{Text: text.String(), Key: key.String()}
	})
}

// asker asks one router for the mesh, and connects to it when there is need to.
type asker struct {
	flags   *connect.Flags
	timeout time.Duration
	conn    *amqp.Conn
	m       *client.Client
}

// ask asks for the mesh. After an error the next question begins with a new connection.
func (a *asker) ask(ctx context.Context) (*meshview.View, error) {
	if a.conn == nil {
		var err error
		if a.conn, a.m, err = a.flags.Management(ctx, a.timeout); err != nil {
			a.conn = nil
			return nil, err
		}
	}
	v, err := meshview.Ask(ctx, a.m)
	if err != nil {
		a.close()
	}
	return v, err
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close()
		a.conn = nil
	}
}

// writeMesh writes a mesh in one of the formats.
func writeMesh(w io.Writer, v *meshview.View, format string) error {
	switch format {
	case output.JSON:
		return output.WriteJSON(w, v)
	case outputDOT:
		v.DOT(w)
	case outputSVG:
		v.SVG(w)
	default:
		v.Text(w)
	}
	return nil
}
