// Package books counts what became of messages: by link, by connection, by address, and in all. It knows neither links
// nor addresses; whoever counts says which part of the books a delivery belongs to. Nothing here does input or output,
// and only what says so may be used by several goroutines.
//
// Files, in the order in which to read them:
//
//	stats.go    the counters of one link
//	counts.go   sums of many links, by what the links are for
//	shares.go   what one connection counts by address
//	ledger.go   what remains of connections that are over, and how connections failed
//	rate.go     settlements in a second
package books
