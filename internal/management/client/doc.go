// Package client is the client of AMQP management: it asks the management nodes of routers, Postroad's and
// Interconnect's, over a connection of go-amqp. The commands and the tests use it.
package client
