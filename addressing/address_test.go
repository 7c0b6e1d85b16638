package addressing

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The cases are those of Interconnect's tests/field_test.c (test_view_address_hash), with area "0".
func TestKeysAreThoseOfInterconnect(t *testing.T) {
	t.Parallel()
	interior, edge := NewRouter("me"), NewEdgeRouter("me")
	for _, c := range []struct{ address, key, edgeKey string }{
		{"amqp:/_local/my-addr/sub", "Lmy-addr/sub", "Lmy-addr/sub"},
		{"amqp:/_local/my-addr", "Lmy-addr", "Lmy-addr"},
		{"amqp:/_topo/area/router/local/sub", "Aarea", "L_edge"},
		{"amqp:/_topo/0/router/local/sub", "Rrouter", "L_edge"},
		{"amqp:/_topo/0/me/local/sub", "Llocal/sub", "Llocal/sub"},
		{"amqp:/_topo/area/all/local/sub", "Aarea", "L_edge"},
		{"amqp:/_topo/0/all/local/sub", "Tlocal/sub", "Tlocal/sub"},
		{"amqp:/_topo/all/all/local/sub", "Tlocal/sub", "Tlocal/sub"},
		{"amqp:/_topo/all/router/x", "Rrouter", "L_edge"},
		{"amqp://host:port/_local/my-addr", "Lmy-addr", "Lmy-addr"},
		{"_topo/area/router/my-addr", "Aarea", "L_edge"},
		{"_topo/0/router/my-addr", "Rrouter", "L_edge"},
		{"_topo/0/me/my-addr", "Lmy-addr", "Lmy-addr"},
		{"_topo/0/router", "Rrouter", "L_edge"},
		{"_topo/0/me", "Rme", "L_edge"},
		{"_topo/0/router:", "Rrouter:", "L_edge"},
		{"amqp:/mobile", "M1mobile", "M1mobile"},
		{"mobile", "M1mobile", "M1mobile"},
		{"/mobile", "M1mobile", "M1mobile"},
		{"//host/mobile", "M1mobile", "M1mobile"},
		{"amqp://host:5672/a/b", "M1a/b", "M1a/b"},
		{"amqps:/a.b", "M1a.b", "M1a.b"},
		{"amqp:/_edge/router/sub", "Hrouter", "L_edge"},
		{"_edge/router/sub", "Hrouter", "L_edge"},
		{"_edge/me/sub", "Lsub", "Lsub"},
		{"_else/x", "M1_else/x", "M1_else/x"},
		{"_local", "M1_local", "M1_local"},
		{"_topo/0", "A0", "L_edge"},
		// Without an address behind it a scheme or a host is the address.
		{"amqp:/", "M1amqp:", "M1amqp:"},
		{"amqp://host", "M1amqp://host", "M1amqp://host"},
		{"//host", "M1//host", "M1//host"},
		{"//host/", "M1", "M1"},
		{"/", "M1", "M1"},
		{"", "M1", "M1"},
		{".", "M1", "M1"},
		{":/x", "M1:/x", "M1:/x"},
		{"a::/x", "M1a::/x", "M1a::/x"},
		{"a:b:/x", "M1x", "M1x"},
		{"x..", "M1x.", "M1x."},
	} {
		// The second half of Interconnect's cases: one separator at the end does not count.
		for _, trail := range []string{"", ".", "/"} {
			if trail != "" && strings.Trim(c.address, "./") != c.address && strings.HasSuffix(c.address, "/") ||
				trail != "" && (c.address == "" || c.address == "." || strings.HasSuffix(c.address, "..")) ||
				trail == "/" && (c.address == "//host" || c.address == "amqp://host") {
				continue
			}
			address := c.address + trail
			if got := string(interior.AppendKeyString(nil, address, '1')); got != c.key {
				t.Errorf("key of %q on an interior router: got %q, want %q", address, got, c.key)
			}
			if got := string(edge.AppendKey(nil, []byte(address), '1')); got != c.edgeKey {
				t.Errorf("key of %q on an edge router: got %q, want %q", address, got, c.edgeKey)
			}
		}
	}
}

func TestControlAddressesHaveTheKeysThatRoutersUse(t *testing.T) {
	t.Parallel()
	r := NewRouter("A")
	for address, want := range map[string]Address{
		"amqp:/_local/qdhello":         {ClassLocal, PhaseZero, "qdhello", ""},
		"amqp:/_topo/0/all/qdrouter":   {ClassTopological, PhaseZero, "qdrouter", ""},
		"_topo/0/all/qdrouter.ma":      {ClassTopological, PhaseZero, "qdrouter.ma", ""},
		"amqp:/_topo/0/A/qdrouter.ma":  {ClassLocal, PhaseZero, "qdrouter.ma", ""},
		"amqp:/_topo/0/B/qdrouter":     {ClassRouter, PhaseZero, "B", "qdrouter"},
		"_topo/0/B/$management":        {ClassRouter, PhaseZero, "B", "$management"},
		"_topo/0/B/temp/a.b/":          {ClassRouter, PhaseZero, "B", "temp/a.b"},
		"_topo/0/B/":                   {ClassRouter, PhaseZero, "B", ""},
		"_topo/9/B/x":                  {ClassArea, PhaseZero, "9", "B/x"},
		"_edge/E1/temp.1":              {ClassEdge, PhaseZero, "E1", "temp.1"},
		"amqp://10.0.0.1:5672/orders/": {ClassMobile, PhaseZero, "orders", ""},
	} {
		if got := r.Parse(address); got != want {
			t.Errorf("Parse(%q) = %+v, want %+v", address, got, want)
		}
	}
}

