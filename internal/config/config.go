package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Mode is the part a router plays in a mesh.
type Mode string

// Modes of a router.
const (
	ModeStandalone Mode = "standalone" // no other routers
	ModeInterior   Mode = "interior"   // full member of the mesh
	ModeEdge       Mode = "edge"       // leaf with an uplink
)

// Role is the kind of peer at the other end of a listener's or connector's connections.
type Role string

// Roles of connections.
const (
	RoleNormal         Role = "normal"          // client or service
	RoleInterRouter    Role = "inter-router"    // interior router
	RoleRouteContainer Role = "route-container" // broker or service that links are routed to
	RoleEdge           Role = "edge"            // edge router at a listener, its interior router at a connector
)

// Distribution says which consumers of an address get a message.
type Distribution string

// Distributions of addresses.
const (
	DistributionMulticast   Distribution = "multicast"   // all of them
	DistributionClosest     Distribution = "closest"     // the one with the cheapest path
	DistributionBalanced    Distribution = "balanced"    // the least busy one
	DistributionUnavailable Distribution = "unavailable" // none; links are refused
)

// Presettled says what happens to pre-settled messages for which a consumer is too slow.
type Presettled string

// Policies for pre-settled messages.
const (
	PresettledDropNewest Presettled = "drop-newest" // the message that finds the queue full
	PresettledDropOldest Presettled = "drop-oldest" // the one that waits longest
	PresettledBlock      Presettled = "block"       // none: the sender is held back
)

// ModuleDefault is the log module whose settings hold for what the other modules do not say.
const ModuleDefault = "DEFAULT"

// DefaultLinkCapacity is the credit given on an incoming link when linkCapacity is not set or 0.
const DefaultLinkCapacity = 250

// Format is the language a configuration file is written in.
type Format uint8

// Formats of configuration files.
const (
	FormatYAML Format = iota // Postroad's own
	FormatConf               // qdrouterd.conf: sections of key: value
	FormatJSON               // Interconnect's JSON: [["section", {…}], …]
)

// String returns the name of the format.
func (f Format) String() string {
	switch f {
	case FormatConf:
		return "qdrouterd.conf"
	case FormatJSON:
		return "qdrouterd JSON"
	default:
		return "YAML"
	}
}

// Config is the configuration of one router, checked and with all defaults filled in. Fields are named after their
// attributes; an attribute without a default that was not given is the zero value, or nil where zero means something.
type Config struct {
	Format      Format // of the file it was read from
	Router      Router
	Mesh        Mesh
	Gossip      *Gossip // nil: neighbors are configured
	Listeners   []Listener
	Connectors  []Connector
	SSLProfiles []SSLProfile
	Addresses   []Address
	Exchanges   []Exchange
	Bindings    []Binding
	Logs        []Log

	// Unsupported holds the sections that were accepted although this version ignores them.
	Unsupported []Entity
}

// Router is the configured part of the entity router.
type Router struct {
	Position
	GeneratedID bool // ID was made up because none was given

	Name                    string       `config:"name"`
	ID                      string       `config:"id"`
	Mode                    Mode         `config:"mode"`
	HelloIntervalSeconds    int          `config:"helloIntervalSeconds"`
	HelloMaxAgeSeconds      int          `config:"helloMaxAgeSeconds"`
	RAIntervalSeconds       int          `config:"raIntervalSeconds"`
	RAIntervalFluxSeconds   int          `config:"raIntervalFluxSeconds"`
	RemoteLSMaxAgeSeconds   int          `config:"remoteLsMaxAgeSeconds"`
	WorkerThreads           int          `config:"workerThreads"`
	DebugDumpFile           string       `config:"debugDumpFile"`
	SASLConfigDir           string       `config:"saslConfigDir"`
	SASLConfigName          string       `config:"saslConfigName"`
	UsersFile               string       `config:"usersFile"`
	AllowResumableLinkRoute bool         `config:"allowResumableLinkRoute"`
	TimestampsInUTC         bool         `config:"timestampsInUTC"`
	TimestampFormat         string       `config:"timestampFormat"`
	AllowUnsettledMulticast bool         `config:"allowUnsettledMulticast"`
	DefaultDistribution     Distribution `config:"defaultDistribution"`
	FastHelloMilliseconds   int          `config:"fastHelloMilliseconds"`
	RerouteHoldMilliseconds int          `config:"rerouteHoldMilliseconds"`
	DrainTimeoutSeconds     int          `config:"drainTimeoutSeconds"`
	Managers                string       `config:"managers"`
	Metadata                string       `config:"metadata"`
}

// Mesh is the mesh the router belongs to.
type Mesh struct {
	Position
	Name   string         `config:"name"`
	Site   string         `config:"site"`
	Gossip map[string]any `config:"gossip"`
}

