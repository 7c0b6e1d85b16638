package config

import (
	"slices"
	"strings"
)

// listener checks what only listeners have, above all who may use them.
func (b *builder) listener(l *record, profiles map[string]*record) {
	if l.text("httpRootDir") != "" {
		l.attributes["http"] = true // as Interconnect
	}
	profile := profiles[l.text("sslProfile")]
	if b.format == FormatYAML && profile != nil {
		if !l.has("requireSsl") {
			l.attributes["requireSsl"] = true
		}
		if !l.has("authenticatePeer") {
			l.attributes["authenticatePeer"] = profile.text("caCertFile") != ""
		}
	}
	if l.flag("requireSsl") && l.text("sslProfile") == "" {
		b.tolerate(l.where("requireSsl"), "give the listener an sslProfile",
			"requireSsl without an sslProfile refuses everybody")
	}
	if l.flag("authenticatePeer") && slices.Equal(l.mechanisms(), []string{"ANONYMOUS"}) {
		b.tolerate(l.where("authenticatePeer"), "name another of the saslMechanisms, or none",
			"authenticatePeer with saslMechanisms ANONYMOUS refuses everybody")
	}
	if err := checkFailoverURLs(l.text("failoverUrls")); err != "" {
		b.tolerate(l.where("failoverUrls"), "[amqp|amqps|ws|wss://]host[:port], comma-separated", "failoverUrls: %s", err)
	}
	if l.flag("http") {
		b.web(l)
	}
	b.tenants(l)
	b.exposure(l, profile)
}

// web warns of what a listener with http does not do.
func (b *builder) web(l *record) {
	if l.flag("websockets") && (l.has("websockets") || b.format != FormatYAML) {
		b.problems.warnf(l.where("websockets"), "",
			"AMQP over WebSocket is not supported yet: this listener answers /metrics and /healthz only")
	}
	if l.flag("authenticatePeer") && l.has("authenticatePeer") {
		b.problems.warnf(l.where("authenticatePeer"), "ask for certificates with the sslProfile's caCertFile",
			"authenticatePeer has no effect on HTTP requests yet")
	}
}

// tenants checks what decides about the address space of a listener's clients.
func (b *builder) tenants(l *record) {
	vhost, on := l.text("policyVhost"), l.flag("multiTenant")
	switch {
	case on && !l.is("role", string(RoleNormal), string(RoleRouteContainer)):
		b.tolerate(l.where("multiTenant"), "", "multiTenant on a listener for routers")
	case on && (strings.Contains(vhost, "/") || strings.HasPrefix(vhost, "_")):
		b.problems.errorf(l.where("policyVhost"), "a name without / that does not begin with _",
			"%.40q cannot be the vhost of a multiTenant listener", vhost)
	case !on && vhost != "":
		b.problems.warnf(l.where("policyVhost"), "", "policies of vhosts are not supported yet: without multiTenant, "+
			"policyVhost has no effect")
	}
}

// exposure looks at a listener as an attacker would.
func (b *builder) exposure(l, profile *record) {
	at := Listener{Host: l.text("host")}
	if !at.Reachable() || l.has("sslProfile") && profile == nil {
		return
	}
	host := at.Host
	if host == "" {
		host = "every address of this machine"
	}
	hasCA := profile != nil && profile.text("caCertFile") != ""
	mutualTLS := l.flag("requireSsl") && hasCA && slices.Contains(l.mechanisms(), "EXTERNAL")
	if !l.flag("authenticatePeer") && !mutualTLS {
		if l.flag("insecure") {
			return
		}
		what := "send and receive any message"
		switch Role(l.text("role")) {
		case RoleInterRouter, RoleEdge:
			what = "join the mesh as a router"
		case RoleRouteContainer:
			what = "pose as a broker"
		}
		if b.format == FormatYAML {
			b.problems.errorf(l.where("host"), "set authenticatePeer: true with an sslProfile or users, listen on 127.0.0.1, "+
				"or say insecure: true", "a listener on %s without authentication: anybody who can reach it may %s", host, what)
			return
		}
		b.problems.warnf(l.where("host"), "set authenticatePeer: yes",
			"a listener on %s without authentication: anybody who can reach it may %s", host, what)
		l.attributes["insecure"] = true
		return
	}
	if passwords := len(l.mechanisms()) == 0 || slices.Contains(l.mechanisms(), "PLAIN"); passwords &&
		!l.flag("requireSsl") && !l.flag("requireEncryption") && !(hasCA && len(l.mechanisms()) == 0) {
		b.problems.warnf(l.where("host"), "set requireSsl", "clients of this listener may send passwords without encryption")
	}
}

// credentials warns of listeners that ask for authentication when the router has nothing to check it with.
func (b *builder) credentials(router *record) {
	if router.text("usersFile") != "" {
		return
	}
	profiles := map[string]*record{}
	for _, p := range b.ofType("sslProfile") {
		profiles[p.text("name")] = p
	}
	for _, l := range b.ofType("listener") {
		profile := profiles[l.text("sslProfile")]
		certificates := profile != nil && profile.text("caCertFile") != "" &&
			(len(l.mechanisms()) == 0 || slices.Contains(l.mechanisms(), "EXTERNAL"))
		if l.flag("authenticatePeer") && !certificates {
			b.problems.warnf(l.where("authenticatePeer"),
				"give the router a usersFile, or the listener an sslProfile with a caCertFile",
				"nobody can authenticate at this listener")
		}
	}
}

// checkFailoverURLs returns what is wrong with a list of failover URLs, or "".
func checkFailoverURLs(urls string) string {
	if urls == "" {
		return ""
	}
	for item := range strings.SplitSeq(urls, ",") {
		item = strings.Join(strings.Fields(item), "")
		scheme, host, found := strings.Cut(item, "://")
		if !found {
			scheme, host = "amqp", item
		}
		if !slices.Contains([]string{"amqp", "amqps", "ws", "wss"}, scheme) {
			return "unknown scheme " + scheme
		}
		if name, _, _ := strings.Cut(host, ":"); name == "" {
			return "an entry without a host"
		}
	}
	return ""
}
