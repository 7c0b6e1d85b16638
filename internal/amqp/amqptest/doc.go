// Package amqptest is a scripted peer for conversations with an AMQP engine, in virtual time:
//
//	p := amqptest.Opened(t, engine.Config{ContainerID: "under test"})
//	p.Send(&wire.Begin{IncomingWindow: 10, OutgoingWindow: 10})
//	p.Want("begin is answered on a channel of the other side's choice [2.5.1]", amqptest.Like(func(x *wire.Begin) bool {
//		return x.HasRemoteChannel && x.RemoteChannel == 0
//	}))
//	p.WantIdle("nothing more is said")
//
// The peer encodes what it sends, decodes everything that the engine says, and plays the engine's caller: its Answer
// handles each event in time. Octets given to the engine are overwritten when its events have been handled, so that an
// engine which keeps a reference to its input is found out.
package amqptest
