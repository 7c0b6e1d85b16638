package run

import (
	"github.com/spf13/cobra"

	"github.com/postroad/postroad/internal/config"
)

// FileFlag adds the required flag -c.
func FileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration file, YAML or qdrouterd.conf")
	if err := cmd.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag has just been added
	}
}

// load reads the configuration of a router. An error says that the file cannot be read; the problems say what is wrong
// with what it says. There is no configuration if there are problems that refuse it.
func load(file string) (*config.Config, config.Problems, error) { return config.Load(file) }

// Check returns every problem that a router would have with a configuration file, and with the files that it names.
func Check(file string) (config.Problems, error) {
	c, problems, err := load(file)
	if c != nil {
		problems = append(problems, c.CheckFiles()...)
		problems.Sort()
	}
	return problems, err
}
