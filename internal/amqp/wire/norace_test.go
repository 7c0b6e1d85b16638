//go:build !race

package wire

const allocatorOverhead = 1
