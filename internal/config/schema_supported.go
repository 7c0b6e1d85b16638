package config

import "math"

// Values of the attributes that are used on more than one entity.
var (
	anyCost       = between(1, math.MaxInt32)
	anyFrameSize  = between(512, math.MaxUint32)
	seconds       = between(1, math.MaxInt32)
	phase         = between(0, 9)
	connRole      = oneOf(string(RoleNormal), string(RoleInterRouter), string(RoleRouteContainer), string(RoleEdge))
	distributions = oneOf(string(DistributionMulticast), string(DistributionClosest), string(DistributionBalanced),
		string(DistributionUnavailable))
	family     = oneOf("IPv4", "IPv6")
	transports = oneOf(string(TransportTCP), string(TransportQUIC))
	strip      = oneOf("in", "out", "both", "no")
)

// DefaultMaxFrameSize is the largest frame, in octets, a router accepts unless its configuration says otherwise.
// Interconnect's default is 16384.
const DefaultMaxFrameSize = 65536

// supportedTypes are the configuration entities that this version acts on.
var supportedTypes = []EntityType{
	{
		Name: "router", Section: "router", Key: "router", Singleton: true, Support: Supported,
		Doc: "The router itself: who it is and what part it plays in a mesh.",
		Attributes: append([]Attribute{
			{"id", text, nil, Create, nil, "Identity of the router in the mesh and its AMQP container-id; at most 127 " +
				"characters, no whitespace or control characters. Made up at start-up if not given."},
			{"mode", oneOf(string(ModeStandalone), string(ModeInterior), string(ModeEdge)), string(ModeStandalone), Create, nil,
				"standalone: no other routers; interior: a full member of the mesh; edge: a leaf with an uplink to " +
					"interior routers."},
			{"area", text, "0", 0, nil, "Reserved; always 0."},
			{"version", text, nil, 0, nil, "Version of the software."},
			{"hostName", text, nil, 0, nil, "Name of the host the router runs on."},
			{"helloIntervalSeconds", seconds, 1, Create, was("helloInterval"), "Seconds between HELLO messages to neighbors."},
			{"helloMaxAgeSeconds", seconds, 3, Create, was("helloMaxAge"),
				"Seconds without a HELLO after which a neighbor is given up."},
			{"raIntervalSeconds", seconds, 30, Create, was("raInterval"),
				"Seconds between router advertisements while the topology is stable."},
			{"raIntervalFluxSeconds", seconds, 4, Create, was("raIntervalFlux"),
				"Seconds between router advertisements while the topology changes."},
			{"remoteLsMaxAgeSeconds", seconds, 60, Create, was("remoteLsMaxAge"),
				"Seconds without an advertisement after which the link state of a router is stale."},
			{"workerThreads", between(1, 1024), nil, Create, nil,
				"Threads that may execute at the same time; as many as there are CPUs if not given."},
			{"debugDumpFile", file, nil, Create | Later, was("debugDump"), "File for debug output when logging is impossible."},
			{"saslConfigDir", file, nil, Create | Later, was("saslConfigPath"),
				"Directory of the Cyrus SASL configuration. Postroad does not use Cyrus SASL: see usersFile."},
			{"saslConfigName", text, "qdrouterd", Create | Later, nil, "Name of the Cyrus SASL configuration: see usersFile."},
			{"usersFile", file, nil, Create | Extension, nil,
				"File of the users who may authenticate with a password (SASL PLAIN)."},
			{"allowResumableLinkRoute", boolean, true, Create | Later, nil,
				"Whether links may be routed that outlive their connection."},
			{"timestampsInUTC", boolean, nil, Create, nil, "Log times in UTC instead of local time."},
			{"timestampFormat", text, nil, Create, nil, "Format of log times as for strftime(3)."},
			{"allowUnsettledMulticast", boolean, false, Create | Deprecated, nil, "Without effect."},
			{"defaultDistribution", distributions, string(DistributionBalanced), Create, nil,
				"Distribution of addresses for which no address entity says otherwise."},
			{"fastHelloMilliseconds", between(10, 60000), 100, Create | Extension, nil,
				"Time between two hellos to a neighbor that is a Postroad router, at most helloIntervalSeconds. When three " +
					"in a row do not come, and nothing else either, it is lost."},
			{"rerouteHoldMilliseconds", between(0, 60000), 1000, Create | Extension, nil,
				"How long an unsettled message waits for the next consumer when the last one has just gone, before it is " +
					"released; 0: not at all."},
			{"drainTimeoutSeconds", between(0, 3600), 10, Create | Extension, nil,
				"How long a router that is to end waits for the outcomes of what is under way; 0: not at all."},
			{"managers", text, nil, Create | Extension, nil,
				"Users who may change the router by management, such as to have it drain, separated by commas; * for all who " +
					"are authenticated. Nobody may unless it is given."},
			{"metadata", text, nil, Create, nil, "Free text about the router for people and tools."},
		}, routerCounters...),
	},
	{
		Name: "mesh", Section: "mesh", Key: "mesh", Singleton: true, Extension: true, Support: Supported,
		Doc: "The mesh the router belongs to.",
		Attributes: []Attribute{
			{"name", text, nil, Create | Extension, nil, "Name of the mesh."},
			{"site", text, nil, Create | Extension, nil, "Site (cloud region, data centre, shop) the router stands in."},
			{"gossip", recordOf("gossip"), nil, Create | Extension, nil,
				"How routers find each other and which links they make; without it only connectors make links."},
		},
	},
	{
		Name: "gossip", Extension: true, Support: Supported,
		Doc: "How routers find each other and which links they make; the value of mesh.gossip. The policy (shape, degree, " +
			"redundant, shortcuts) has to be the same at all routers of a mesh.",
		Attributes: []Attribute{
			{"bind", text, nil, Create | Extension, nil,
				"host:port of a port for gossip alone. It is not needed where an inter-router listener has an sslProfile: such " +
					"listeners carry gossip beside AMQP."},
			{"join", list, nil, Create | Extension, nil,
				"[transport://]host:port of routers to ask first; one is enough. Transports: amqps, quic and gossips for TLS, " +
					"gossip without; by default amqps, and quic too with transport: quic, or gossip without TLS."},
			{"keyFile", file, nil, Create | Extension, nil,
				"File of mode 0600 with the keys that gossip is encrypted with; see postroad gossip-key. Changes are noticed."},
			{"sslProfile", text, nil, Create | Extension, nil, "Name of the sslProfile for gossip and for the links that it " +
				"leads to; that of the first inter-router listener which has one if not given."},
			{"transport", transports, string(TransportTCP), Create | Extension, nil,
				"What gossip and planned links are tried by first where another router offers both: tcp or quic. The other one " +
					"is tried when there is no answer for a moment, and is used where it alone is offered."},
			{"verifyId", boolean, true, Create | Extension, nil, "The certificate of a router has to be for its id: as the " +
				"user of uidFormat, the common name, or a DNS name. This holds for gossip, planned links, and the listeners and " +
				"connectors between routers that do not say otherwise."},
			{"advertise", list, nil, Create | Extension, nil,
				"[transport://]host:port where others can dial this router, with amqps, quic, amqp, gossips or gossip. If not given, " +
					"the bind and the inter-router listeners whose host is not a wildcard. A router with none only dials."},
			{"allowIds", list, nil, Create | Extension, nil, "Patterns of router ids (* ? [a-z]); others are not taken as members."},
			{"allowSites", list, nil, Create | Extension, nil, "Patterns of sites; routers of others are not taken as members."},
			{"timing", oneOf("lan", "wan"), "lan", Create | Extension, nil,
				"lan for routers near each other, wan for routers on several continents or behind bad lines."},
			{"shape", oneOf("none", "full-mesh", "degree", "sites"), "degree", Create | Extension, nil,
				"Links to make: none; between any two; degree for each router; all inside a site and redundant between sites."},
			{"degree", between(1, 32), 3, Create | Extension, nil, "With shape degree: links of each router, one more where odd, " +
				"and how many routers it takes to cut the mesh."},
			{"redundant", between(1, 32), 2, Create | Extension, nil,
				"With shape sites: links between any two sites, on different routers."},
			{"shortcuts", between(0, 32), 0, Create | Extension, nil,
				"With shape degree: further rings with two links for each router, which make ways short in large meshes."},
			{"cost", oneOf("fixed", "site", "rtt"), "site", Create | Extension, nil,
				"Cost of such links: fixed, costWithin for all; site, costWithin inside a site and costBetween between sites; " +
					"rtt, one for each 100 µs of the measured round-trip time, and that of site for routers that cannot be measured."},
			{"costWithin", between(1, math.MaxInt32), 1, Create | Extension, nil, "Cost of links inside a site."},
			{"costBetween", between(1, math.MaxInt32), 10, Create | Extension, nil, "Cost of links between sites."},
		},
	},
	{
		Name: "sslProfile", Section: "sslProfile", Key: "sslProfiles", Support: Supported,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "Certificates and rules for TLS; listeners and connectors refer to it by its name.",
		Attributes: []Attribute{
			{"ciphers", text, nil, Create, nil, "Enabled cipher suites up to TLS 1.2, in OpenSSL's notation."},
			{"protocols", text, nil, Create, nil, "Allowed versions, separated by spaces: TLSv1.2 TLSv1.3."},
			{"caCertFile", file, nil, Create, was("certDb"),
				"PEM file with the certificates of the authorities that peers are verified against."},
			{"certFile", file, nil, Create, nil, "PEM file with the certificate shown to peers."},
			{"privateKeyFile", file, nil, Create, was("keyFile"), "PEM file with the private key of certFile."},
			{"passwordFile", file, nil, Create | Deprecated, nil,
				"File with the password of the private key; write password: file:… instead."},
			{"password", text, nil, Create | Hidden, nil,
				"Password of the private key: env:NAME, file:PATH, pass:TEXT, literal:TEXT, or the text itself."},
			{"uidFormat", text, nil, Create, nil,
				"Certificate fields that make up the user name for SASL EXTERNAL: letters of c s l o u n 1 2 5."},
			{"uidNameMappingFile", text, nil, Create, was("displayNameFile"),
				"JSON file that maps such user names to others."},
		},
	},
	{
		Name: "listener", Section: "listener", Key: "listeners", Support: Supported,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "A place where the router accepts connections.",
		Attributes: []Attribute{
			{"host", text, "", Create, was("addr"), "Host name or IP address to listen on; empty for all local addresses."},
			{"port", text, "amqp", Create, nil, "Port number or service name; 0 takes a free port, which is logged."},
			{"socketAddressFamily", family, nil, Create, was("protocolFamily"),
				"IP version; found out from the host if not given."},
			{"role", connRole, string(RoleNormal), Create, nil,
				"Who connects here. normal: clients; inter-router: interior routers; edge: edge routers; " +
					"route-container: brokers and services."},
			{"cost", anyCost, 1, Create, nil, "Cost of the link to another router; the larger of both ends counts."},
			{"costBasis", oneOf("fixed", "rtt"), "fixed", Create | Extension, nil,
				"fixed: cost counts. rtt, at one end at least: one for each 100 µs of the measured round-trip time counts instead, " +
					"where the router at the other end can be measured."},
			{"transport", transports, string(TransportTCP), Create | Extension, nil,
				"tcp: in TLS if there is an sslProfile; quic: QUIC, on a UDP port, always in TLS 1.3 with the sslProfile. A tcp and " +
					"a quic listener may have the same port."},
			{"sslProfile", text, nil, Create, nil, "Name of the sslProfile to use."},
			{"saslMechanisms", text, nil, Create, nil, "SASL mechanisms to offer, separated by spaces; all if not given."},
			{"authenticatePeer", boolean, false, Create, nil,
				"Refuse peers that do not authenticate. In YAML true by default when the sslProfile has a caCertFile."},
			{"saslPlugin", text, nil, Create | Later, nil, "Name of the authServicePlugin to delegate authentication to."},
			{"verifyId", boolean, nil, Create | Extension, nil, "The certificate of a router that connects has to be for its id, " +
				"see gossip. If not given, this holds where gossip has verifyId and the listener asks for certificates."},
			{"requireEncryption", boolean, false, Create, nil, "Refuse connections that are not encrypted."},
			{"requireSsl", boolean, false, Create, nil,
				"Refuse connections without TLS. In YAML true by default when there is an sslProfile."},
			{"trustedCertsFile", file, nil, Create | Deprecated, was("trustedCerts"),
				"Without effect; give the sslProfile a caCertFile."},
			{"maxFrameSize", anyFrameSize, DefaultMaxFrameSize, Create, nil, "Largest frame accepted from the peer, in octets."},
			{"maxSessions", between(0, 32768), 32768, Create, nil,
				"Largest number of sessions on a connection; 0: the default."},
			{"maxSessionFrames", between(0, math.MaxInt32), nil, Create, nil,
				"Incoming window of a session, in transfer frames; no limit if 0 or not given."},
			{"idleTimeoutSeconds", between(0, math.MaxInt32), 16, Create, nil,
				"Seconds without a frame after which the connection is closed; 0 for never."},
			{"initialHandshakeTimeoutSeconds", between(0, math.MaxInt32), 0, Create, nil,
				"Seconds a peer may take from connecting to the AMQP open; 0 for the router's own limit."},
			{"stripAnnotations", strip, "both", Create, nil,
				"Whether router annotations are removed from messages that come in, go out, both, or no. Those that come in and " +
					"are not removed count: only for clients that may say where their messages go."},
			{"linkCapacity", between(0, math.MaxInt32), DefaultLinkCapacity, Create, nil,
				"Credit given on each incoming link; 0 for the default."},
			{"maxMessageSize", between(0, math.MaxInt64), 0, Create | Extension, nil,
				"Largest message that clients may send, in octets; 0 for no limit. A larger one is rejected and its link " +
					"detached."},
			{"multiTenant", boolean, false, Create, nil, "Give each virtual host addresses of its own. It is the policyVhost, " +
				"or else what clients say in their open."},
			{"failoverUrls", text, nil, Create, was("failoverList"),
				"Comma-separated alternatives told to clients: [amqp|amqps|ws|wss://]host[:port]."},
			{"healthz", boolean, true, Create, nil, "Answer /healthz if http is on."},
			{"metrics", boolean, true, Create, nil, "Answer /metrics in Prometheus' text format if http is on."},
			{"websockets", boolean, true, Create, nil, "Accept AMQP over WebSocket if http is on."},
			{"http", boolean, false, Create, nil, "Serve HTTP instead of plain AMQP."},
			{"httpRootDir", file, nil, Create | Later, was("httpRoot"), "Directory of static files to serve; implies http."},
			{"messageLoggingComponents", text, "none", Create | Later, was("logMessage"),
				"Parts of messages to log, comma-separated; all or none."},
			{"policyVhost", text, nil, Create, nil, "Name of the vhost of connections here, whatever clients say; without " +
				"effect yet unless multiTenant is on."},
			{"openProperties", properties, nil, Create, nil, "Properties sent to the peer in the AMQP open."},
			{"insecure", boolean, false, Create | Extension, nil,
				"Accept that anybody who can reach this listener may use it without authentication."},
		},
	},
	{
		Name: "connector", Section: "connector", Key: "connectors", Support: Supported,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "A connection the router establishes and keeps.",
		Attributes: []Attribute{
			{"host", text, "127.0.0.1", Create, was("addr"), "Host name or IP address to connect to."},
			{"port", text, "amqp", Create, nil, "Port number or service name."},
			{"protocolFamily", family, nil, Create, was("socketAddressFamily"),
				"IP version; found out from the host if not given."},
			{"role", connRole, string(RoleNormal), Create, nil,
				"Who is at the other end. normal: an AMQP service; inter-router: an interior router; edge: the uplink " +
					"of this edge router; route-container: a broker or service."},
			{"cost", anyCost, 1, Create, nil, "Cost of the link to another router; the larger of both ends counts."},
			{"costBasis", oneOf("fixed", "rtt"), "fixed", Create | Extension, nil,
				"fixed: cost counts. rtt, at one end at least: one for each 100 µs of the measured round-trip time counts instead, " +
					"where the router at the other end can be measured."},
			{"transport", transports, string(TransportTCP), Create | Extension, nil,
				"tcp: in TLS if there is an sslProfile; quic: QUIC, to a UDP port, always in TLS 1.3 with the sslProfile."},
			{"sslProfile", text, nil, Create, nil,
				"Name of the sslProfile to use; without one the connection is not encrypted."},
			{"saslMechanisms", text, nil, Create, nil, "SASL mechanisms to use, separated by spaces; any if not given."},
			{"allowRedirect", boolean, true, Create | Later, nil, "Follow the redirection of a peer."},
			{"maxFrameSize", anyFrameSize, DefaultMaxFrameSize, Create, nil, "Largest frame accepted from the peer, in octets."},
			{"maxSessions", between(0, 32768), 32768, Create, nil,
				"Largest number of sessions on the connection; 0: the default."},
			{"maxSessionFrames", between(0, math.MaxInt32), nil, Create, nil,
				"Incoming window of a session, in transfer frames; no limit if 0 or not given."},
			{"idleTimeoutSeconds", between(0, math.MaxInt32), 16, Create, nil,
				"Seconds without a frame after which the connection is closed; 0 for never."},
			{"stripAnnotations", strip, "both", Create, nil,
				"Whether router annotations are removed from messages that come in, go out, both, or no. Those that come in and " +
					"are not removed count: only for clients that may say where their messages go."},
			{"linkCapacity", between(0, math.MaxInt32), DefaultLinkCapacity, Create, nil,
				"Credit given on each incoming link; 0 for the default."},
			{"verifyHostname", boolean, true, Create, was("verifyHostName"),
				"Refuse a peer whose certificate does not name the host."},
			{"verifyId", boolean, nil, Create | Extension, nil, "The certificate of the router at the other end has to be for " +
				"its id, see gossip. If not given, this holds where gossip has verifyId and there is an sslProfile."},
			{"saslUsername", text, nil, Create, nil, "User name to authenticate with."},
			{"saslPassword", text, nil, Create | Hidden, nil,
				"Password to authenticate with: env:NAME, file:PATH, pass:TEXT, or the text itself."},
			{"messageLoggingComponents", text, "none", Create | Later, was("logMessage"),
				"Parts of messages to log, comma-separated; all or none."},
			{"failoverUrls", text, nil, 0, was("failoverList"), "Alternatives the peer has told."},
			{"connectionStatus", text, nil, 0, nil, "CONNECTING, SUCCESS or FAILED."},
			{"connectionMsg", text, nil, 0, nil, "What happened last on the connection."},
			{"policyVhost", text, nil, Create | Later, nil, "Name of the vhost whose policy governs the connection."},
			{"openProperties", properties, nil, Create, nil, "Properties sent to the peer in the AMQP open."},
		},
	},
	{
		Name: "router.config.address", Section: "address", Key: "addresses", Support: Supported,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "How messages to the addresses with a prefix, or of a pattern, are distributed.",
		Attributes: []Attribute{
			{"prefix", text, nil, Create, nil, "Address whose subtree the settings are for: a/b is the pattern a/b/#."},
			{"pattern", text, nil, Create, nil,
				"Tokens separated by / or . where * stands for one token and # for any number of them."},
			{"distribution", distributions, string(DistributionBalanced), Create, nil,
				"closest: to the nearest consumer; balanced: to the least busy; multicast: to every consumer; " +
					"unavailable: to nobody, links are refused."},
			{"waypoint", boolean, false, Create, nil, "The address is a queue of a broker in the middle of the route: " +
				"ingressPhase 0 and egressPhase 1."},
			{"ingressPhase", phase, nil, Create, nil, "Phase of the address for senders; only together with egressPhase."},
			{"egressPhase", phase, nil, Create, nil, "Phase of the address for receivers; only together with ingressPhase."},
			{"priority", phase, nil, Create, nil, "Priority of messages to the address, whatever their header says."},
			{"enableFallback", boolean, false, Create, nil,
				"Give messages without a consumer to a fallback destination; not together with waypoint or phases."},
			{"presettled", oneOf(string(PresettledDropNewest), string(PresettledDropOldest), string(PresettledBlock)),
				string(PresettledDropNewest), Create | Extension, nil,
				"What happens to pre-settled messages for which a consumer is too slow. drop-newest, drop-oldest: they " +
					"are dropped and counted; block: their senders are held back."},
			{"redundant", between(1, 2), 1, Create | Extension, nil,
				"2: an unsettled message for a consumer behind other routers goes over two disjoint paths, where there are " +
					"such, and is delivered once; not together with distribution multicast."},
		},
	},
	{
		Name: "router.config.exchange", Section: "exchange", Key: "exchanges", Support: Supported,
		Operations: []string{"CREATE", "DELETE"},
		Doc: "A topic exchange: it forwards each message sent to its address to the next hops of all bindings whose key " +
			"matches the message's subject. See docs/exchanges.md.",
		Attributes: []Attribute{
			{"address", text, nil, Create | Required, nil, "Address publishers send to."},
			{"phase", phase, nil, Create, nil, "Phase of the address; 0 if not given."},
			{"alternateAddress", text, nil, Create, nil,
				"Address of messages that no binding brings to a consumer; without one they are released."},
			{"alternatePhase", phase, nil, Create, nil, "Phase of the alternate address; 0 if not given."},
			{"matchMethod", oneOf("amqp", "mqtt"), "amqp", Create, nil,
				"How keys are written. amqp: tokens separated by . where * stands for one token and # for any number of " +
					"them; mqtt: tokens separated by / where + stands for one token and # at the end for any number of them."},
			{"bindingCount", integer, nil, 0, nil, "Bindings of the exchange."},
			{"receivedCount", integer, nil, 0, nil, "Deliveries received."},
			{"droppedCount", integer, nil, 0, nil, "Deliveries that nobody could be given."},
			{"forwardedCount", integer, nil, 0, nil, "Deliveries forwarded, to next hops or to the alternate address."},
			{"divertedCount", integer, nil, 0, nil, "Deliveries forwarded to the alternate address."},
		},
	},
	{
		Name: "router.config.binding", Section: "binding", Key: "bindings", Support: Supported,
		Operations: []string{"CREATE", "DELETE"},
		Doc:        "Where an exchange forwards the messages to whose subject matches a key.",
		Attributes: []Attribute{
			{"exchangeName", text, nil, Create | Required, nil, "Name of the exchange."},
			{"bindingKey", text, "#", Create, nil,
				"Key the subject has to match, written as the exchange's matchMethod says; # matches every subject."},
			{"nextHopAddress", text, nil, Create | Required, nil, "Address to forward to."},
			{"nextHopPhase", phase, nil, Create, nil, "Phase of that address; 0 if not given."},
			{"matchedCount", integer, nil, 0, nil, "Deliveries whose subject matched."},
		},
	},
	{
		Name: "log", Section: "log", Key: "logs", Support: Supported, Operations: []string{"UPDATE"},
		Doc: "What a module logs and where.",
		Attributes: []Attribute{
			{"module", oneOf("ROUTER", "ROUTER_CORE", "ROUTER_HELLO", "ROUTER_LS", "ROUTER_MA", "MESSAGE", "SERVER", "AGENT",
				"AUTHSERVICE", "CONTAINER", "ERROR", "POLICY", "HTTP", "CONN_MGR", "PYTHON", "PROTOCOL", ModuleDefault), nil,
				Create | Required, nil, "Module; DEFAULT stands for what the others do not say."},
			{"enable", text, nil, Create | Update, nil, "Levels of trace debug info notice warning error critical, " +
				"separated by commas, each with a + for all above it; none for silence, default for that of DEFAULT."},
			{"includeTimestamp", boolean, nil, Create | Update, was("timestamp"), "Begin lines with the time."},
			{"includeSource", boolean, nil, Create | Update, was("source"), "End lines with source file and line."},
			{"outputFile", text, nil, Create | Update, was("output"), "stderr, stdout, syslog or the name of a file."},
		},
	},
}
