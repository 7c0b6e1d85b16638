package management

import (
	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/internal/config"
)

// Connection is the row of the entity connection: one AMQP connection, of a client, a broker or a router.
type Connection struct {
	ID        uint64 // unique in this run of the router, as in log lines [C<id>]
	Host      string // the peer's address and port
	Role      string // normal, inter-router, route-container or edge
	Outgoing  bool   // this router opened it
	Container string // the peer's container-id; empty = null (not open yet)
	Closing   bool   // it is being closed by this router
	Opened    bool   // the peer's open has arrived

	SASL          string // mechanism; empty = null
	Authenticated bool
	User          string // authenticated user id; empty = null
	Encrypted     bool
	TLS           bool
	TLSProtocol   string // such as TLSv1.3; empty = null
	TLSCipher     string // empty = null
	TLSStrength   int64  // bits of the cipher's key
	Tenant        string // vhost under multi-tenancy; empty = null

	// Properties is the properties map of the peer's open [2.7.1], nil for none.
	Properties wire.Raw

	UptimeSeconds        uint32
	HasDelivery          bool   // at least one delivery crossed the connection
	SinceDeliverySeconds uint32 // since the last delivery, when HasDelivery
	Standby              bool   // an edge uplink that is not the one in use
	ProtocolTrace        bool   // frames of this connection are logged
}

// connectionColumns lists the attributes of connection, in the order and with the types of Interconnect's
// src/router_core/agent_connection.c.
var connectionColumns = []column[Connection]{
	text("name", func(c *Connection) string { return "connection/" + c.Host }),
	text("identity", func(c *Connection) string { return decimal(c.ID) }),
	text("host", func(c *Connection) string { return c.Host }),
	text("role", func(c *Connection) string { return c.Role }),
	text("protocol", func(*Connection) string { return "amqp" }),
	text("dir", func(c *Connection) string {
		return direction(c.Outgoing)
	}),
	text("container", func(c *Connection) string { return c.Container }),
	text("sasl", func(c *Connection) string { return c.SASL }),
	boolean("isAuthenticated", func(c *Connection) bool { return c.Authenticated }),
	text("user", func(c *Connection) string { return c.User }),
	boolean("isEncrypted", func(c *Connection) bool { return c.Encrypted }),
	text("sslProto", func(c *Connection) string { return c.TLSProtocol }),
	text("sslCipher", func(c *Connection) string { return c.TLSCipher }),
	{"properties", func(dst []byte, c *Connection) []byte { return appendProperties(dst, c.Properties) }},
	long("sslSsf", func(c *Connection) int64 { return c.TLSStrength }),
	text("tenant", func(c *Connection) string { return c.Tenant }),
	text("type", func(*Connection) string { return config.TypePrefix + typeConnection }),
	boolean("ssl", func(c *Connection) bool { return c.TLS }),
	boolean("opened", func(c *Connection) bool { return c.Opened }),
	boolean("active", func(c *Connection) bool { return !c.Standby }),
	text("adminStatus", func(c *Connection) string {
		if c.Closing {
			return "deleted"
		}
		return "enabled"
	}),
	text("operStatus", func(c *Connection) string {
		if c.Closing {
			return "closing"
		}
		return "up"
	}),
	unsigned("uptimeSeconds", func(c *Connection) uint32 { return c.UptimeSeconds }),
	optional(unsigned("lastDlvSeconds", func(c *Connection) uint32 { return c.SinceDeliverySeconds }),
		func(c *Connection) bool { return c.HasDelivery }),
	boolean("enableProtocolTrace", func(c *Connection) bool { return c.ProtocolTrace }),
}

// direction names a direction as seen from this router.
func direction(outgoing bool) string {
	if outgoing {
		return "out"
	}
	return "in"
}
