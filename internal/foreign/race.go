//go:build race

package foreign

// raceFlags are the build flags of the router under test: it is built as the test is.
var raceFlags = []string{"-race"}
