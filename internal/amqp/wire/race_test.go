//go:build race

package wire

// The race detector gives every small value an allocation of its own.
const allocatorOverhead = 2
