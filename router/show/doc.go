// Package show is what management and metrics see of a router: rows of entities, and sums of what endpoints count. It
// changes nothing, and waits for no endpoint: one that is busy all the time is shown as far as it is known.
//
// Files, in the order in which to read them:
//
//	view.go          View, and how it looks at endpoints
//	ledger.go        sums
//	stats.go         metrics
//	exchangerows.go  exchanges and bindings
//	entities.go      the other entities of management
package show
