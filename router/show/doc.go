// Package show is what management and metrics see of a router: rows of entities, and sums of what endpoints count. It
// changes nothing of what it shows. It waits for no endpoint: it tries the mutex of each for ten milliseconds at most,
// and shows a busy one as far as it is known. Sums, and lists of links, begin with a scan for stuck deliveries and
// blocked links.
//
// # Locks
//
// scanner.Mu is held while all endpoints are looked at, and the ledger's while they are summed. Both come before the
// mutex of an endpoint, which is only tried, and before that of the control.
//
// Files, in the order in which to read them:
//
//	view.go          View, and how it looks at endpoints
//	ledger.go        sums
//	stats.go         metrics
//	exchangerows.go  exchanges and bindings
//	entities.go      the other entities of management
package show
