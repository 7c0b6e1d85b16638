// Package process runs other programs in processes of their own, and measures processes: those of routers, for the
// commands that start some and for the tests.
//
// A process has a group of its own, so that a signal from the terminal reaches it only through this program, and so that
// a signal reaches what a wrapper script has started, too. It ends when this program ends, however that happens, on
// Linux.
//
// One goroutine for each process waits for its end.
package process