// Gossip is the value of Gossip in [Mesh].
type Gossip struct {
	Position
	Bind        string    `config:"bind"` // host:port
	Join        []string  `config:"join"` // see ParseEndpoint
	KeyFile     string    `config:"keyFile"`
	SSLProfile  string    `config:"sslProfile"` // "" for plain TCP
	Transport   Transport `config:"transport"`  // what is preferred
	VerifyID    bool      `config:"verifyId"`
	Advertise   []string  `config:"advertise"` // see ParseEndpoint
	AllowIDs    []string  `config:"allowIds"`  // as of path.Match
	AllowSites  []string  `config:"allowSites"`
	Timing      string    `config:"timing"` // lan, wan
	Shape       string    `config:"shape"`  // as of planner.ParseShape
	Degree      int       `config:"degree"`
	Redundant   int       `config:"redundant"`
	Shortcuts   int       `config:"shortcuts"`
	Cost        string    `config:"cost"` // as of planner.ParseCostBasis
	CostWithin  int       `config:"costWithin"`
	CostBetween int       `config:"costBetween"`
}

// SSLProfile is the configured part of the entity sslProfile.
type SSLProfile struct {
	Position
	Name               string `config:"name"`
	Ciphers            string `config:"ciphers"`
	Protocols          string `config:"protocols"`
	CACertFile         string `config:"caCertFile"`
	CertFile           string `config:"certFile"`
	PrivateKeyFile     string `config:"privateKeyFile"`
	PasswordFile       string `config:"passwordFile"`
	Password           string `config:"password"` // as written: see Secret
	UIDFormat          string `config:"uidFormat"`
	UIDNameMappingFile string `config:"uidNameMappingFile"`
}

// Listener is the configured part of the entity listener.
type Listener struct {
	Position
	Name                           string         `config:"name"`
	Host                           string         `config:"host"` // "" for all local addresses
	Port                           string         `config:"port"` // see PortNumber
	SocketAddressFamily            string         `config:"socketAddressFamily"`
	Role                           Role           `config:"role"`
	Cost                           int            `config:"cost"`
	CostBasis                      string         `config:"costBasis"` // fixed, rtt
	Transport                      Transport      `config:"transport"`
	SSLProfile                     string         `config:"sslProfile"`
	SASLMechanisms                 string         `config:"saslMechanisms"`
	AuthenticatePeer               bool           `config:"authenticatePeer"`
	SASLPlugin                     string         `config:"saslPlugin"`
	VerifyID                       *bool          `config:"verifyId"` // nil: as gossip
	RequireEncryption              bool           `config:"requireEncryption"`
	RequireSSL                     bool           `config:"requireSsl"`
	TrustedCertsFile               string         `config:"trustedCertsFile"`
	MaxFrameSize                   int            `config:"maxFrameSize"`
	MaxSessions                    int            `config:"maxSessions"` // 1 to 32768
	MaxSessionFrames               int            `config:"maxSessionFrames"`
	IdleTimeoutSeconds             int            `config:"idleTimeoutSeconds"`
	InitialHandshakeTimeoutSeconds int            `config:"initialHandshakeTimeoutSeconds"`
	StripAnnotations               string         `config:"stripAnnotations"` // in, out, both, no
	LinkCapacity                   int            `config:"linkCapacity"`
	MaxMessageSize                 int            `config:"maxMessageSize"` // 0: no limit
	MultiTenant                    bool           `config:"multiTenant"`
	FailoverURLs                   string         `config:"failoverUrls"`
	Healthz                        bool           `config:"healthz"`
	Metrics                        bool           `config:"metrics"`
	WebSockets                     bool           `config:"websockets"`
	HTTP                           bool           `config:"http"`
	HTTPRootDir                    string         `config:"httpRootDir"`
	MessageLoggingComponents       string         `config:"messageLoggingComponents"`
	PolicyVhost                    string         `config:"policyVhost"`
	OpenProperties                 map[string]any `config:"openProperties"`
	Insecure                       bool           `config:"insecure"`
}

// Connector is the configured part of the entity connector.
type Connector struct {
	Position
	Name                     string         `config:"name"`
	Host                     string         `config:"host"`
	Port                     string         `config:"port"` // see PortNumber
	ProtocolFamily           string         `config:"protocolFamily"`
	Role                     Role           `config:"role"`
	Cost                     int            `config:"cost"`
	CostBasis                string         `config:"costBasis"` // fixed, rtt
	Transport                Transport      `config:"transport"`
	SSLProfile               string         `config:"sslProfile"`
	SASLMechanisms           string         `config:"saslMechanisms"`
	AllowRedirect            bool           `config:"allowRedirect"`
	MaxFrameSize             int            `config:"maxFrameSize"`
	MaxSessions              int            `config:"maxSessions"` // 1 to 32768
	MaxSessionFrames         int            `config:"maxSessionFrames"`
	IdleTimeoutSeconds       int            `config:"idleTimeoutSeconds"`
	StripAnnotations         string         `config:"stripAnnotations"` // in, out, both, no
	LinkCapacity             int            `config:"linkCapacity"`
	VerifyHostname           bool           `config:"verifyHostname"`
	VerifyID                 *bool          `config:"verifyId"` // nil: as gossip
	SASLUsername             string         `config:"saslUsername"`
	SASLPassword             string         `config:"saslPassword"` // as written: see Secret
	MessageLoggingComponents string         `config:"messageLoggingComponents"`
	PolicyVhost              string         `config:"policyVhost"`
	OpenProperties           map[string]any `config:"openProperties"`
}

