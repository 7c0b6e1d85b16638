//go:build !linux

package transport

const tryWrites = false

func tryWrite(uintptr, [][]byte) (int, error) { return 0, nil }
