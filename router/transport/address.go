package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// The schemes.
const (
	SchemeAMQP  = "amqp"  // TCP, with TLS where a profile says so; port 5672
	SchemeAMQPS = "amqps" // TCP and TLS; port 5671
	SchemeQUIC  = "quic"  // QUIC, which has TLS; UDP port 5671
)

// The well-known ports [5.2.1]; services of the same names need not be in /etc/services.
var ports = map[string]string{SchemeAMQP: "5672", SchemeAMQPS: "5671", SchemeQUIC: "5671"}

// checkScheme returns the scheme that an option means.
func checkScheme(scheme string) (string, error) {
	switch scheme {
	case "", SchemeAMQP:
		return SchemeAMQP, nil
	case SchemeAMQPS, SchemeQUIC:
		return scheme, nil
	}
	return "", fmt.Errorf("scheme %q is not supported, use amqp, amqps or quic", scheme)
}

// resolvePort returns the number that a port attribute means: a number, a service name, or "" for that of the scheme.
func resolvePort(ctx context.Context, port, scheme string) (string, error) {
	if port == "" {
		port = scheme
	}
	if number, ok := ports[port]; ok {
		return number, nil
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		return strconv.FormatUint(n, 10), nil
	}
	if n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port); err == nil {
		return strconv.Itoa(n), nil
	}
	return "", fmt.Errorf("port %q is neither a number up to 65535 nor a service name such as amqp or amqps", port)
}

// families are the networks of package net for the address families of the entities.
var families = map[string]struct{ tcp, ip string }{
	"": {"tcp", "ip"}, "IPv4": {"tcp4", "ip4"}, "IPv6": {"tcp6", "ip6"},
}

// place is one address to listen at.
type place struct{ network, host string }

// places returns the addresses that a listener's host means: all local ones for "", otherwise every one of the name.
func places(ctx context.Context, host, family string) ([]place, error) {
	networks, ok := families[family]
	if !ok {
		return nil, fmt.Errorf("address family %q is not IPv4 or IPv6", family)
	}
	if host == "" {
		return []place{{networks.tcp, ""}}, nil
	}
	found := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		found = append(found, ip)
	} else if found, err = net.DefaultResolver.LookupNetIP(ctx, networks.ip, host); err != nil {
		return nil, fmt.Errorf("host %q: %w", host, err)
	}
	var out []place
	seen := make(map[netip.Addr]bool)
	for _, ip := range found {
		ip = ip.Unmap()
		p := place{"tcp6", ip.String()}
		if ip.Is4() {
			p.network = "tcp4" // package net would take 0.0.0.0 for IPv6 too
		}
		if networks.tcp != "tcp" && networks.tcp != p.network {
			return nil, fmt.Errorf("host %q is no %s address", host, family)
		}
		if !seen[ip] {
			seen[ip] = true
			out = append(out, p)
		}
	}
	return out, nil
}
