package topologies

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/config"
)

// allPorts gives every router of a topology ports of its own.
func allPorts(t *Topology) map[string]Ports {
	ports := map[string]Ports{}
	for i, r := range t.Routers {
		ports[r.ID] = Ports{Client: 5000 + 10*i, InterRouter: 5001 + 10*i, Edge: 5002 + 10*i}
	}
	return ports
}

// TestEmbedded: every embedded topology is sound, has traffic, and gives every router a configuration without problems.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	names := Names()
	if !strings.Contains(strings.Join(names, " "), "three-clouds") {
		t.Errorf("three-clouds is not among %v", names)
	}
	for _, name := range names {
		topology, err := Named(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if topology.Name != name || topology.Description == "" {
			t.Errorf("%s.yaml calls itself %q, %q", name, topology.Name, topology.Description)
		}
		received := map[string]bool{}
		for _, c := range topology.Clients {
			received[c.Receives] = true
		}
		for _, c := range topology.Clients {
			if !received[c.Sends] {
				t.Errorf("%s: nobody receives what %s sends", name, c.Name)
			}
		}
		for _, r := range topology.Routers {
			c, err := topology.Config(r.ID, allPorts(topology))
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if err := c.WriteYAML(&text, nil); err != nil {
				t.Fatal(err)
			}
			if _, problems := config.Parse("r.yaml", text.Bytes()); len(problems) > 0 {
				t.Errorf("%s: %v", name, problems)
			}
		}
	}
}

// TestUnknownName: asking for a topology that is not there names those that are.
func TestUnknownName(t *testing.T) {
	t.Parallel()
	if _, err := Named("two-clouds"); err == nil || !strings.Contains(err.Error(), "three-clouds") {
		t.Errorf("got %v", err)
	}
}

