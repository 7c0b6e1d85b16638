package conn

import (
	"fmt"
	"net/url"
	"sort"
	"strings"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/router/forwarding"
)

// failoverURL is another place where a client may find the mesh.
type failoverURL struct{ scheme, host, port string }

// parseFailover reads the attribute failoverUrls: [(amqp|amqps|ws|wss)://]host[:port], separated by commas.
func parseFailover(list string) ([]failoverURL, error) {
	var urls []failoverURL
	for _, text := range strings.Split(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if !strings.Contains(text, "://") {
			text = "amqp://" + text
		}
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		switch u.Scheme {
		case "amqp", "amqps", "ws", "wss":
		default:
			return nil, fmt.Errorf("%q: scheme %q; use amqp, amqps, ws or wss", text, u.Scheme)
		}
		port := u.Port()
		if port == "" {
			port = "amqp"
		}
		urls = append(urls, failoverURL{u.Scheme, u.Hostname(), port})
	}
	return urls, nil
}

// encodeProperties makes the configured openProperties a list of encoded pairs.
func encodeProperties(m map[string]any) (wire.Raw, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var b []byte
	for _, k := range keys {
		b = wire.AppendSymbol(b, k)
		var err error
		if b, err = wire.AppendValue(b, amqpValue(m[k])); err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
	}
	return b, nil
}

// amqpValue maps what a configuration file holds to types that the codec knows.
func amqpValue(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case map[string]any:
		var m wire.Map
		for k, e := range v {
			m = append(m, wire.MapEntry{Key: k, Value: amqpValue(e)})
		}
		sort.Slice(m, func(i, j int) bool { return m[i].Key.(string) < m[j].Key.(string) })
		return m
	case []any:
		l := make(wire.List, len(v))
		for i := range v {
			l[i] = amqpValue(v[i])
		}
		return l
	default:
		return v
	}
}

// openProperties are the properties of a connection's open, in the order that Interconnect writes them.
func (c *Conn) openProperties() wire.Raw {
	s := c.settings
	m := wire.Map{
		{Key: wire.Symbol("product"), Value: "postroad"},
		{Key: wire.Symbol("version"), Value: c.Host.Version},
		{Key: wire.Symbol("qd.conn-id"), Value: int32(c.E.Number)},
	}
	if s.Role == forwarding.RoleInterRouter {
		if s.Cost > 1 {
			m = append(m, wire.MapEntry{Key: wire.Symbol("qd.inter-router-cost"), Value: int32(s.Cost)})
		}
		m = append(m, wire.MapEntry{Key: wire.Symbol("qd.annotations-version"), Value: int32(1)})
		if s.Planned {
			m = append(m, wire.MapEntry{Key: wire.Symbol(forwarding.PlannedProperty), Value: true})
		}
		if s.Measured {
			m = append(m, wire.MapEntry{Key: wire.Symbol(forwarding.MeasuredProperty), Value: true})
		}
	}
	if list := s.Failover; list != nil {
		m = append(m, wire.MapEntry{Key: wire.Symbol("failover-server-list"), Value: list})
	}
	raw, err := wire.AppendValue(nil, m)
	if err != nil || s.Role == forwarding.RoleInterRouter || len(s.properties) == 0 {
		return raw
	}
	return joinMap(m, s.properties)
}

// failoverList is where else a client may find the mesh, nil if none is configured.
func failoverList(urls []failoverURL) wire.List {
	var list wire.List
	for _, u := range urls {
		e := wire.Map{{Key: wire.Symbol("network-host"), Value: u.host}, {Key: wire.Symbol("port"), Value: u.port}}
		if u.scheme != "amqp" {
			e = append(e, wire.MapEntry{Key: wire.Symbol("scheme"), Value: u.scheme})
		}
		list = append(list, e)
	}
	return list
}

// joinMap encodes a map followed by encoded pairs.
func joinMap(m wire.Map, pairs wire.Raw) wire.Raw {
	var body []byte
	for _, e := range m {
		body, _ = wire.AppendValue(body, e.Key)
		body, _ = wire.AppendValue(body, e.Value)
	}
	body = append(body, pairs...)
	count := 2 * len(m)
	for rest := []byte(pairs); len(rest) > 0; count++ {
		n, err := wire.Skip(rest)
		if err != nil {
			break
		}
		rest = rest[n:]
	}
	size := len(body) + 4
	raw := []byte{0xd1, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size),
		byte(count >> 24), byte(count >> 16), byte(count >> 8), byte(count)}
	return append(raw, body...)
}
