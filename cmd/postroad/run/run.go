package run

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/cmd/postroad/version"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/router"
)

// Forms of log lines.
const (
	logText = "text"
	logJSON = "json"
)

// New returns the command run.
func New() *cobra.Command {
	var file string
	format := output.NewFlag(logText, logJSON)
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run a router",
		Long: "Run one router until SIGTERM or SIGINT, and end with exit status 0. The configuration is Postroad's YAML or a\n" +
			"qdrouterd.conf of Interconnect. It is ready once it logs `SERVER (notice) Operational, …`.",
		Example: "  postroad run -c router.yaml\n  postroad run -c /etc/qpid-dispatch/qdrouterd.conf --log-format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, problems, err := load(file)
			if err != nil {
				return err
			}
			if problems.Refused() {
				fmt.Fprint(cmd.ErrOrStderr(), problems)
				return command.ErrReported
			}
			return runRouter(cmd, c, problems, format.String())
		},
	}
	FileFlag(cmd, &file)
	cmd.Flags().Var(format, "log-format", "form of log lines: text (as Interconnect) or json")
	return cmd
}

// runRouter opens the logs and runs the router until the context of the command ends.
func runRouter(cmd *cobra.Command, c *config.Config, warnings config.Problems, format string) (err error) {
	options := logging.Options{
		Modules: map[logging.Module]logging.Settings{}, TimestampFormat: c.Router.TimestampFormat,
		UTC: c.Router.TimestampsInUTC, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
	}
	if format == logJSON {
		options.Format = logging.JSON
	}
	for _, l := range c.Logs {
		module, err := logging.ParseModule(l.Module)
		if err != nil {
			return fmt.Errorf("%v: %w", l.Position, err)
		}
		options.Modules[module] = logging.Settings{
			Enable: l.Enable, OutputFile: l.OutputFile, IncludeTimestamp: l.IncludeTimestamp, IncludeSource: l.IncludeSource,
		}
	}
	logs, err := logging.New(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	for _, w := range warnings {
		logs.Module(logging.Agent).Warning(w.String())
	}
	if n := c.Router.WorkerThreads; n > 0 {
		runtime.GOMAXPROCS(min(n, runtime.NumCPU()))
	}
	limitMemory(logs.Module(logging.Router))
	r, err := router.New(c, router.Options{Logs: logs, Version: version.Current().Version})
	if err != nil {
		return err
	}
	return r.Run(cmd.Context())
}
