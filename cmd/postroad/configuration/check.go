package configuration

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/run"
	"github.com/postroad/postroad/internal/config"
)

// checkResult is what `postroad check --output json` prints.
type checkResult struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Problems config.Problems `json:"problems"`
}

// NewCheck returns the command check.
func NewCheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration file",
		Long: "Check a configuration file, Postroad's YAML or a qdrouterd.conf of Interconnect, and print every problem\n" +
			"with its place and what would be right. Exit status 1 if a router would refuse to start with the file.",
		Example: "  postroad check -c router.yaml\n  postroad check -c /etc/qpid-dispatch/qdrouterd.conf --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			problems, err := run.Check(file)
			if err != nil {
				return err
			}
			return printProblems(cmd, file, problems)
		},
	}
	run.FileFlag(cmd, &file)
	return cmd
}

// printProblems prints the result of a check and returns command.ErrReported if the configuration is refused.
func printProblems(cmd *cobra.Command, file string, problems config.Problems) error {
	if output.WantJSON(cmd) {
		if problems == nil {
			problems = config.Problems{}
		}
		if err := output.WriteJSON(cmd.OutOrStdout(), checkResult{file, !problems.Refused(), problems}); err != nil {
			return err
		}
	} else {
		fmt.Fprint(cmd.OutOrStdout(), problems)
		errors, warnings := problems.Count()
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d errors, %d warnings\n", file, errors, warnings)
	}
	if problems.Refused() {
		return command.ErrReported
	}
	return nil
}
