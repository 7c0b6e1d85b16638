// Package demo holds the command demo: a whole mesh on this machine, each router in a process of its own, with
// clients in this one.
package demo
