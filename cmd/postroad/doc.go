// Command postroad runs, checks, watches and exercises AMQP 1.0 message routers.
//
// The subcommands are nouns and verbs; each has a file of its own and is listed once in [subcommands] (root.go).
// Results go to standard output, everything else (progress, warnings, logs) to standard error. Exit status: 0 success,
// 1 the work failed, 2 the command line was wrong.
//
// Commands that talk to a router do so as any AMQP client does, with go-amqp and the management protocol; the only
// command that starts a router in this process is run.
package main
