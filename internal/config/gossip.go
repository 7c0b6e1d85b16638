package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Ways to an endpoint in the attributes of gossip.
const (
	WayAMQPS   = "amqps"   // an inter-router listener with TLS, which carries gossip as well
	WayQUIC    = "quic"    // one with QUIC, which does too
	WayAMQP    = "amqp"    // one without TLS, which does not
	WayGossips = "gossips" // gossip alone, with TLS
	WayGossip  = "gossip"  // gossip alone, without
)

// Endpoint is where a router accepts connections of other routers.
type Endpoint struct {
	Transport string // "" if it was not said
	Host      string
	Port      int
}

// ParseEndpoint reads [transport://]host:port.
func ParseEndpoint(text string) (Endpoint, error) {
	var e Endpoint
	address := text
	if transport, rest, ok := strings.Cut(text, "://"); ok {
		e.Transport, address = transport, rest
		known := []string{WayAMQPS, WayQUIC, WayAMQP, WayGossips, WayGossip}
		if !slices.Contains(known, transport) {
			return e, fmt.Errorf("transport %.20q is not one of %s", transport, strings.Join(known, ", "))
		}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(host, " /") {
		return e, fmt.Errorf("%.80q is not host:port", address)
	}
	e.Host = host
	if e.Port, err = strconv.Atoi(port); err != nil || e.Port < 1 || e.Port > 65535 {
		return e, fmt.Errorf("port %.20q is not a number from 1 to 65535", port)
	}
	return e, nil
}

// Bounds of names that gossip carries, in octets.
const (
	maxMeshName = 64
	maxSiteName = 63
)

// gossip checks the value of mesh.gossip, together with the mesh, the router and the listeners.
func (b *builder) gossip(router *record, profiles map[string]*record) {
	i := slices.IndexFunc(b.nested, func(r *record) bool { return r.entityType.Name == "gossip" })
	if i < 0 {
		return
	}
	g, mesh := b.nested[i], b.ofType("mesh")[0]
	if mesh.text("name") == "" {
		b.problems.errorf(g.at, "name: the same at all routers of the mesh", "gossip without a name of the mesh")
	}
	for attribute, most := range map[string]int{"name": maxMeshName, "site": maxSiteName} {
		name := mesh.text(attribute)
		if len(name) > most || attribute == "name" && strings.ContainsAny(name, " \t\r\n") {
			b.problems.errorf(mesh.where(attribute), fmt.Sprintf("at most %d octets, a name of a mesh without spaces", most),
				"%s cannot be %.80q", attribute, name)
		}
	}
	if Mode(router.text("mode")) != ModeInterior {
		b.problems.errorf(g.at, "mode: interior", "gossip on a router of mode %s", router.text("mode"))
	}
	if id := router.text("id"); strings.Contains(id, "/") {
		b.problems.errorf(router.where("id"), "a name without /", "id %.80q cannot be used with gossip", id)
	}
	for _, attribute := range []string{"join", "advertise", "allowIds", "allowSites"} {
		b.texts(g, attribute, func(text string) error {
			if strings.HasPrefix(attribute, "allow") {
				_, err := path.Match(text, "")
				return err
			}
			_, err := ParseEndpoint(text)
			return err
		})
	}
	if n := len(g.list("advertise")); n > 8 {
		b.problems.errorf(g.where("advertise"), "at most 8", "advertise has %d endpoints", n)
	}
	b.gossipBind(g)
	b.gossipTLS(g, profiles)
}

// texts checks the items of a list of texts.
func (b *builder) texts(r *record, attribute string, check func(text string) error) {
	for _, item := range r.list(attribute) {
		text, ok := item.(string)
		err := errors.New("it is not a text")
		if ok {
			err = check(text)
		}
		if err != nil {
			b.problems.errorf(r.where(attribute), "", "%s has %.80q: %v", attribute, fmt.Sprint(item), err)
		}
	}
}

// list returns the value of an attribute of kind list, nil if it is not set.
func (r *record) list(attribute string) []any {
	list, _ := r.attributes[attribute].([]any)
	return list
}

// gossipBind checks where gossip listens.
func (b *builder) gossipBind(g *record) {
	if !g.has("bind") {
		return
	}
	host, port, err := net.SplitHostPort(g.text("bind"))
	n, ok := PortNumber(port)
	if err != nil || !ok || strings.ContainsAny(host, " /") {
		b.problems.errorf(g.where("bind"), "host:port, such as 0.0.0.0:7946", "bind is %.80q", g.text("bind"))
		return
	}
	for _, l := range b.ofType("listener") {
		if other, _ := PortNumber(l.text("port")); other == n && n != 0 && l.text("host") == host &&
			!l.is("transport", string(TransportQUIC)) {
			b.problems.errorf(g.where("bind"), "leave bind out to share the port of a listener that has an sslProfile",
				"the listener of line %d is at %s", l.at.Line, g.text("bind"))
		}
	}
}

// gossipTLS finds the sslProfile, and refuses gossip that anybody could read and join.
func (b *builder) gossipTLS(g *record, profiles map[string]*record) {
	if !g.has("sslProfile") {
		for _, l := range b.ofType("listener") {
			if l.is("role", string(RoleInterRouter)) && profiles[l.text("sslProfile")] != nil {
				g.attributes["sslProfile"] = l.text("sslProfile")
				break
			}
		}
	}
	name := g.text("sslProfile")
	profile := profiles[name]
	if name != "" && profile == nil {
		b.problems.errorf(g.where("sslProfile"), "the name of one of the sslProfiles", "there is no sslProfile %q", name)
		return
	}
	local := g.text("bind") == "" || loopback(g.text("bind"))
	for _, item := range g.list("join") {
		text, _ := item.(string)
		e, err := ParseEndpoint(text)
		if err != nil {
			continue
		}
		local = local && loopback(net.JoinHostPort(e.Host, strconv.Itoa(e.Port)))
		switch {
		case e.Transport == WayAMQP:
			b.problems.errorf(g.where("join"), "amqps://, quic:// or gossips:// with TLS, gossip:// without",
				"join has %s: a port for AMQP without TLS carries no gossip", text)
		case e.Transport == WayGossip && profile != nil:
			b.problems.errorf(g.where("join"), "leave gossip:// out", "join has %s: gossip of this router is in TLS", text)
		case profile == nil && (e.Transport == WayAMQPS || e.Transport == WayQUIC || e.Transport == WayGossips):
			b.problems.errorf(g.where("join"), "give gossip an sslProfile", "join has %s, which needs TLS", text)
		}
	}
	if g.is("transport", string(TransportQUIC)) {
		b.quicTLS(g, profile)
	}
	if profile != nil {
		if profile.text("caCertFile") == "" {
			b.problems.errorf(cmp.Or(g.given["sslProfile"], g.at), "caCertFile: the authorities of the routers' certificates",
				"sslProfile %s cannot be used for gossip: it has no caCertFile to verify routers with", name)
		}
		return
	}
	if g.text("keyFile") == "" && !local {
		b.problems.errorf(g.at, "give gossip an sslProfile or a keyFile, or use it on 127.0.0.1 only",
			"gossip without TLS and without a key: anybody who can reach it may read it and join")
	}
}

// loopback reports whether host:port is an address of this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	l := Listener{Host: host}
	return err == nil && host != "" && !l.Reachable()
}

// NewConnector returns a connector of which nothing is given: every attribute has its default.
func NewConnector() Connector {
	b := &builder{format: FormatYAML}
	c := typed[Connector](b.record(mustType("connector"), section{name: "connector"}))
	c.MaxSessions, c.LinkCapacity = 32768, DefaultLinkCapacity
	return c
}
