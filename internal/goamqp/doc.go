// Package goamqp reads what the library go-amqp hands over: errors in the words of the peer, and values of whichever
// AMQP type a peer has chosen for a number, a text, a map or a list.
package goamqp
