package config

import "testing"

// TestAPortMayCarryTCPAndQUIC: two listeners with the same port are one in TLS and one in QUIC, which is in TLS as well
// and shown as such; what refuses peers without TLS need not be said.
func TestAPortMayCarryTCPAndQUIC(t *testing.T) {
	t.Parallel()
	for _, file := range []struct{ name, text string }{
		{"router.yaml", `
router: {id: a, mode: interior}
sslProfiles: [{name: mesh, caCertFile: ca.pem, certFile: a.pem, privateKeyFile: a.key}]
listeners:
  - {name: tls, host: 0.0.0.0, port: 5671, role: inter-router, sslProfile: mesh}
  - {name: quic, host: 0.0.0.0, port: 5671, role: inter-router, sslProfile: mesh, transport: quic}
connectors: [{name: hub, host: hub, port: 5671, role: inter-router, sslProfile: mesh, transport: quic}]
`},
		{"qdrouterd.conf", `
router {
    id: a
    mode: interior
}
sslProfile {
    name: mesh
    caCertFile: ca.pem
    certFile: a.pem
    privateKeyFile: a.key
}
listener {
    name: tls
    port: 5671
    role: inter-router
    authenticatePeer: yes
    requireSsl: yes
    saslMechanisms: EXTERNAL
    sslProfile: mesh
}
listener {
    name: quic
    port: 5671
    role: inter-router
    authenticatePeer: yes
    saslMechanisms: EXTERNAL
    sslProfile: mesh
    transport: quic
}
connector {
    name: hub
    host: hub
    port: 5671
    role: inter-router
    sslProfile: mesh
    transport: quic
}
`},
	} {
		c, problems := Parse(file.name, []byte(file.text))
		if c == nil || len(problems) > 0 {
			t.Errorf("%s: %v", file.name, problems)
			continue
		}
		tls, quic := c.Listeners[0], c.Listeners[1]
		if tls.Transport != TransportTCP || quic.Transport != TransportQUIC || !tls.RequireSSL || !quic.RequireSSL ||
			c.Connectors[0].Transport != TransportQUIC {
			t.Errorf("%s: %+v %+v %+v", file.name, tls, quic, c.Connectors)
		}
	}
}
