// Package command is what makes the commands one program: the command postroad above them, the exit statuses, and
// which errors are mistakes on the command line.
package command
