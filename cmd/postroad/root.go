package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// subcommands lists the constructors of everything below `postroad`. Each command appends its own.
var subcommands = []func() *cobra.Command{
	newCheckCommand,
	newConvertCommand,
	newSendCommand,
	newReceiveCommand,
	newRequestCommand,
	newBenchCommand,
	newRunCommand,
	newTopologyCommand,
	newMembersCommand,
	newGossipKeyCommand,
	newPathCommand,
	newWhatIfCommand,
	newTraceCommand,
	newDrainCommand,
	newDemoCommand,
	newVersionCommand,
}

// Exit statuses of the process.
const (
	exitOK      = 0 // the work was done
	exitFailure = 1 // the work was tried and failed
	exitUsage   = 2 // the command line made no sense; nothing was tried
)

// streams are the standard streams of one execution.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// newRootCommand returns the command `postroad` with all subcommands attached.
//
// Every RunE below it is wrapped so that [execute] can tell work that failed (exit status 1) from a command line that
// was refused (exit status 2); a RunE that finds a usage error itself returns [usageErrorf].
func newRootCommand() *cobra.Command {
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
	root.PersistentFlags().VarP(newOutputFlag(outputText, outputJSON), outputFlagName, "o",
		"format of the result: text or json")
	for _, newCommand := range subcommands {
		root.AddCommand(newCommand())
	}
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

// execute runs one command line and returns the exit status of the process. The error, if any, has been printed on
// s.err when it returns.
func execute(ctx context.Context, args []string, s streams) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var failed failure
	if errors.As(err, &failed) {
		if !errors.Is(err, errReported) {
			fmt.Fprintf(s.err, "postroad: %v\n", err)
		}
		return exitFailure
	}
	fmt.Fprintf(s.err, "postroad: %v\nTry '%s --help'.\n", err, cmd.CommandPath())
	return exitUsage
}

// failure is an error of the work itself, as opposed to one of the command line.
type failure struct{ error }

// Unwrap returns the error of the work.
func (f failure) Unwrap() error { return f.error }

// usageError is a mistake on the command line that only RunE could see.
type usageError struct{ error }

// usageErrorf returns an error that ends the process with exit status 2 and a pointer to the help text.
func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errReported is returned by commands that have already told the user what failed; the process exits with status 1
// and prints nothing more.
var errReported = errors.New("failed")
