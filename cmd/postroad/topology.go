package main

import (
	"time"

	"github.com/spf13/cobra"
)

// Output formats of topology beside text and json.
const (
	outputDOT = "dot"
	outputSVG = "svg"
)

func newTopologyCommand() *cobra.Command {
	var client clientFlags
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "Draw the mesh",
		Long: "Draw the mesh as the router at --url knows it: the tree of the shortest paths from there with their costs,\n" +
			"and the links that are on none of them. It works with routers of Interconnect, too.",
		Example: "  postroad topology --url amqp://hub.example\n  postroad topology --output svg > mesh.svg",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			conn, m, err := client.management(ctx, timeout)
			if err != nil {
				return err
			}
			defer conn.Close()
			v, err := askMesh(ctx, m)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch outputFormat(cmd) {
			case outputJSON:
				return writeJSON(out, v)
			case outputDOT:
				v.dot(out)
			case outputSVG:
				v.svg(out)
			default:
				v.text(out)
			}
			return nil
		},
	}
	client.register(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "longest time to wait for each answer")
	cmd.Flags().VarP(newOutputFlag(outputText, outputJSON, outputDOT, outputSVG), outputFlagName, "o",
		"format of the result: text, json, dot or svg")
	return cmd
}
