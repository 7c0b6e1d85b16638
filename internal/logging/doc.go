// Package logging is Interconnect's log: events of modules (ROUTER, SERVER, …) at seven levels (trace to critical),
// each module with levels, an output and a form of its own that can change while the router runs, counted per module
// and level, the last thousand kept in memory. It stands on log/slog: attributes are [slog.Attr], and [Logger.Slog] is
// a view of a module for code that wants a [slog.Logger].
//
//	logs, err := logging.New(logging.Options{Modules: map[logging.Module]logging.Settings{
//		logging.Default: {Enable: "info+", OutputFile: "stderr"},
//	}})
//	server := logs.Module(logging.Server)
//	server.Notice("Listening on 0.0.0.0:5672 (clients)")
//	server.Info("connection closed", slog.Uint64("conn", 7))
//	server.Warningf("Accept: %v", err)
//
// writes Interconnect's lines, with attributes at the end where there are any:
//
//	2026-11-20 10:00:00.000000 +0000 SERVER (notice) Listening on 0.0.0.0:5672 (clients)
//	2026-11-20 10:00:00.000113 +0000 SERVER (info) connection closed conn=7
//
// What peers send ends up in logs: control characters are escaped and texts are cut at [MaxText], so that an event is
// one line whatever it quotes.
//
// An event that is not enabled costs two atomic operations on its module, takes no lock and allocates nothing, unless
// the caller boxes arguments for a …f method or computes them: guard those with [Logger.Enabled] where it matters. An
// event that is written takes the lock of its output for the time of one write. The package starts no goroutine.
package logging
