// Package bench measures a route through AMQP 1.0 routers: messages per second, one-way latency, and what the routers'
// processes cost in CPU and memory.
//
// It is a load client of its own. Its frames are encoded once and patched per message, it writes as many transfers per
// system call as credit and session window allow, and it parses what arrives in place, so that the router and not the
// generator is the limit. It shares no code with the AMQP engine it measures: it is an independent peer, and speaks to
// every AMQP 1.0 container.
//
// # What is measured
//
// Each message carries in its body the time it was due and a sequence number. Sender and receiver live in this process
// and read the same monotonic clock, so the difference is the one-way latency. The sequence numbers say exactly what
// was lost and what came twice. CPU and memory of the routers come from the operating system (/proc), read around a
// counted number of messages.
//
// With a rate, messages are due by the clock and not by the previous answer: a message that had to wait for credit, for
// the session window or for the socket is measured from the moment it was due. Only the time by which the generator's
// own timer woke too late is left out, and it is reported beside.
//
// # Goroutines
//
//	Run              one, of the caller: phases, samples every 10 ms, stall check
//	sender           two each: writer (transfers, control frames), reader (flow, disposition)
//	receiver         one each: reads, settles, grants
//	idle connections one for all of them: empty frames that keep them alive
//	heartbeat        one per busy connection whose peer demands an idle time-out
//	Relay            one per accepted connection and one writer per direction of a pair
package bench
