// Package connect connects a command to a router as any AMQP client does: the flags that say where and how, and
// errors that say what to look at.
package connect
