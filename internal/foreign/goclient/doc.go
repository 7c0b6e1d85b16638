// Command goclient is the go-amqp client of the foreign-client tests. Like its sisters in Python, C++ and JavaScript it
// knows five commands (send, receive, request, respond, relay) and prints one line of JSON per event; the command line
// is described in the documentation of package foreign, one directory up.
//
// Goroutines: main runs the command; a sender starts one goroutine per unsettled delivery, which waits for its outcome
// and gives it to the main loop over a channel; a lingering receiver starts one that obeys the lines on stdin.
package main
