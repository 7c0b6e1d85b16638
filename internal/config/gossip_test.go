package config

import (
	"slices"
	"testing"
)

// TestGossipTakesTheProfileOfTheListenerForRouters: in the example of the documentation gossip is in TLS without saying
// so, and what is not said has a value.
func TestGossipTakesTheProfileOfTheListenerForRouters(t *testing.T) {
	t.Parallel()
	c, problems := Parse("/etc/postroad/router.yaml", []byte(`
router: {id: london, mode: interior}
mesh:
  name: acme
  site: eu-west
  gossip: {bind: 0.0.0.0:7946, join: ["hub.acme.example:7946"], keyFile: gossip.key, allowSites: [eu-*]}
listeners:
  - {name: clients, host: 127.0.0.1, port: 5672}
  - {name: routers, host: 0.0.0.0, port: 55672, role: inter-router, sslProfile: mesh}
sslProfiles:
  - {name: mesh, caCertFile: ca.pem, certFile: london.pem, privateKeyFile: london.key}
`))
	if c == nil || len(problems) > 0 {
		t.Fatal(problems)
	}
	g := c.Gossip
	if g == nil || g.SSLProfile != "mesh" || g.KeyFile != "/etc/postroad/gossip.key" || !g.VerifyID || g.Degree != 3 ||
		g.Timing != "lan" || g.Shape != "degree" || g.Cost != "site" {
		t.Errorf("gossip is %+v", g)
	}
	if !slices.Equal(g.Join, []string{"hub.acme.example:7946"}) || !slices.Equal(g.AllowSites, []string{"eu-*"}) {
		t.Errorf("gossip is %+v", g)
	}
}

// TestGossipInPlainTextNeedsAKeyOffTheMachine: on 127.0.0.1 it needs none.
func TestGossipInPlainTextNeedsAKeyOffTheMachine(t *testing.T) {
	t.Parallel()
	for gossip, accepted := range map[string]bool{
		`{bind: "127.0.0.1:7946"}`:                                   true,
		`{bind: "localhost:7946", join: ["[::1]:7947"]}`:             true,
		`{bind: "0.0.0.0:7946"}`:                                     false,
		`{bind: ":7946"}`:                                            false,
		`{join: ["hub:7946"]}`:                                       false,
		`{bind: "0.0.0.0:7946", join: ["hub:7946"], keyFile: a.key}`: true,
	} {
		c, problems := Parse("router.yaml", []byte("router: {id: a, mode: interior}\nmesh: {name: m, gossip: "+gossip+
			"}\nlisteners: [{host: 127.0.0.1, port: 5672, role: inter-router}]\n"))
		if (c != nil) != accepted {
			t.Errorf("%s: accepted %v, want %v: %v", gossip, c != nil, accepted, problems)
		}
	}
}
