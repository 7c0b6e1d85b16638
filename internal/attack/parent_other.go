//go:build !linux

package attack

import "syscall"

// dieWithParent has no effect where the system knows nothing like it.
func dieWithParent() *syscall.SysProcAttr {
	return nil
}
