package config

import "math"

var (
	direction   = oneOf("in", "out")
	count       = between(0, math.MaxInt32)
	anyPort     = text
	httpVersion = oneOf("HTTP1", "HTTP2")
)

// acceptedTypes are entities of Interconnect's configuration that this version checks, reports and ignores.
var acceptedTypes = []EntityType{
	{
		Name: "authServicePlugin", Section: "authServicePlugin", Key: "authServicePlugins", Support: NotYet,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "A service that authentication is delegated to.",
		Attributes: []Attribute{
			{"authService", text, nil, Create | Deprecated, nil, "Address of the service; write host and port instead."},
			{"host", text, "", Create, nil, "Host of the service."},
			{"port", anyPort, "amqp", Create, nil, "Port of the service."},
			{"realm", text, nil, Create, was("saslInitHostname"), "Value of hostname in the sasl-init."},
			{"sslProfile", text, nil, Create, was("authSslProfile"), "Name of the sslProfile for the service."},
		},
	},
	{
		Name: "router.config.linkRoute", Section: "linkRoute", Key: "linkRoutes", Support: NotYet,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "Links to these addresses are routed as a whole to another container.",
		Attributes: []Attribute{
			{"prefix", text, nil, Create, nil, "Address whose subtree is routed."},
			{"pattern", text, nil, Create, nil, "Pattern of the addresses that are routed."},
			{"addExternalPrefix", text, nil, Create, nil, "Prefix added to the address at the container."},
			{"delExternalPrefix", text, nil, Create, nil, "Prefix removed from the address at the container."},
			{"containerId", text, nil, Create, nil, "Container to route to."},
			{"connection", text, nil, Create, nil, "Name of the connector or listener to route to."},
			{"distribution", oneOf("linkBalanced"), "linkBalanced", Create, nil, "Choice among several containers."},
			{"direction", direction, nil, Create | Required, was("dir"), "in: of senders; out: of receivers."},
			{"operStatus", oneOf("inactive", "active"), nil, 0, nil, "Whether the container is there."},
		},
	},
	{
		Name: "router.config.autoLink", Section: "autoLink", Key: "autoLinks", Support: NotYet,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "A link the router attaches by itself to a container.",
		Attributes: []Attribute{
			{"address", text, nil, Create | Required, was("addr"), "Address of the node."},
			{"direction", direction, nil, Create | Required, was("dir"), "in: into the router; out: out of it."},
			{"phase", phase, nil, Create, nil, "Phase of the address; 0 for out, 1 for in."},
			{"containerId", text, nil, Create, nil, "Container to attach to."},
			{"connection", text, nil, Create, nil, "Name of the connector or listener to attach over."},
			{"externalAddress", text, nil, Create, was("externalAddr"), "Address of the node at the container."},
			{"fallback", boolean, false, Create, nil, "Attach as the fallback destination of the address."},
			{"linkRef", text, nil, 0, nil, "Identity of the router.link."},
			{"operStatus", oneOf("inactive", "attaching", "failed", "active", "quiescing", "idle"), nil, 0, nil,
				"State of the link."},
			{"lastError", text, nil, 0, nil, "Why the last attach failed."},
		},
	},
	{
		Name: "policy", Section: "policy", Key: "policy", Singleton: true, Support: NotYet,
		Doc: "Limits for the whole router and the switch for vhost policies.",
		Attributes: []Attribute{
			{"maxConnections", count, 65535, Create, nil, "Largest number of client connections."},
			{"maxMessageSize", integer, 0, Create, nil, "Largest message in octets; 0 for no limit."},
			{"enableVhostPolicy", boolean, false, Create, nil, "Enforce the policies of vhosts."},
			{"enableVhostNamePatterns", boolean, false, Create, nil, "Host names of vhosts are patterns."},
			{"policyDir", file, "", Create, nil, "Directory of JSON files with more vhosts."},
			{"defaultVhost", text, "$default", Create, nil, "Policy for hosts no vhost names."},
			{"connectionsProcessed", integer, nil, Graph, nil, "Connections seen."},
			{"connectionsDenied", integer, nil, Graph, nil, "Connections denied."},
			{"connectionsCurrent", integer, nil, Graph, nil, "Connections open."},
			{"linksDenied", integer, nil, Graph, nil, "Links denied."},
			{"maxMessageSizeDenied", integer, nil, Graph, nil, "Transfers denied for their size."},
			{"totalDenials", integer, nil, Graph, nil, "All denials."},
		},
	},
	{
		Name: "vhost", Section: "vhost", Key: "vhosts", Support: NotYet,
		Operations: []string{"CREATE", "UPDATE", "DELETE"},
		Doc:        "What the clients of a virtual host may do.",
		Attributes: []Attribute{
			{"hostname", text, nil, Create | Required, was("id"), "Host name clients ask for in their open."},
			{"aliases", text, nil, Create | Update, nil, "Further host names."},
			{"maxConnections", count, 65535, Create | Update, nil, "Largest number of connections."},
			{"maxMessageSize", integer, nil, Create, nil, "Largest message in octets."},
			{"maxConnectionsPerUser", count, 65535, Create | Update, nil, "Largest number of connections of one user."},
			{"maxConnectionsPerHost", count, 65535, Create | Update, nil, "Largest number of connections from one host."},
			{"allowUnknownUser", boolean, false, Create | Update, nil, "Users of no group get the settings of $default."},
			{"groups", mapOf("vhostUserGroupSettings"), nil, Create | Update, nil, "Settings per group of users."},
		},
	},
	{
		Name: "vhostUserGroupSettings", Section: "vhostUserGroupSettings", Support: NotYet,
		Doc: "What the users of one group of a vhost may do.",
		Attributes: []Attribute{
			{"users", text, nil, Create, nil, "Users of the group, comma-separated."},
			{"remoteHosts", text, nil, Create, nil, "Hosts, addresses and ranges they may come from, comma-separated."},
			{"maxConnectionsPerUser", integer, nil, Create, nil, "Largest number of connections of one user."},
			{"maxConnectionsPerHost", integer, nil, Create, nil, "Largest number of connections from one host."},
			{"maxMessageSize", integer, nil, Create, nil, "Largest message in octets."},
			{"maxFrameSize", integer, nil, Create, nil, "Largest frame in octets."},
			{"maxSessionWindow", integer, nil, Create, nil, "Largest incoming window in octets."},
			{"maxSessions", integer, nil, Create, nil, "Largest number of sessions of a connection."},
			{"maxSenders", integer, math.MaxInt32, Create, nil, "Largest number of sending links of a connection."},
			{"maxReceivers", integer, math.MaxInt32, Create, nil, "Largest number of receiving links of a connection."},
			{"allowDynamicSource", boolean, false, Create, nil, "May attach to a dynamic source."},
			{"allowAnonymousSender", boolean, false, Create, nil, "May send without a target address."},
			{"allowUserIdProxy", boolean, false, Create, nil, "May send with another's user-id."},
			{"allowWaypointLinks", boolean, true, Create, nil, "May claim to be a waypoint."},
			{"allowDynamicLinkRoutes", boolean, true, Create, nil, "May register link routes."},
			{"allowAdminStatusUpdate", boolean, true, Create, nil, "May close the connections of others."},
			{"allowFallbackLinks", boolean, true, Create, nil, "May claim to be a fallback destination."},
			{"sources", text, nil, Create, nil, "Addresses they may receive from, comma-separated."},
			{"targets", text, nil, Create, nil, "Addresses they may send to, comma-separated."},
			{"sourcePattern", text, nil, Create, nil, "Patterns of addresses they may receive from."},
			{"targetPattern", text, nil, Create, nil, "Patterns of addresses they may send to."},
		},
	},
	{
		Name: "console", Section: "console", Singleton: true, Deprecated: true, Support: Retired,
		Doc: "Start of an external web console; a listener with http does it.",
		Attributes: []Attribute{
			{"listener", text, nil, Create, nil, "Name of a listener."},
			{"wsport", integer, 5673, Create, nil, "Port for WebSocket."},
			{"proxy", text, nil, Create, nil, "Program to run."},
			{"home", text, nil, Create, nil, "Directory of its files."},
			{"args", text, nil, Create, nil, "Its arguments."},
		},
	},
	{
		Name: "tcpListener", Section: "tcpListener", Support: NotYet, Operations: []string{"CREATE", "DELETE"},
		Doc: "TCP service at the edge of the mesh (Interconnect 1.14 to 1.18).",
		Attributes: append([]Attribute{
			{"address", text, nil, Create, nil, "Address of the service in the mesh."},
			{"host", text, "0.0.0.0", Create, nil, "Host to listen on."},
			{"port", anyPort, nil, Create, nil, "Port to listen on."},
			{"siteId", text, nil, Create, nil, "Site of the clients."},
		}, bridgeCounters...),
	},
	{
		Name: "tcpConnector", Section: "tcpConnector", Support: NotYet, Operations: []string{"CREATE", "DELETE"},
		Doc: "TCP server behind the mesh (Interconnect 1.14 to 1.18).",
		Attributes: append([]Attribute{
			{"address", text, nil, Create, nil, "Address of the service in the mesh."},
			{"host", text, nil, Create, nil, "Host to connect to."},
			{"port", anyPort, nil, Create, nil, "Port to connect to."},
			{"siteId", text, nil, Create, nil, "Site of the server."},
		}, bridgeCounters...),
	},
	{
		Name: "httpListener", Section: "httpListener", Support: NotYet, Operations: []string{"CREATE", "DELETE"},
		Doc: "HTTP service at the edge of the mesh (Interconnect 1.14 to 1.18).",
		Attributes: append([]Attribute{
			{"host", text, "0.0.0.0", Create, nil, "Host to listen on."},
			{"sslProfile", text, nil, Create, nil, "Name of the sslProfile."},
		}, httpBridge...),
	},
	{
		Name: "httpConnector", Section: "httpConnector", Support: NotYet, Operations: []string{"CREATE", "DELETE"},
		Doc: "HTTP server behind the mesh (Interconnect 1.14 to 1.18).",
		Attributes: append([]Attribute{
			{"host", text, "127.0.0.1", Create, nil, "Host to connect to."},
			{"hostOverride", text, nil, Create, nil, "Value of the Host header."},
		}, httpBridge...),
	},
}

// bridgeCounters are the statistics of a TCP bridge.
var bridgeCounters = []Attribute{
	{"connectionsOpened", integer, nil, Graph, nil, "Connections opened."},
	{"connectionsClosed", integer, nil, Graph, nil, "Connections closed."},
	{"bytesIn", integer, nil, Graph, nil, "Octets from clients to servers."},
	{"bytesOut", integer, nil, Graph, nil, "Octets from servers to clients."},
}

// httpBridge are the attributes both ends of an HTTP bridge have.
var httpBridge = []Attribute{
	{"address", text, nil, Create, nil, "Address of the service in the mesh."},
	{"port", anyPort, nil, Create, nil, "Port number or service name."},
	{"siteId", text, nil, Create, nil, "Site of the other end."},
	{"protocolVersion", httpVersion, "HTTP1", Create, nil, "Version of HTTP."},
	{"aggregation", oneOf("multipart", "json"), nil, Create, nil, "How the responses of a multicast are joined."},
	{"eventChannel", boolean, nil, Create, nil, "Requests have no responses."},
}
