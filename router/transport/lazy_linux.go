package transport

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const tryReads = true

// tryRead reads what there is; done is false if there is nothing.
func tryRead(fd uintptr, b []byte) (n int, done bool, err error) {
	for {
		n, err = unix.Read(int(fd), b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, false, nil
		case err != nil:
			return 0, true, os.NewSyscallError("read", err)
		case n == 0:
			return 0, true, io.EOF
		}
		return n, true, nil
	}
}
