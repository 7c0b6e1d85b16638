package process

import "syscall"

// childAttributes are those of a process this one starts: a group of its own, and a signal when this one ends.
func childAttributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}
