// Package contract is the suite of the delivery contract: what a sender, a receiver and an operator may rely on when
// consumers, senders, links and routers come and go. Each cell of its table, an event and a kind of delivery, is a test
// of its own, against one router and against three:
//
//	TestContract/<routers>/<event>/<anycast|presettled|multicast>
//
// A cell drives router processes with a client that says exactly what it is told to, frame by frame, over real sockets
// ([Client]), and notes in a few words what it observed. The table in docs/contract.md is made of these words:
//
//	go test -count=1 ./internal/contract -update
//
// rewrites it, and a run without the flag fails when the table says something else than what was observed.
//
// # Systems
//
// What is started is a [System]: Postroad, built from this module, or qdrouterd, whose program the environment variable
// POSTROAD_CONTRACT_QDROUTERD names. A run against qdrouterd only records: no difference fails it, and with -update it
// rewrites the list of differences in docs/contract.md instead of the table.
//
// Cells that need a part of the product which does not exist yet are listed with the reason, in the suite and in the
// table. They are not run, and not called passed.
package contract
