// Package run holds the command run, which runs a router in this process. No other package of the program imports
// package router. What a router makes of a configuration before it starts is here for the command check, too.
package run