func TestKeyOfAParsedAddressIsTheAppendedKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := NewRouter("me")
		if rapid.Bool().Draw(t, "edge") {
			r = NewEdgeRouter("me")
		}
		s := rapid.StringOfN(rapid.SampledFrom([]rune("_a./:0m")), 0, 20, -1).Draw(t, "tail")
		s = rapid.SampledFrom([]string{"", "_topo/", "_topo/0/", "_topo/all/", "_topo/0/me/", "_local/", "_edge/",
			"_edge/me/", "amqp:/", "amqp://h/", "//h/", "/"}).Draw(t, "head") + s
		a := r.Parse(s)
		if got, want := string(r.AppendKeyString(nil, s, PhaseZero)), a.Key(); got != want {
			t.Fatalf("AppendKeyString(%q) = %q, Parse(…).Key() = %q", s, got, want)
		}
		if a.Text == "" {
			return
		}
		b, ok := ParseKey(a.Key())
		if b.Rest = a.Rest; !ok || b != a {
			t.Fatalf("ParseKey(%q) = %+v, %v, want %+v", a.Key(), b, ok, a)
		}
	})
}

func TestParseKeyRefusesWhatNoRouterAnnounces(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "M", "M0", "Mxq", "M:q", "Q", "Qx", "\x00\x00\x00", "C", "H"} {
		if a, ok := ParseKey(key); ok {
			t.Errorf("ParseKey(%q) = %+v, want a refusal", key, a)
		}
	}
	for key, want := range map[string]Address{
		"M0near/x": {ClassMobile, '0', "near/x", ""}, "MFq": {ClassMobile, PhaseFallback, "q", ""},
		"Corders": {ClassLinkRoutePrefixIn, PhaseZero, "orders", ""}, "HE1": {ClassEdge, PhaseZero, "E1", ""},
	} {
		if a, ok := ParseKey(key); !ok || a != want {
			t.Errorf("ParseKey(%q) = %+v, %v, want %+v", key, a, ok, want)
		}
	}
}

func TestNodeNamesCarryTheRouterID(t *testing.T) {
	t.Parallel()
	if got := NewRouter("A/b").NodeName(); got != "0/A/b" {
		t.Errorf("NodeName = %q", got)
	}
	if id, ok := RouterOfNode("0/A/b"); !ok || id != "A/b" {
		t.Errorf("RouterOfNode(0/A/b) = %q, %v", id, ok)
	}
	for _, s := range []string{"", "0", "0/", "1/A", "A"} {
		if id, ok := RouterOfNode([]byte(s)); ok {
			t.Errorf("RouterOfNode(%q) = %q, want a refusal", s, id)
		}
	}
}

func TestKeyOfAnAddressIsMadeWithoutAllocating(t *testing.T) {
	r := NewRouter("london")
	buffer := make([]byte, 0, 64)
	for _, s := range []string{"orders", "amqp://h:5672/orders/eu", "_topo/0/london/$management", "_topo/0/all/qdrouter"} {
		b := []byte(s)
		if n := testing.AllocsPerRun(100, func() { buffer = r.AppendKey(buffer[:0], b, PhaseZero) }); n != 0 {
			t.Errorf("AppendKey(%q) allocates %v times", s, n)
		}
		if n := testing.AllocsPerRun(100, func() { _ = r.Parse(s) }); n != 0 {
			t.Errorf("Parse(%q) allocates %v times", s, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"amqp:/_topo/0/B/x", "//h/x.", "_edge/", "_topo/all/all/", "a::/", "\x00/\xff"} {
		f.Add(s)
	}
	r := NewRouter("me")
	f.Fuzz(func(t *testing.T, s string) {
		a := r.Parse(s)
		if got := string(r.AppendKey(nil, []byte(s), PhaseZero)); got != a.Key() {
			t.Fatalf("AppendKey(%q) = %q, Parse(…).Key() = %q", s, got, a.Key())
		}
		if !strings.Contains(s, a.Text) || !strings.Contains(s, a.Rest) {
			t.Fatalf("Parse(%q) invented %+v", s, a)
		}
		if k, ok := ParseKey(s); ok && k.Key() != s {
			t.Fatalf("ParseKey(%q).Key() = %q", s, k.Key())
		}
	})
}

func BenchmarkAppendKey(b *testing.B) {
	r, buffer := NewRouter("london"), make([]byte, 0, 64)
	for _, s := range []string{"orders", "amqp://host:5672/orders/eu"} {
		b.Run(s, func(b *testing.B) {
			address := []byte(s)
			for b.Loop() {
				buffer = r.AppendKey(buffer[:0], address, PhaseZero)
			}
		})
	}
}