// Address is the configured part of the entity router.config.address. Exactly one of Prefix and Pattern is set.
type Address struct {
	Position
	Name           string       `config:"name"`
	Prefix         string       `config:"prefix"`
	Pattern        string       `config:"pattern"`
	Distribution   Distribution `config:"distribution"`
	Waypoint       bool         `config:"waypoint"`
	IngressPhase   *int         `config:"ingressPhase"` // nil: follows Waypoint
	EgressPhase    *int         `config:"egressPhase"`  // nil: follows Waypoint
	Priority       *int         `config:"priority"`     // nil: that of the message's header
	EnableFallback bool         `config:"enableFallback"`
	Presettled     Presettled   `config:"presettled"`
	Redundant      int          `config:"redundant"`
}

// Exchange is the configured part of the entity router.config.exchange.
type Exchange struct {
	Position
	Name             string `config:"name"` // unique, never ""
	Address          string `config:"address"`
	Phase            int    `config:"phase"`
	AlternateAddress string `config:"alternateAddress"` // "" for none
	AlternatePhase   int    `config:"alternatePhase"`
	MatchMethod      string `config:"matchMethod"` // amqp or mqtt
}

// Binding is the configured part of the entity router.config.binding.
type Binding struct {
	Position
	Name           string `config:"name"`
	ExchangeName   string `config:"exchangeName"` // that of an exchange
	BindingKey     string `config:"bindingKey"`   // valid for the exchange's match method
	NextHopAddress string `config:"nextHopAddress"`
	NextHopPhase   int    `config:"nextHopPhase"`
}

// Log is the configuration of one log module.
type Log struct {
	Position
	Name             string `config:"name"`
	Module           string `config:"module"`
	Enable           string `config:"enable"`           // levels, see logging.ParseEnable; "" as DEFAULT
	IncludeTimestamp *bool  `config:"includeTimestamp"` // nil as DEFAULT
	IncludeSource    *bool  `config:"includeSource"`    // nil as DEFAULT
	OutputFile       string `config:"outputFile"`       // "" as DEFAULT
}

// Profile finds an sslProfile by its name.
func (c *Config) Profile(name string) (SSLProfile, bool) {
	i := slices.IndexFunc(c.SSLProfiles, func(p SSLProfile) bool { return p.Name == name })
	if i < 0 {
		return SSLProfile{}, false
	}
	return c.SSLProfiles[i], true
}

// Address returns host:port as net.Listen wants it, the port as a number.
func (l *Listener) Address() string { return hostPort(l.Host, l.Port) }

// Address returns host:port as net.Dial wants it, the port as a number.
func (c *Connector) Address() string { return hostPort(c.Host, c.Port) }

// Reachable reports whether other machines can reach the listener: its host is not a loopback address.
func (l *Listener) Reachable() bool {
	host := strings.Trim(l.Host, "[]")
	if strings.EqualFold(host, "localhost") {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback()
}

// Mechanisms returns the SASL mechanisms of the listener in order, nil for all.
func (l *Listener) Mechanisms() []string { return strings.Fields(l.SASLMechanisms) }

// Mechanisms returns the SASL mechanisms of the connector in order, nil for any.
func (c *Connector) Mechanisms() []string { return strings.Fields(c.SASLMechanisms) }

// Authenticated reports whether nobody can use the listener without having authenticated: either SASL other than
// ANONYMOUS is required, or TLS with a client certificate is.
func (l *Listener) Authenticated(c *Config) bool {
	if l.AuthenticatePeer {
		return true
	}
	profile, _ := c.Profile(l.SSLProfile)
	return l.RequireSSL && profile.CACertFile != "" && slices.Contains(l.Mechanisms(), "EXTERNAL")
}

// hostPort joins host and port as package net wants them.
func hostPort(host, port string) string {
	if n, ok := PortNumber(port); ok {
		port = strconv.Itoa(n)
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// PortNumber returns the number of a port given as a number or as the name of a service: amqp, amqps, or any the
// system knows.
func PortNumber(port string) (int, bool) {
	switch port {
	case "amqp":
		return 5672, true
	case "amqps":
		return 5671, true
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		return int(n), true
	}
	if port == "" || strings.ContainsAny(port, "+-0123456789") {
		return 0, false
	}
	n, err := net.LookupPort("tcp", port)
	return n, err == nil
}
