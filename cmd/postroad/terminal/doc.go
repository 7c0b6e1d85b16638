// Package terminal shows on a terminal what goes on: a line of progress, a screen, or what is watched and changes.
// Where there is no terminal, it writes lines or nothing.
package terminal
