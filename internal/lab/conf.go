package lab

import (
	"fmt"
	"strings"
)

// Conf is a configuration file in the form of Interconnect, qdrouterd.conf, while it is written.
type Conf struct{ text strings.Builder }

// Section adds a section. Each attribute is written as "name: value".
func (c *Conf) Section(name string, attributes ...string) {
	fmt.Fprintf(&c.text, "%s {\n    %s\n}\n\n", name, strings.Join(attributes, "\n    "))
}

// String returns the file.
func (c *Conf) String() string { return c.text.String() }
