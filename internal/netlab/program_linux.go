package netlab

import (
	"fmt"
	"io"
	"strings"

	"github.com/postroad/postroad/internal/config"
)

// Program is a router that a lab can run.
type Program struct {
	Name        string
	Operational string                                    // is logged when it has started
	Command     func(file string) []string                // words that start it with a configuration file
	Write       func(w io.Writer, c *config.Config) error // writes that file
	Suffix      string                                    // of the file's name
}

// Postroad is the router of this module.
func Postroad(path string) Program {
	return Program{
		Name: "Postroad", Operational: "SERVER (notice) Operational", Suffix: ".yaml",
		Command: func(file string) []string { return []string{path, "run", "-c", file} },
		Write:   func(w io.Writer, c *config.Config) error { return c.WriteYAML(w, nil) },
	}
}

// Qdrouterd is the router of Qpid Dispatch, which AMQ Interconnect is made of. The program's only argument is the
// configuration file.
func Qdrouterd(path string) Program {
	return Program{
		Name: "qdrouterd", Operational: "SERVER (notice) Operational", Suffix: ".conf",
		Command: func(file string) []string { return []string{path, file} },
		Write:   writeConf,
	}
}

// writeConf writes a configuration of a lab for qdrouterd.
func writeConf(w io.Writer, c *config.Config) error {
	var b strings.Builder
	section := func(name string, attributes ...string) {
		fmt.Fprintf(&b, "%s {\n    %s\n}\n\n", name, strings.Join(attributes, "\n    "))
	}
	open := func(role config.Role, name, host, port string, more ...string) []string {
		return append([]string{"name: " + name, "role: " + string(role), "host: " + host, "port: " + port,
			"saslMechanisms: ANONYMOUS"}, more...)
	}
	section("router", "mode: "+string(c.Router.Mode), "id: "+c.Router.ID)
	for _, l := range c.Logs {
		section("log", "module: "+l.Module, "enable: "+l.Enable)
	}
	for _, l := range c.Listeners {
		section("listener", open(l.Role, l.Name, l.Host, l.Port, "authenticatePeer: no")...)
	}
	for _, k := range c.Connectors {
		section("connector", open(k.Role, k.Name, k.Host, k.Port, fmt.Sprintf("cost: %d", k.Cost))...)
	}
	for _, a := range c.Addresses {
		match := "prefix: " + a.Prefix
		if a.Pattern != "" {
			match = "pattern: " + a.Pattern
		}
		section("address", match, "distribution: "+string(a.Distribution))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
