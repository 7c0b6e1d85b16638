//go:build unix && !linux

package main

import "syscall"

// childAttributes are those of a process this one starts: a group of its own, so that signals from the terminal reach it
// only through us.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
