package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/output"
)

// Exit statuses of the process.
const (
	OK      = 0 // the work was done
	Failed  = 1 // the work was tried and failed
	Refused = 2 // the command line made no sense; nothing was tried
)

// Streams are the standard streams of one execution.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Root returns the command `postroad` with all subcommands attached.
//
// Every RunE below it is wrapped so that [Execute] can tell work that failed (exit status 1) from a command line that
// was refused (exit status 2); a RunE that finds a usage error itself returns [UsageErrorf].
func Root(subcommands ...*cobra.Command) *cobra.Command {
	root := &cobra.Command{
		Use:   "postroad",
		Short: "AMQP 1.0 message-router mesh",
		Long: "Postroad is a brokerless AMQP 1.0 message-router mesh.\n\n" +
			"Results are printed on standard output, everything else on standard error.\n" +
			"Exit status: 0 success, 1 the work failed, 2 the command line was wrong.",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentFlags().VarP(output.NewFlag(output.Text, output.JSON), output.FlagName, "o",
		"format of the result: text or json")
	root.AddCommand(subcommands...)
	markFailures(root)
	return root
}

// markFailures wraps every RunE of the tree so that its errors become failures, unless they are usage errors.
func markFailures(c *cobra.Command) {
	if work := c.RunE; work != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			err := work(cmd, args)
			var usage usageError
			if err == nil || errors.As(err, &usage) {
				return err
			}
			return failure{err}
		}
	}
	for _, child := range c.Commands() {
		markFailures(child)
	}
}

// Execute runs one command line and returns the exit status of the process. The error, if any, has been printed on
// s.err when it returns.
func Execute(ctx context.Context, root *cobra.Command, args []string, s Streams) int {
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return OK
	}
	var failed failure
	if errors.As(err, &failed) {
		if !errors.Is(err, ErrReported) {
			fmt.Fprintf(s.Err, "postroad: %v\n", err)
		}
		return Failed
	}
	fmt.Fprintf(s.Err, "postroad: %v\nTry '%s --help'.\n", err, cmd.CommandPath())
	return Refused
}

// failure is an error of the work itself, as opposed to one of the command line.
type failure struct{ error }

// Unwrap returns the error of the work.
func (f failure) Unwrap() error { return f.error }

// usageError is a mistake on the command line that only RunE could see.
type usageError struct{ error }

// UsageErrorf returns an error that ends the process with exit status 2 and a pointer to the help text.
func UsageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// ErrReported is returned by commands that have already told the user what failed; the process exits with status 1
// and prints nothing more.
var ErrReported = errors.New("failed")
