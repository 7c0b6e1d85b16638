// Package tidy holds the house rules of this repository as tests: who may import whom, that protocol code does no I/O,
// how long a file may be, and what must not be committed. A rule that is broken fails with the file and line and with
// what would be right.
//
// Some rules are ratchets: offenders.txt lists who broke a rule on the day it came, and the list may only shrink.
package tidy
