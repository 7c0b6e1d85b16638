//go:build race

package engine_test

// poolLoss is how many allocations a batch may make because a sync.Pool forgets at random under the race detector.
const poolLoss = 8
