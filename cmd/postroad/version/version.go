package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/postroad/postroad/cmd/postroad/output"
)

// release is set by the linker: -X github.com/postroad/postroad/cmd/postroad/version.release=…. A build without it
// takes the version of the module from the build information.
var release = ""

// Build describes a build of the program.
type Build struct {
	Version  string `json:"version"`            // release, or "devel"
	Revision string `json:"revision,omitempty"` // commit the build was made from
	Modified bool   `json:"modified,omitempty"` // the work tree had changes that are not in Revision
	Go       string `json:"go"`                 // version of the Go toolchain
	Platform string `json:"platform"`           // operating system/architecture
}

// Current describes the running build.
func Current() Build {
	v := Build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if v.Version == "" {
		v.Version = "devel"
		if ok && build.Main.Version != "" && build.Main.Version != "(devel)" {
			v.Version = build.Main.Version
		}
	}
	if !ok {
		return v
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// New returns the command version.
func New() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := Current()
			if output.WantJSON(cmd) {
				return output.WriteJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "postroad %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return err
		},
	}
}
