// Package config reads the configuration of one router: YAML in Postroad's own layout, or a qdrouterd.conf of
// Interconnect (Qpid Dispatch 1.x) in its section syntax or its JSON form. Both give the same [Config].
//
// The way of a file:
//
//	bytes ── parse (yaml.go, conf.go, json.go) ──▶ sections with positions
//	      ── build (build.go), driven by [Schema] ──▶ attributes: known, typed, in range, defaults added
//	      ── validate (validate.go) ──▶ rules that look at more than one attribute
//	      ──▶ [Config]
//
// Every step reports all it finds as [Problems] with file, line and column and goes on, so that one run shows every
// mistake. One table, [Schema] (schema_*.go), says which entities and attributes there are; the parsers, the typed
// structs, the management node and docs/reference/configuration.md are all held to it.
//
// The two formats differ where compatibility and safety pull apart:
//
//   - What Interconnect tolerates (it logs an error and ignores the section, or corrects the value) is a warning in a
//     qdrouterd.conf and an error in YAML.
//   - A listener that other machines can reach without authentication is an error in YAML unless it says
//     insecure: true; a qdrouterd.conf starts as it always did, with a warning that names the risk.
//   - In YAML a listener with an sslProfile requires TLS unless it says requireSsl: false, and one whose profile has a
//     caCertFile authenticates its peers unless it says authenticatePeer: false.
//   - Relative paths are relative to the file in YAML, to the working directory in a qdrouterd.conf.
//
// The package does file input only in [Load], [Config.CheckFiles] and [Secret]; it starts no goroutine and is safe for
// concurrent use.
package config
