//go:build !linux

package transport

import "errors"

const tryReads = false

func tryRead(uintptr, []byte) (int, bool, error) { return 0, true, errors.ErrUnsupported }
