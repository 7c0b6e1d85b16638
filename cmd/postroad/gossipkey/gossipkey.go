package gossipkey

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/command"
	"github.com/postroad/postroad/cmd/postroad/output"
	"github.com/postroad/postroad/mesh/membership"
)

// keyReport is one key in what `postroad gossip-key list --output json` prints.
type keyReport struct {
	Fingerprint string `json:"fingerprint"`
	InUse       bool   `json:"inUse"`
}

// New returns the command gossip-key.
func New() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "gossip-key",
		Short: "Make and rotate the keys of gossip",
		Long: "Make and rotate the keys that gossip is encrypted with (mesh.gossip.keyFile). Routers notice that their file has\n" +
			"changed, within some seconds. A key is rotated in three steps, each at all routers before the next one:\n" +
			"add the new key, use it, remove the old one. Nothing is interrupted then.",
		Example: "  postroad gossip-key generate --key-file gossip.key       # the first key, in a new file; copy it to all routers\n" +
			"  postroad gossip-key generate > next.key                  # a new one\n" +
			"  postroad gossip-key add --key-file gossip.key < next.key # at each router, then\n" +
			"  postroad gossip-key use --key-file gossip.key < next.key # at each router, then\n" +
			"  postroad gossip-key remove --key-file gossip.key 0123456789abcdef",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&file, "key-file", "", "file with the keys, of mode 0600")
	cmd.AddCommand(
		newGossipKeyGenerate(&file),
		newGossipKeyChange(&file, "add", "Make a key known, so that what others encrypt with it can be read",
			(*membership.Keyring).Add),
		newGossipKeyChange(&file, "use", "Encrypt with a known key from now on", (*membership.Keyring).Use),
		newGossipKeyChange(&file, "remove", "Forget a key that is not in use", (*membership.Keyring).Remove),
		newGossipKeyList(&file),
	)
	return cmd
}

func newGossipKeyGenerate(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "generate",
		Short: "Make a new key",
		Long: "Make a new key. With --key-file it is the first one of a new file, which must not exist, and its fingerprint is\n" +
			"printed. Without, the key itself is printed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *file == "" {
				key := membership.GenerateKey()
				if output.WantJSON(cmd) {
					return output.WriteJSON(cmd.OutOrStdout(), map[string]string{"key": key})
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), key)
				return err
			}
			ring, err := membership.CreateKeyring(*file)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already; add a key to it with postroad gossip-key add", *file)
			}
			if err != nil {
				return err
			}
			return writeKeys(cmd, ring)
		},
	}
}

// newGossipKeyChange returns the command of one step of a rotation.
func newGossipKeyChange(file *string, name, short string, change func(k *membership.Keyring, key string) error,
) *cobra.Command {
	what := "The key is read from standard input, so that no list of processes shows it."
	use := name
	args := cobra.NoArgs
	if name != "add" {
		use, args = name+" [FINGERPRINT]", cobra.MaximumNArgs(1)
		what = "It is named by its fingerprint, or read from standard input."
	}
	return &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ". " + what + "\nDone again, it changes nothing. The keys that are in the file then are printed.",
		Args:  args,
		RunE: func(cmd *cobra.Command, args []string) error {
			ring, err := openKeyring(*file)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				err = ring.Named(args[0], func(key string) error { return change(ring, key) })
			} else {
				var key []byte
				if key, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1024)); err == nil {
					err = change(ring, strings.TrimSpace(string(key)))
				}
			}
			if err != nil {
				return err
			}
			return writeKeys(cmd, ring)
		},
	}
}

func newGossipKeyList(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the fingerprints of the keys",
		Long:  "List the fingerprints of the keys, the one in use first. A fingerprint gives nothing of the key away.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := openKeyring(*file)
			if err != nil {
				return err
			}
			return writeKeys(cmd, ring)
		},
	}
}

// openKeyring reads the file that --key-file names.
func openKeyring(file string) (*membership.Keyring, error) {
	if file == "" {
		return nil, command.UsageErrorf("--key-file is needed: the file that mesh.gossip.keyFile names")
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist; make it with postroad gossip-key generate --key-file %s", file, file)
	}
	return membership.LoadKeyring(file)
}

// writeKeys prints the fingerprints.
func writeKeys(cmd *cobra.Command, ring *membership.Keyring) error {
	keys := []keyReport{}
	for _, k := range ring.Keys() {
		keys = append(keys, keyReport{k.Fingerprint, k.InUse})
	}
	if output.WantJSON(cmd) {
		return output.WriteJSON(cmd.OutOrStdout(), keys)
	}
	for _, k := range keys {
		line := k.Fingerprint
		if k.InUse {
			line += "  in use"
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	return nil
}
