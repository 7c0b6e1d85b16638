package netlab

import (
	"fmt"
	"io"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/lab"
)

// Program is a router that a lab can run.
type Program struct {
	lab.Program
	write func(w io.Writer, c *config.Config) error // writes the configuration file
}

// Postroad is the router of this module.
func Postroad(path string) Program {
	return Program{lab.Postroad(path), func(w io.Writer, c *config.Config) error { return c.WriteYAML(w, nil) }}
}

// Qdrouterd is the router of Qpid Dispatch, which AMQ Interconnect is made of. The program's only argument is the
// configuration file.
func Qdrouterd(path string) Program { return Program{lab.Qdrouterd(path), writeConf} }

// writeConf writes a configuration of a lab for qdrouterd.
func writeConf(w io.Writer, c *config.Config) error {
	var file lab.Conf
	section := file.Section
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
	_, err := io.WriteString(w, file.String())
	return err
}
