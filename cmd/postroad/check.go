package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/internal/config"
)

// checkResult is what `postroad check --output json` prints.
type checkResult struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Problems config.Problems `json:"problems"`
}

func newCheckCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration file",
		Long: "Check a configuration file, Postroad's YAML or a qdrouterd.conf of Interconnect, and print every problem\n" +
			"with its place and what would be right. Exit status 1 if a router would refuse to start with the file.",
		Example: "  postroad check -c router.yaml\n  postroad check -c /etc/qpid-dispatch/qdrouterd.conf --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, problems, err := config.Load(file)
			if err != nil {
				return err
			}
			if c != nil {
				problems = append(problems, c.CheckFiles()...)
				problems.Sort()
			}
			return printProblems(cmd, file, problems)
		},
	}
	configFlag(cmd, &file)
	return cmd
}

// configFlag adds the required flag -c.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration file, YAML or qdrouterd.conf")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag has just been added
	}
}

// printProblems prints the result of a check and returns errReported if the configuration is refused.
func printProblems(cmd *cobra.Command, file string, problems config.Problems) error {
	if wantJSON(cmd) {
		if problems == nil {
			problems = config.Problems{}
		}
		if err := writeJSON(cmd.OutOrStdout(), checkResult{file, !problems.Refused(), problems}); err != nil {
			return err
		}
	} else {
		fmt.Fprint(cmd.OutOrStdout(), problems)
		errors, warnings := problems.Count()
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d errors, %d warnings\n", file, errors, warnings)
	}
	if problems.Refused() {
		return errReported
	}
	return nil
}
