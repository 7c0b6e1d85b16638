//go:build race

package router

// raceEnabled says that the tests run under the race detector.
const raceEnabled = true
