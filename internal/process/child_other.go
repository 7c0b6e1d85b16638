//go:build unix && !linux

package process

import "syscall"

// childAttributes are those of a process this one starts: a group of its own. There is no signal when this one ends.
func childAttributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
