// Package attack attacks router processes as hostile clients would, over raw sockets, with an innocent client beside.
//
// # What is promised
//
// A client may send whatever it likes, and read nothing. The router keeps these promises, which each [Report] judges:
//
//   - it grows by at most 64 MiB from its size before;
//   - it is at overload level 0 within 5 seconds of the attackers' leaving;
//   - no link of the innocent client is detached, no new one is refused, and all its messages are accepted;
//   - its metrics answer, a neighbor keeps its adjacency, no connection ends with a panic;
//   - SIGTERM ends it within its drain time-out and 3 seconds, even while the attackers stay.
//
// A busy machine can make the router grow a little more, and end late. An attack is made again when one of these alone was
// wrong, see [Report.Doubtful]. Times that are not promised are printed only; [Compare] is for them: it compares what the
// innocent client feels with a control, in which another router on the same machine is attacked.
//
// # How it is made
//
//	routers.go     starts router processes with package lab, and measures them
//	frame.go       encodes frames, whether they make sense or not
//	peer.go        a connection without rules: it sends, reads, or does not
//	innocent.go    the client beside
//	scene.go       one attack from the router's start to its end, and the report
//	compare.go     the attack with its control
//	prepare.go     states that many attacks begin with
//	all.go         the list of all attacks
//	unread.go, disposition.go, multicast.go, reply.go, partial.go, link.go    the attacks
//
// No more than two routers run at a time. Every attack is bounded in time and in the octets sent. It stops when the router
// has grown by 300 MiB, so that the machine survives.
package attack
