package config

import (
	"slices"
	"strings"
)

// Transport is what the connections of a listener or connector are carried by.
type Transport string

// Transports.
const (
	TransportTCP  Transport = "tcp"  // in TLS if there is an sslProfile
	TransportQUIC Transport = "quic" // always in TLS
)

// transport checks what listeners and connectors need for QUIC.
func (b *builder) transport(r *record, profiles map[string]*record) {
	if !r.is("transport", string(TransportQUIC)) {
		return
	}
	kind := r.entityType.Section
	b.quicTLS(r, profiles[r.text("sslProfile")])
	if kind != "listener" {
		return
	}
	if r.has("requireSsl") && !r.flag("requireSsl") {
		b.problems.warnf(r.where("requireSsl"), "leave it out", "requireSsl: false has no effect with transport quic")
	}
	if r.text("sslProfile") != "" {
		r.attributes["requireSsl"] = true
	}
	if r.flag("http") || r.text("httpRootDir") != "" {
		b.problems.errorf(r.where("transport"), "leave transport out", "a listener with http is on TCP")
	}
}

// quicTLS checks that an entity with transport quic can have TLS 1.3.
func (b *builder) quicTLS(r, profile *record) {
	kind := r.entityType.Section
	if kind == "" {
		kind = r.entityType.Name
	}
	switch {
	case profile != nil:
		versions := strings.Fields(profile.text("protocols"))
		if len(versions) > 0 && !slices.Contains(versions, "TLSv1.3") {
			b.problems.errorf(r.where("transport"), "name TLSv1.3 in its protocols",
				"transport quic needs TLS 1.3, which sslProfile %s leaves out", profile.text("name"))
		}
	case r.text("sslProfile") == "": // that one does not exist is said elsewhere
		b.problems.errorf(r.where("transport"), "give the "+kind+" an sslProfile", "transport quic needs TLS")
	}
}

// verifyID checks that there are certificates where they have to be for the ids of routers.
func (b *builder) verifyID(r *record, profiles map[string]*record) {
	if !r.flag("verifyId") {
		return
	}
	kind, profile := r.entityType.Section, profiles[r.text("sslProfile")]
	switch {
	case !r.is("role", string(RoleInterRouter)):
		b.problems.errorf(r.where("verifyId"), "leave it out", "verifyId on a %s that is not for routers", kind)
	case r.text("sslProfile") == "" || profile != nil && kind == "listener" && profile.text("caCertFile") == "":
		b.problems.errorf(r.where("verifyId"), "give the "+kind+" an sslProfile with a caCertFile",
			"verifyId without certificates of other routers")
	case kind == "listener" && len(r.mechanisms()) > 0 && !slices.Contains(r.mechanisms(), "EXTERNAL"):
		b.problems.errorf(r.where("verifyId"), "name EXTERNAL in saslMechanisms, so that the listener asks for certificates",
			"verifyId on a listener that does not ask for certificates")
	}
}
