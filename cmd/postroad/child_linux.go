package main

import "syscall"

// childAttributes are those of a process this one starts: a group of its own, so that signals from the terminal reach it
// only through us, and an end when we end, however that happens.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
