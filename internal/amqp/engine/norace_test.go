//go:build !race

package engine_test

// poolLoss is how many allocations a batch may make because a sync.Pool forgets.
const poolLoss = 0
