package discovery

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/forwarding"
)

// Endpoints returns where others can dial this router, eight endpoints at most unless the configuration names them. The
// listeners must be open.
func (g *Gossip) Endpoints() ([]membership.Endpoint, error) {
	var all []membership.Endpoint
	var port string
	if g.Port != nil {
		_, port, _ = net.SplitHostPort(g.Port.Addr().String())
	}
	add := func(transport, host, port string) {
		n, err := strconv.ParseUint(port, 10, 16)
		if err == nil && !isWildcard(host) && len(all) < 8 {
			all = append(all, membership.Endpoint{Transport: transport, Host: host, Port: uint16(n)})
		}
	}
	if len(g.Entity.Advertise) > 0 {
		for _, text := range g.Entity.Advertise {
			e, err := g.endpoint(text, "")
			if err != nil {
				return nil, err
			}
			ways := []string{e.Transport}
			if e.Transport == "" {
				ways = g.waysTo(e.Port, port)
			}
			for _, e.Transport = range ways {
				all = append(all, e)
			}
		}
		return all, nil
	}
	if g.Port != nil {
		host, _, _ := net.SplitHostPort(g.Entity.Bind)
		add(g.transport(config.WayGossips, config.WayGossip), host, port)
	}
	for _, l := range g.Listeners {
		if way := g.way(l); way != "" {
			_, port, _ := net.SplitHostPort(l.Addr())
			add(way, l.Entity.Host, port)
		}
	}
	return all, nil
}

// endpoint reads an endpoint of the configuration. One that names no transport has that of otherwise.
func (g *Gossip) endpoint(text, otherwise string) (membership.Endpoint, error) {
	e, err := config.ParseEndpoint(text)
	if e.Transport == "" {
		e.Transport = otherwise
	}
	return membership.Endpoint{Transport: e.Transport, Host: e.Host, Port: uint16(e.Port)}, err
}

// way returns how others reach a listener for routers; "" for a listener that is not for routers.
func (g *Gossip) way(l *conn.Listener) string {
	switch {
	case l.Settings.Role != forwarding.RoleInterRouter || l.Entity.HTTP:
		return ""
	case l.Entity.Transport == config.TransportQUIC:
		return config.WayQUIC
	case l.Profile != nil:
		return config.WayAMQPS
	}
	return config.WayAMQP
}

// waysTo returns the ways to a port of which only the number is known: those of this router's listeners with this
// number.
func (g *Gossip) waysTo(number uint16, gossipPort string) []string {
	if strconv.Itoa(int(number)) == gossipPort {
		return []string{g.transport(config.WayGossips, config.WayGossip)}
	}
	var ways []string
	for _, l := range g.Listeners {
		_, port, _ := net.SplitHostPort(l.Addr())
		if way := g.way(l); way != "" && port == strconv.Itoa(int(number)) && !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	if len(ways) == 0 {
		ways = append(ways, g.transport(config.WayAMQPS, config.WayAMQP))
	}
	return ways
}

// WayEither is the way to a seed that names none, where QUIC is preferred: QUIC, or TLS at the same port.
const WayEither = "either"

// Order returns the endpoints of a router at which this one dials for gossip, in the order in which it does.
func (g *Gossip) Order(endpoints []membership.Endpoint) []membership.Endpoint {
	if g.Profile == nil {
		return g.only(endpoints, config.WayGossip)
	}
	return g.only(endpoints, config.WayAMQPS, config.WayGossips, config.WayQUIC)
}

// only returns the endpoints of certain ways, those of the preferred transport first.
func (g *Gossip) only(endpoints []membership.Endpoint, ways ...string) []membership.Endpoint {
	var first, rest []membership.Endpoint
	for _, e := range endpoints {
		split := []string{e.Transport}
		if e.Transport == WayEither {
			split = []string{config.WayQUIC, config.WayAMQPS}
		}
		for _, e.Transport = range split {
			switch {
			case !slices.Contains(ways, e.Transport):
			case (e.Transport == config.WayQUIC) == (g.Entity.Transport == config.TransportQUIC):
				first = append(first, e)
			default:
				rest = append(rest, e)
			}
		}
	}
	return append(first, rest...)
}

// isWildcard reports whether a host is one to listen on, and not one to connect to.
func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
