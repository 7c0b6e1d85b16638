package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/spawn"
	"github.com/postroad/postroad/internal/bench"
	"github.com/postroad/postroad/internal/process"
)

func newRelayCommand() *cobra.Command {
	b := &loadFlags{}
	serve := ""
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Measure a plain relay: the least one hop can cost, as a yardstick",
		Long: "Measure with the same generator what a plain relay costs that parses frames, copies them and writes them\n" +
			"together. It runs in a process of its own on this machine. No router can be cheaper per hop.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if serve != "" {
				return serveRelay(cmd.Context(), cmd.OutOrStdout(), serve, b.config.FrameSize)
			}
			return b.runRelay(cmd)
		},
	}
	b.register(cmd)
	for _, name := range []string{"url", "receive-url", "multicast", "ca", "cert", "key", "insecure-skip-verify"} {
		cmd.Flags().MarkHidden(name)
	}
	cmd.Flags().StringVar(&serve, "serve", "", "be the relay, listening on this address")
	cmd.Flags().MarkHidden("serve")
	return cmd
}

// runRelay starts a relay in a process of its own and measures it.
func (b *loadFlags) runRelay(cmd *cobra.Command) error {
	relay, address, err := startRelay(cmd.Context(), b.config.FrameSize)
	if err != nil {
		return err
	}
	defer relay.Stop()
	b.client.URL = "amqp://" + address
	c, err := b.configure(cmd)
	if err != nil {
		return err
	}
	if c.Senders != c.Receivers {
		return command.UsageErrorf("a relay knows pairs only: give as many --receivers as --senders")
	}
	c.PIDs = relay.IDs()
	result, err := measure(cmd, c, "")
	if err != nil {
		return relay.Explain(err)
	}
	if err := printResult(cmd, result); err != nil {
		return err
	}
	return verdict(result)
}

// serveRelay is the relay's process. It prints the address it listens on.
func serveRelay(ctx context.Context, out io.Writer, listen string, frameSize uint32) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ln.Addr())
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	err = bench.NewRelay(frameSize).Serve(ln)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// startRelay starts a relay of this program in a process of its own and returns the address it listens on.
func startRelay(ctx context.Context, frameSize uint32) (spawn.Processes, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer read.Close()
	p, err := process.Start(process.Options{Stdout: write, Command: []string{self, "bench", "relay", "--serve",
		"127.0.0.1:0", "--frame-size", fmt.Sprint(frameSize)}})
	write.Close()
	if err != nil {
		return nil, "", err
	}
	all := spawn.Processes{p}
	read.SetReadDeadline(time.Now().Add(spawn.StartLimit))
	address, err := bufio.NewReader(read).ReadString('\n')
	if err != nil || ctx.Err() != nil {
		all.Stop()
		return nil, "", all.Explain(errors.Join(errors.New("the relay did not start"), ctx.Err()))
	}
	return all, strings.TrimSpace(address), nil
}
