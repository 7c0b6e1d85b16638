//go:build !race

package lab

// RaceFlags are build flags: a program that is built with them has the race detector if this one has it.
var RaceFlags []string
