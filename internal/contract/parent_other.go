//go:build !linux

package contract

import "syscall"

// dieWithParent has no effect where the system knows nothing like it.
func dieWithParent() *syscall.SysProcAttr {
	return nil
}
