package logging

import (
	"fmt"
	"strings"
)

// Module is a source of events, in Interconnect's division.
type Module uint8

// The modules. Default is the one whose settings the others inherit.
const (
	Router Module = iota
	RouterCore
	RouterHello
	RouterLS
	RouterMA
	Message
	Server
	Agent
	AuthService
	Container
	Error
	Policy
	HTTP
	ConnMgr
	Python
	Protocol
	Default
	moduleCount
)

var moduleNames = [moduleCount]string{
	"ROUTER", "ROUTER_CORE", "ROUTER_HELLO", "ROUTER_LS", "ROUTER_MA", "MESSAGE", "SERVER", "AGENT", "AUTHSERVICE",
	"CONTAINER", "ERROR", "POLICY", "HTTP", "CONN_MGR", "PYTHON", "PROTOCOL", "DEFAULT",
}

// Modules returns all modules, Default last.
func Modules() []Module {
	all := make([]Module, moduleCount)
	for m := range all {
		all[m] = Module(m)
	}
	return all
}

// String returns the name as in the module attribute of a log entity.
func (m Module) String() string {
	if m < moduleCount {
		return moduleNames[m]
	}
	return fmt.Sprintf("Module(%d)", uint8(m))
}

// ParseModule reads the name of a module, in any case.
func ParseModule(name string) (Module, error) {
	for m, known := range moduleNames {
		if strings.EqualFold(name, known) {
			return Module(m), nil
		}
	}
	return 0, fmt.Errorf("log module %q is not one of %s", name, strings.Join(moduleNames[:], ", "))
}
