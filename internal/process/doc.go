// Package process runs other programs in processes of their own, and measures processes: those of routers, for the
// commands that start some and for the tests.
//
// A process has a group of its own. So a signal from the terminal reaches it only through this program, and a signal to
// it reaches what a wrapper script has started. On Linux it gets a signal when this program ends, however that happens.
//
// One goroutine for each process waits for its end.
package process
