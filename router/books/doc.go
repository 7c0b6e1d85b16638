// Package books counts what became of messages: by link, by connection, by address, and in all. It knows neither links
// nor addresses: an address is known by its tally, and the caller names the part of the books that a delivery belongs
// to. Package books does no input or output, starts no goroutine and reads no clock. Only Ledger and Tally are safe for
// concurrent use.
//
// # Locks
//
// The ledger's mutex is taken before that of an endpoint; whoever holds one of those only tries it. Mutexes of tallies
// are leaves.
//
// Files, in the order in which to read them:
//
//	stats.go    the counters of one link
//	counts.go   sums of many links, by what the links are for
//	shares.go   what one connection counts by address
//	ledger.go   what remains of connections that are over, and how connections failed
//	rate.go     settlements in a second
package books
