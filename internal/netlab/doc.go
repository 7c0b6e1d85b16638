// Package netlab runs networks of router processes in Linux network namespaces, and does to them what happens to real
// ones: links go down and come up, lose and delay packets or swallow them without a word; processes stand still, are
// killed, are told to end, and come back.
//
// # A lab
//
// A [Lab] is made from a description of package topologies. Every router has a network namespace of its own, and every
// link is a pair of veth devices between two of them, with addresses of its own and no other way around: what crosses a
// link is gone when the link is. Clients connect inside the namespace of their router ([Lab.Dial], [Lab.Endpoint]), so
// that they are on the router's host. Namespaces have no names in the file system and end with the process.
//
// A link that is made with a [Wire] leads through a third namespace, in which this process carries the frames from one
// end to the other: so it can delay and lose them (the kernels this runs on have no netem). Others are the kernel's own
// business and cost nothing.
//
// # What it needs
//
// Linux, and the rights to make network namespaces and devices: root, or CAP_SYS_ADMIN and CAP_NET_ADMIN. [Check] says
// what is missing. The tests fail without; they are not skipped.
//
// # Goroutines
//
//	namespace  one each, locked to a thread that is in the namespace; it makes sockets and starts processes there
//	wire       two for each: one for each direction, reading; timers write what is delayed
//	process    one each, which waits for its end
package netlab
