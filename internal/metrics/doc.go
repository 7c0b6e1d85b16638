// Package metrics shows what a router does to Prometheus, and whether it is alive to supervisors.
//
// The router implements [Source]: on each scrape it fills one [Snapshot] of plain numbers, from which a collector
// makes the metrics. There are two families. Those whose names start with postroad_ are labelled and follow the
// conventions of Prometheus. Those that start with qdr_ have the names, types and meaning of Interconnect's, so that
// existing dashboards and alerts go on working.
//
// # Labels are bounded
//
// The number of addresses, neighbors and control messages is in the hands of the router's peers, the number of time
// series must not be. At most [Options].Addresses addresses have series of their own; deliveries to all others are
// counted under the address _other, always so for temporary addresses (temp.*), for very long ones and for those that
// cannot be a label. Which addresses those are is sticky: once an address has series of its own, it keeps them for as
// long as it exists, and counts never move from one series to another, so that rates are right at all times. Sums over
// all addresses are exact, also over addresses that come and go between two scrapes.
//
// The package starts no goroutine but the one that runs a health check. It keeps no global state: each [New] has its
// own registry. All methods may be called from several goroutines at once.
package metrics
