// Package lab runs router processes for tests and tools: Postroad, built from this module, or another router that reads
// the same configuration.
//
// A [Router] is one process, started from the text of its configuration. It is ready once it says so and listens on its
// ports. It can be asked over AMQP management, stopped as an operator does, killed, suspended and started again. Its
// memory and CPU time are measured, and it dies with the process that started it. A [Network] is routers that are
// started together.
//
// Where the routers run (ports of this machine, network namespaces) and what they are configured with is the business of
// the packages that use this one. No command of the program may import it.
package lab
