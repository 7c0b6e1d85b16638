package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// operational is part of the line that a router logs once it has started.
const operational = "SERVER (notice) Operational"

// Program is a router that can be started.
type Program struct {
	Name   string   // in reports
	Words  []string // that start it; the configuration file follows
	Suffix string   // of the configuration file's name
}

// Postroad is the router of this module.
func Postroad(path string) Program {
	return Program{Name: "Postroad", Words: []string{path, "run", "-c"}, Suffix: ".yaml"}
}

// Qdrouterd is the router of Qpid Dispatch, which AMQ Interconnect is made of, or another program whose only argument is
// the configuration file.
func Qdrouterd(path string) Program {
	return Program{Name: "qdrouterd", Words: []string{path}, Suffix: ".conf"}
}

// modulePath is the import path of the root of the module.
const modulePath = "github.com/postroad/postroad/"

// Build compiles a command of this module to a file. Two processes may do so at once: each writes a file of its own and
// renames it.
func Build(command, file string, flags ...string) error {
	scratch := fmt.Sprintf("%s.%d", file, os.Getpid())
	arguments := append(append([]string{"build", "-o", scratch}, flags...), modulePath+command)
	if out, err := exec.Command("go", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(arguments, " "), err, out)
	}
	return os.Rename(scratch, file)
}
