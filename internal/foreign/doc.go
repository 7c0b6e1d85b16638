// Package foreign runs AMQP 1.0 clients that are not Postroad's own, and networks of router processes for them to talk
// through. Its tests show that unchanged programs exchange messages across the mesh.
//
// # Clients
//
// Four libraries, each in its own process and language: Proton Python (python/), Proton C++ (cpp/), rhea (rhea/, on
// Node.js) and go-amqp (goclient/). They share one command line:
//
//	send     --url URL --address A [--count N] [--size N,N,…] [--presettled] [--anonymous] [--retry] [--values FILE]
//	receive  --url URL --address A [--count N] [--credit N] [--outcome O,O,…] [--show] [--linger]
//	request  --url URL --address A [--count N] [--size N,N,…]
//	respond  --url URL --address A [--count N] [--credit N]
//	relay    --url URL --address A [--count N] [--credit N]
//	all      [--timeout SECONDS] [--progress N] [--hostname H] [--capability C]
//
// Message i carries its number and the CRC-32 of its body as application properties; its body is as long as the i-th of
// the sizes, used in turn, and a pattern with a prime period. With --values a sender sends the messages of a file
// instead, and with --show a receiver reports what arrived in the same notation (python/values.py describes it), so
// that every AMQP type can be compared as text. Message i gets the i-th outcome, used in turn: accept, release, reject,
// reject-info, modify-failed, modify-undeliverable or modify-all. --retry sends again what was released or modified.
//
// H is the hostname of the open, C a capability of the source that is received from, or of the target that is sent to.
// relay is a small broker: it accepts N messages and sends them, in their order, to the same address.
//
// A receiver with --linger knows no count. It obeys the lines on its stdin: "credit N" gives its link more credit (with
// --credit 0 it has none before), and "end N" makes it end once it has received N different messages.
//
// Proton Python knows one thing more: its command hold takes the first frames of one delivery, reports progress, and
// takes the rest when a line comes on its stdin; its result says whether the delivery was complete or aborted.
//
// A client prints one JSON object per line on stdout: {"event":"ready"} when its receiving link is attached,
// {"event":"progress"} every N messages, and {"event":"result"} at its end, which is exit code 0 without an error. A
// receiver ends when it has received N different messages.
//
// # Routers
//
// A [Topology] names routers and connectors; [StartNetwork] starts one process for each router from a qdrouterd.conf
// and waits until all of them know a path to all others. The router is ./cmd/postroad, built as the tests are built
// (with the race detector when they have it). The environment variable POSTROAD_TEST_ROUTER names another program,
// which is called with the configuration file as its only argument: so the same tests can be held against Interconnect.
// What that is known to do otherwise is then noted in the output instead of failing the test.
package foreign
