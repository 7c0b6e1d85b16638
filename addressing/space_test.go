package addressing

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTenantsHaveAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	r := NewRouter("me")
	for _, c := range []struct{ address, key, forRouters string }{
		{"orders", "M0t/orders", "t/orders"},
		{"amqp:/orders", "M0t/orders", "t/orders"},
		{"//other/orders", "M0t/orders", "t/orders"},
		{"amqp://other:5672/orders/", "M0t/orders", "t/orders"},
		{"/orders", "M0t/orders", "t/orders"},
		{"other/orders", "M0t/other/orders", "t/other/orders"},
		{"", "M0t/", "t//"},
		{"//host//other/orders", "M0t//other/orders", "t//other/orders"},
		{":::/other/orders", "M0t/:::/other/orders", "amqp:/t/:::/other/orders"},
		{"a..", "M0t/a.", "t/a./"},
		{"$management", "M0t/$management", "t/$management"},
		{"_$temp.x", "M0_$temp.x", "_$temp.x"},
		{"_common", "M0_common", "_common"},
		{"_local/x", "Lt/x", "_local/t/x"},
		{"_local/$management", "Lt/$management", "_local/t/$management"},
		{"_local/temp.x", "Ltemp.x", "_local/temp.x"},
		{"_topo/0/me/temp.x", "Ltemp.x", "_local/temp.x"},
		{"_topo/0/me/x", "Lt/x", "_local/t/x"},
		{"_topo/0/B/x", "RB", "_topo/0/B/t/x"},
		{"_topo/0/B/other/x", "RB", "_topo/0/B/t/other/x"},
		{"_topo/0/B/temp.x", "RB", "_topo/0/B/temp.x"},
		{"_topo/0/B/$management", "RB", "_topo/0/B/t/$management"},
		{"_topo/0/B", "RB", "_topo/0/B"},
		{"_topo/0/all/qdrouter", "Tt/qdrouter", "_topo/0/all/t/qdrouter"},
		{"_edge/E/x", "HE", "_edge/E/t/x"},
		{"_topo/1/B/x", "A1", "_topo/1/t/B/x"},
	} {
		a := r.ParseIn("t", c.address)
		if got := a.Key(); got != c.key {
			t.Errorf("key of %q: got %q, want %q", c.address, got, c.key)
		}
		if got := string(r.AppendKeyIn([]byte("before"), "t", []byte(c.address), PhaseZero)); got != "before"+c.key {
			t.Errorf("appended key of %q: got %q, want %q", c.address, got, "before"+c.key)
		}
		if got := string(a.AppendForRouters(nil)); got != c.forRouters {
			t.Errorf("%q for routers: got %q, want %q", c.address, got, c.forRouters)
		}
	}
}

// anyAddress draws addresses of the pieces that have a meaning in one.
func anyAddress() *rapid.Generator[string] {
	pieces := rapid.SampledFrom([]string{"/", "//", ".", ":", ":/", "::", "amqp:/", "_", "_local/", "_topo/", "_edge/",
		"0/", "all/", "A/", "B/", "temp.", "other", "x", "$management", "t", "_$temp.x"})
	return rapid.Map(rapid.SliceOfN(pieces, 0, 8), func(s []string) string { return strings.Join(s, "") })
}

// What one router says to the next about where a message goes is understood as it was meant.
func TestAddressesForRoutersAreReducedToTheSameEverywhere(t *testing.T) {
	t.Parallel()
	here, there := NewRouter("A"), NewRouter("C")
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{"", "t", "x:5672", "a.b", ".", ":", "::"}).Draw(t, "space")
		s := anyAddress().Draw(t, "address")
		a := here.ParseIn(space, s)
		if got := string(here.AppendKeyIn(nil, space, []byte(s), PhaseZero)); got != a.Key() {
			t.Fatalf("%q in %q: appended key %q, parsed key %q", s, space, got, a.Key())
		}
		forRouters := string(a.AppendForRouters(nil))
		for _, r := range []*Router{here, there} {
			if r == there && a.Class == ClassLocal {
				continue // the text says which router's
			}
			if got := r.Parse(forRouters); got != a {
				t.Fatalf("%q in %q is %+v; on %s its form for routers %q is %+v", s, space, a, r.ID(), forRouters, got)
			}
		}
	})
}

// Whatever a client of one tenant writes, its key is in its space, common, or that of another router, where what
// follows is in its space or a reply address.
func TestNoAddressLeavesTheSpaceOfItsTenant(t *testing.T) {
	t.Parallel()
	here, there := NewRouter("A"), NewRouter("B")
	rapid.Check(t, func(t *rapid.T) {
		s := anyAddress().Draw(t, "address")
		a := here.ParseIn("t", s)
		for range 2 {
			own := strings.HasPrefix(a.Text, "t/")
			switch a.Class {
			case ClassMobile:
				own = own || strings.HasPrefix(a.Text, "_")
			case ClassLocal:
				own = own || strings.HasPrefix(a.Text, "temp.")
			case ClassRouter, ClassEdge, ClassArea:
				own = a.Rest == "" || strings.HasPrefix(a.Rest, "t/") || strings.HasPrefix(a.Rest, "temp.")
			}
			if !own {
				t.Fatalf("%q reaches %+v", s, a)
			}
			a = there.Parse(string(a.AppendForRouters(nil)))
		}
	})
}

func TestNamesThatWouldMixTenantsAreNotValid(t *testing.T) {
	t.Parallel()
	for space, want := range map[string]bool{"": false, "t": true, "a.b": true, "host:5671": true, "a/b": false, "/": false,
		"_t": false, "_local": false, "t_": true} {
		if got := ValidSpace(space); got != want {
			t.Errorf("ValidSpace(%q) is %v", space, got)
		}
	}
}

func TestPhasesHaveTheNumbersOfInterconnect(t *testing.T) {
	t.Parallel()
	for number := range 256 {
		p, ok := PhaseOf(uint8(number))
		if want := number <= 9 || number == 22; ok != want {
			t.Errorf("PhaseOf(%d) is %q, %v", number, p, ok)
		}
		if ok && p.Number() != uint8(number) {
			t.Errorf("phase %q has the number %d, not %d", p, p.Number(), number)
		}
	}
	if p, _ := PhaseOf(22); p != PhaseFallback {
		t.Errorf("phase 22 is %q, not the fallback", p)
	}
}
