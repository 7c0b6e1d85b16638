package attack

import "syscall"

// dieWithParent makes a child process die when the test process does, however that happens.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
