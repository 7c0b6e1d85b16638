// Package management is the management node of a router: it answers requests that arrive at the address $management,
// in the form of the AMQP Management draft as Qpid Dispatch (Interconnect) speaks it, so that qdstat, qdmanage and
// existing exporters work unchanged.
//
// A request is one AMQP message. Its application properties name the operation (operation), the entity it is meant for
// (type, name, identity) or the type asked about (entityType), and count and offset; its body is a map. The reply goes
// to the request's reply-to address, carries its correlation-id (or its message-id when it has none), statusCode (int)
// and statusDescription (string) as application properties, and a body that depends on the operation:
//
//	QUERY            map {attributeNames: [name…], results: [[value…]…]}
//	READ             map of one entity's attributes
//	GET-TYPES        map type → list of the types it extends
//	GET-ATTRIBUTES   map type → list of attribute names
//	GET-OPERATIONS   map type → list of operations
//	GET-ANNOTATIONS  empty map
//	GET-MGMT-NODES   list of the $management addresses of all routers
//	GET-SCHEMA       map with the whole schema; GET-JSON-SCHEMA: the same as text
//	GET-LOG          list of [module, level, text, file, line, time]
//
//	DRAIN            empty map; then the router lets its traffic move away, and ends
//
// CREATE, UPDATE and DELETE answer 501 (not implemented). DRAIN, which is Postroad's own, is sent to the router entity
// (type router), whose name the request has to give. Who may not change anything gets 403, with the reason.
//
// The package does no I/O, starts no goroutine and reads no clock. What there is to show comes through a [Source],
// which the router implements: it fills the plain row types of this package ([Router], [Connection], [Link],
// [Address], [RouterNode], [Policy], [LogStats], [LogEntry]), and hands over configuration entities as attribute
// maps ([ConfigEntity]). Next to each row type stands the table of its attributes with the AMQP types in which
// Interconnect encodes them; what they mean, and which types there are at all, stands in the Schema of package config.
//
// Values of hidden attributes (passwords) never appear in an answer. Answers are bounded ([Options].MaxReply): clients
// ask for large tables in pages.
package management
