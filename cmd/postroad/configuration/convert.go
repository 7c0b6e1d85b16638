package configuration

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/internal/config"
)

// NewConvert returns the command convert.
func NewConvert() *cobra.Command {
	return &cobra.Command{
		Use:   "convert FILE",
		Short: "Print a configuration file as YAML",
		Long: "Print a qdrouterd.conf of Interconnect as the YAML that means the same. What a router ignores is named in\n" +
			"comments. What Interconnect tolerates and YAML does not is reported; the exit status is 1 then. A YAML file\n" +
			"is printed with deprecated names replaced and defaults left out.",
		Example: "  postroad convert /etc/qpid-dispatch/qdrouterd.conf > router.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, problems, err := config.Load(args[0])
			if err != nil {
				return err
			}
			if problems.Refused() {
				fmt.Fprint(cmd.ErrOrStderr(), problems)
				return command.ErrReported
			}
			var yaml bytes.Buffer
			if err := c.WriteYAML(&yaml, problems); err != nil {
				return err
			}
			if _, err := cmd.OutOrStdout().Write(yaml.Bytes()); err != nil {
				return err
			}
			if _, again := config.Parse("YAML", yaml.Bytes()); again.Refused() {
				fmt.Fprint(cmd.ErrOrStderr(), again)
				return fmt.Errorf("correct the YAML at the places named above before you use it")
			}
			return nil
		},
	}
}
