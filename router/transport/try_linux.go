package transport

import (
	"golang.org/x/sys/unix"
)

const tryWrites = true

// maxVectors is how many buffers one writev takes (IOV_MAX).
const maxVectors = 1024

func tryWrite(fd uintptr, b [][]byte) (n int, err error) {
	for {
		if len(b) == 1 {
			n, err = unix.Write(int(fd), b[0])
		} else {
			n, err = unix.Writev(int(fd), b[:min(len(b), maxVectors)])
		}
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, nil
		}
		return max(n, 0), err
	}
}
