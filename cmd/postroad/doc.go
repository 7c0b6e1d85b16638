// Command postroad runs, checks, watches and exercises AMQP 1.0 message routers.
//
// The subcommands are nouns and verbs; each has a file of its own, and is listed once in [newRootCommand]. Results go
// to standard output, everything else (progress, warnings, logs) to standard error. Exit status: 0 success, 1 the work
// failed, 2 the command line was wrong.
//
// # Packages
//
// This package only puts the commands together, which are in packages of their own below it:
//
//	run            runs a router in this process; check uses what it makes of a configuration
//	configuration  check, convert
//	gossipkey      gossip-key
//	message        send, receive, request
//	bench          bench
//	show           topology, members, path, what-if, trace
//	drain          drain
//	demo           demo
//	version        version, and which build this is
//
// What several of them need:
//
//	command        the root, exit statuses, mistakes on the command line
//	output         --output and JSON
//	terminal       progress, screens, --watch
//	connect        the flags of AMQP clients, and the connection
//	meshview       the mesh as its management describes it
//	spawn          routers in processes of their own
//
// Commands that talk to a router do so as any AMQP client does, with go-amqp and the management protocol; the only
// command that starts a router in this process is run.
package main
