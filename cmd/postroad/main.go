package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/bench"
	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/configuration"
	"github.com/postroad/postroad/cmd/postroad/demo"
	"github.com/postroad/postroad/cmd/postroad/drain"
	"github.com/postroad/postroad/cmd/postroad/gossipkey"
	"github.com/postroad/postroad/cmd/postroad/message"
	"github.com/postroad/postroad/cmd/postroad/run"
	"github.com/postroad/postroad/cmd/postroad/show"
	"github.com/postroad/postroad/cmd/postroad/version"
)

func main() {
	os.Exit(program())
}

// newRootCommand returns the command `postroad` with everything below it.
func newRootCommand() *cobra.Command {
	return command.Root(
		run.New(), configuration.NewCheck(), configuration.NewConvert(), gossipkey.New(),
		message.NewSend(), message.NewReceive(), message.NewRequest(), bench.New(),
		show.NewTopology(), show.NewMembers(), show.NewPath(), show.NewWhatIf(), show.NewTrace(),
		drain.New(), demo.New(), version.New(),
	)
}

// execute runs one command line and returns the exit status of the process.
func execute(ctx context.Context, args []string, s command.Streams) int {
	return command.Execute(ctx, newRootCommand(), args, s)
}

// program executes the command line of this process and returns its exit status. SIGINT and SIGTERM cancel the context
// that every command receives; a second signal kills the process as the operating system would.
func program() int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel)
	return execute(ctx, os.Args[1:], command.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