// TestConfig: each link is one connector at one end and one listener at the other, and an edge router always connects.
func TestConfig(t *testing.T) {
	t.Parallel()
	topology, err := Parse("t.yaml", []byte(`
name: t
routers:
  - {id: a}
  - {id: b, site: there}
  - {id: e, mode: edge}
links:
  - {a: a, b: b, cost: 7}
  - {a: b, b: e}
addresses:
  - {pattern: "x/*"}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, r := range topology.Routers {
		c, err := topology.Config(r.ID, allPorts(topology))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range c.Listeners {
			got[r.ID] = append(got[r.ID], "listener "+l.Name+" "+string(l.Role)+" "+l.Address())
		}
		for _, cn := range c.Connectors {
			got[r.ID] = append(got[r.ID], "connector "+cn.Name+" "+string(cn.Role)+" "+cn.Address())
		}
		if r.ID == "a" && c.Connectors[0].Cost != 7 {
			t.Errorf("the cost is %d", c.Connectors[0].Cost)
		}
		if c.Router.ID != r.ID || c.Router.Mode != r.Mode || c.Mesh.Name != "t" || c.Mesh.Site != r.Site ||
			c.Addresses[0].Pattern != "x/*" || c.Addresses[0].Distribution != config.DistributionBalanced {
			t.Errorf("%s: %+v", r.ID, c)
		}
	}
	want := map[string][]string{
		"a": {"listener clients normal 127.0.0.1:5000", "connector to-b inter-router 127.0.0.1:5011"},
		"b": {"listener clients normal 127.0.0.1:5010", "listener inter-router inter-router 127.0.0.1:5011",
			"listener edge edge 127.0.0.1:5012"},
		"e": {"listener clients normal 127.0.0.1:5020", "connector to-b edge 127.0.0.1:5012"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listeners and connectors (-want +got):\n%s", diff)
	}
	if _, err := topology.Config("z", nil); err == nil {
		t.Error("a router that is not there has a configuration")
	}
}

// TestMistakes: every mistake is reported with its line.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"nothing": {"", "t.yaml: a topology needs routers"},
		"syntax":  {"a: [", "t.yaml: line 1:"},
		"unknown key": {"routers:\n  - {ids: a}\nlink: 1",
			"line 2: field ids not found in type topologies.Router; line 3: field link"},
		"routers": {"routers:\n  - {id: a}\n  - {id: a}\n  - {}\n  - {id: c, mode: big}",
			"t.yaml:3: the router a is given twice\nt.yaml:4: a router without an id\nt.yaml:5: the mode of c is \"big\""},
		"links": {"routers: [{id: a}, {id: b}, {id: e, mode: edge}, {id: f, mode: edge}]\nlinks:\n  - {a: a, b: x}\n" +
			"  - {a: x, b: a}\n  - {a: a, b: a}\n  - {a: a, b: b}\n  - {a: b, b: a}\n  - {a: e, b: f}\n" +
			"  - {a: a, b: e, cost: -1}",
			"t.yaml:3: there is no router \"x\"\nt.yaml:4: there is no router \"x\"\nt.yaml:5: a link from a to itself\n" +
				"t.yaml:7: the link between b and a is given twice\nt.yaml:8: a link between the edge routers e and f\n" +
				"t.yaml:9: the cost is -1"},
		"clients": {"routers: [{id: a}]\nclients:\n  - {router: a, sends: x}\n  - {name: n, router: b, sends: x}\n" +
			"  - {name: n, router: a, sends: x}\n  - {name: o, router: a}\n  - {name: p, router: a, sends: x, rate: -1}\n" +
			"  - {name: q, router: a, sends: x, size: -1}\n  - {name: r, router: a, receives: x, rate: 1}\n" +
			"  - {name: s, router: a, sends: x, rate: .nan}",
			"t.yaml:3: a client without a name\nt.yaml:4: n: there is no router \"b\"\nt.yaml:5: the client n is given twice\n" +
				"t.yaml:6: o: give it an address it sends to or one it receives from\n" +
				"t.yaml:7: p: the rate is -1 messages a second\n" +
				"t.yaml:8: q: the size is -1 octets; 1073741824 are the most\n" +
				"t.yaml:9: r: rate, size and settled are for senders\n" +
				"t.yaml:10: s: the rate is NaN"},
		"partition": {"routers: [{id: a}, {id: b}]", "t.yaml:1: no links lead from a to b"},
		"address":   {"routers: [{id: a}]\naddresses: [{prefix: a, distribution: far}]", "distribution is \"far\""},
	} {
		if _, err := Parse("t.yaml", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s:\n%v\nwant\n%s", name, err, test.want)
		}
	}
}

// TestLoad: a topology may come from any file.
func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("name: mine\nrouters: [{id: a}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	topology, err := Load(path)
	if err != nil || topology.Name != "mine" || topology.Routers[0].Mode != config.ModeInterior {
		t.Errorf("%+v, %v", topology, err)
	}
	if _, err := Load(path + ".none"); err == nil {
		t.Error("a file that is not there is a topology")
	}
}

// FuzzParse: any content is a sound topology or an error.
func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		data, err := files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		topology, err := Parse("t.yaml", data)
		if err != nil {
			return
		}
		for _, r := range topology.Routers {
			if _, err := topology.Config(r.ID, allPorts(topology)); err != nil {
				t.Errorf("%s: %v", r.ID, err)
			}
		}
	})
}

// TestCosts: the cost of a path is that of the cheapest.
func TestCosts(t *testing.T) {
	t.Parallel()
	topology, err := Named("three-clouds")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"virginia": 1, "tokyo": 2}, topology.Costs("london")); diff != "" {
		t.Errorf("costs from london (-want +got):\n%s", diff)
	}
}

// TestDistribution: the best match among the addresses decides, and what matches none is balanced.
func TestDistribution(t *testing.T) {
	t.Parallel()
	topology, err := Parse("t.yaml", []byte("routers: [{id: a}]\naddresses:\n  - {prefix: a, distribution: multicast}\n"+
		"  - {pattern: a/*/b, distribution: closest}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]config.Distribution{"a": config.DistributionMulticast,
		"a/b": config.DistributionMulticast, "a/x/b": config.DistributionClosest, "b": config.DistributionBalanced} {
		if got := topology.Distribution(address); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
}
