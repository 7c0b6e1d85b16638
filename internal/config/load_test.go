package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var ignorePositions = cmpopts.IgnoreTypes(Position{})

// load reads a sample, which has to be without errors.
func load(t *testing.T, name string) *Config {
	t.Helper()
	c, problems, err := Load(filepath.Join("testdata", "samples", name))
	if err != nil || c == nil {
		t.Fatalf("%v\n%v", err, problems)
	}
	return c
}

// TestConfSample: a qdrouterd.conf gives the attributes it names, under their current names and with their types, and
// the defaults of all others.
func TestConfSample(t *testing.T) {
	t.Parallel()
	c := load(t, "interior.conf")
	zero, yes := 0, true
	want := &Config{
		Format: FormatConf,
		Router: Router{ID: "hamburg.1", Mode: ModeInterior, HelloIntervalSeconds: 1, HelloMaxAgeSeconds: 3,
			RAIntervalSeconds: 30, RAIntervalFluxSeconds: 4, RemoteLSMaxAgeSeconds: 60, WorkerThreads: 8,
			SASLConfigName: "qdrouterd", AllowResumableLinkRoute: true, DefaultDistribution: DistributionBalanced,
			FastHelloMilliseconds: 100, RerouteHoldMilliseconds: 1000, DrainTimeoutSeconds: 10,
			Metadata: "rack 7, row Ä"},
		SSLProfiles: []SSLProfile{{Name: "mesh", CACertFile: "ca.pem", CertFile: "hamburg.pem",
			PrivateKeyFile: "/etc/pki/hamburg.key", Password: "file:hamburg.pass"}},
		Listeners: []Listener{
			{Host: "0.0.0.0", Port: "amqp", Role: RoleNormal, Cost: 1, CostBasis: "fixed", Transport: TransportTCP,
				SASLMechanisms: "ANONYMOUS", MaxFrameSize: 512, MaxSessions: 32768, IdleTimeoutSeconds: 16, StripAnnotations: "both", LinkCapacity: 250, Healthz: true,
				Metrics: true, WebSockets: true, MessageLoggingComponents: "none", Insecure: true,
				OpenProperties: map[string]any{"site": "hamburg", "weight": 2.0,
					"limits": map[string]any{"in": 10, "out": nil, "exact": true}, "tags": []any{"a", "b"}}},
			{Name: "routers", Host: "::", Port: "55672", Role: RoleInterRouter, Cost: 3, CostBasis: "fixed", Transport: TransportTCP,
				SSLProfile: "mesh", SASLMechanisms: "EXTERNAL", AuthenticatePeer: true, RequireSSL: true, MaxFrameSize: 65536, MaxSessions: 32768,
				IdleTimeoutSeconds: 16, StripAnnotations: "both", LinkCapacity: 250, Healthz: true, Metrics: true,
				WebSockets: true, MessageLoggingComponents: "none"},
		},
		Connectors: []Connector{{Name: "munich", Host: "munich.example", Port: "55672", Role: RoleInterRouter, Cost: 1, CostBasis: "fixed",
			Transport: TransportTCP, SSLProfile: "mesh", AllowRedirect: true, MaxFrameSize: 65536, MaxSessions: 32768, IdleTimeoutSeconds: 16,
			StripAnnotations: "both", LinkCapacity: 250, MessageLoggingComponents: "none"}},
		Addresses: []Address{
			{Pattern: "prices/#", Distribution: DistributionMulticast, Presettled: PresettledDropNewest, Redundant: 1},
			{Prefix: "orders", Distribution: DistributionBalanced, Priority: &zero, Presettled: PresettledDropNewest, Redundant: 1},
			{Prefix: "queue", Distribution: DistributionBalanced, Waypoint: true, Presettled: PresettledDropNewest, Redundant: 1},
		},
		Logs: []Log{
			{Module: "DEFAULT", Enable: "info+", OutputFile: "/var/log/router.log", IncludeTimestamp: &yes},
			{Module: "ROUTER_MA", Enable: "trace, Warn+"},
		},
		Unsupported: []Entity{
			{Type: "router.config.linkRoute",
				Attributes: map[string]any{"prefix": "broker", "direction": "in", "connection": "munich"}},
			{Type: "vhost", Attributes: map[string]any{"hostname": "#.example", "groups": map[string]any{
				"$default": map[string]any{"remoteHosts": "*", "users": "ann, bob", "maxSenders": 5, "allowDynamicSource": true}}}},
			{Type: "console", Attributes: map[string]any{"proxy": "/usr/bin/proxy", "home": "/srv"}},
		},
	}
	if diff := cmp.Diff(want, c, ignorePositions); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got := c.Listeners[1].Position.Line; got != 36 {
		t.Errorf("the second listener is said to be in line %d", got)
	}
}

// TestJSONSample: the JSON form gives the same as the section syntax would.
func TestJSONSample(t *testing.T) {
	t.Parallel()
	c := load(t, "edge.json")
	if c.Format != FormatJSON || c.Router.Mode != ModeEdge || !c.Router.TimestampsInUTC {
		t.Errorf("router: %+v", c.Router)
	}
	if l := c.Listeners[0]; l.Port != "5672" || l.HTTP || len(l.OpenProperties) != 0 {
		t.Errorf("listener: %+v", l)
	}
	if u := c.Connectors[0]; u.Address() != "hub.example:5671" || u.SASLPassword != "pass:s3cret#" || u.Role != RoleEdge {
		t.Errorf("connector: %+v", u)
	}
}

// TestProductSample: a YAML listener with a profile that has a caCertFile is authenticated, and paths are relative to
// the file.
func TestProductSample(t *testing.T) {
	t.Parallel()
	c := load(t, "product.yaml")
	if l := c.Listeners[1]; !l.RequireSSL || !l.AuthenticatePeer || !l.Authenticated(c) || !l.Reachable() {
		t.Errorf("listener: %+v", l)
	}
	if l := c.Listeners[0]; l.RequireSSL || l.Authenticated(c) || l.Reachable() || l.Address() != "127.0.0.1:5672" {
		t.Errorf("listener: %+v", l)
	}
	if got, want := c.SSLProfiles[0].CertFile, filepath.Join("testdata", "samples", "london.pem"); got != want {
		t.Errorf("certFile is %s, want %s", got, want)
	}
	if c.Mesh.Name != "acme" || c.Mesh.Site != "eu-west" {
		t.Errorf("mesh: %+v", c.Mesh)
	}
	missing := c.CheckFiles()
	if len(missing) != 4 || !missing.Refused() || missing[0].Line != 10 || missing[3].Line != 5 {
		t.Errorf("missing files:\n%v", missing)
	}
}

// TestGeneratedID: a router without an id gets one that tells its mode.
func TestGeneratedID(t *testing.T) {
	t.Parallel()
	for mode, prefix := range map[string]string{"standalone": "Standalone_", "interior": "Interior_", "edge": "Edge_"} {
		c, problems := Parse("a.conf", []byte("router {\n mode: "+mode+"\n}\n"))
		if c == nil {
			t.Fatal(problems)
		}
		if id := c.Router.ID; !c.Router.GeneratedID || !strings.HasPrefix(id, prefix) || len(id) != len(prefix)+15 {
			t.Errorf("%s: id is %s", mode, id)
		}
	}
}

// TestRouterIDLength: an id may have 127 characters and not one more.
func TestRouterIDLength(t *testing.T) {
	t.Parallel()
	for n, refused := range map[int]bool{127: false, 128: true} {
		_, problems := Parse("a.yaml", []byte("router: {id: "+strings.Repeat("ä", n)+"}"))
		if problems.Refused() != refused {
			t.Errorf("%d characters: %v", n, problems)
		}
	}
}

// TestFormatOf: the extension tells the format, else the content does.
func TestFormatOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, content string
		want          Format
	}{
		{"a.yaml", "router {\n", FormatYAML},
		{"a.YML", "[", FormatYAML},
		{"a.conf", "# c\nrouter {\n}", FormatConf},
		{"a.conf", "# c\n\n[[", FormatJSON},
		{"a.json", "[]", FormatJSON},
		{"a.json", `{"router": {}}`, FormatYAML},
		{"a", "router {\n mode: interior\n}", FormatConf},
		{"a", "\ufeff[[]]", FormatJSON},
		{"a", "router: {mode: interior}", FormatYAML},
		{"a", "", FormatYAML},
		{"a.conf", "", FormatConf},
	} {
		if got := FormatOf(test.name, []byte(test.content)); got != test.want {
			t.Errorf("%s %q: %v, want %v", test.name, test.content, got, test.want)
		}
	}
}

// TestUnreadable: a file that is missing, too large or not UTF-8 is refused without being parsed.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	if _, _, err := Load("testdata/none"); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	if c, problems := Parse("a.yaml", make([]byte, maxFileSize+1)); c != nil || len(problems) != 1 {
		t.Errorf("large file: %v", problems)
	}
	if c, problems := Parse("a.conf", []byte("router {\n id: \xff\n}")); c != nil || problems[0].Line != 2 {
		t.Errorf("not UTF-8: %v", problems)
	}
}

// TestHostileNesting: aliases that expand to billions of values and maps nested without end are refused at once.
func TestHostileNesting(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+p+",", 10), ",") + "]\n"
	}
	for name, content := range map[string]string{
		"bomb.yaml": bomb,
		"deep.yaml": "mesh: " + strings.Repeat("{a: ", 60) + strings.Repeat("}", 60),
		"self.yaml": "mesh: &m {a: *m}",
		"deep.json": strings.Repeat("[", 100000),
		"deep.conf": "listener {\n openProperties: " + strings.Repeat(`{"a":`, 100000),
	} {
		if c, problems := Parse(name, []byte(content)); c != nil || len(problems) > 30 {
			t.Errorf("%s: %d problems", name, len(problems))
		}
	}
}

// TestSecret: a password is text, or names where it is kept.
func TestSecret(t *testing.T) {
	t.Setenv("POSTROAD_TEST_SECRET", "from env")
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("from file\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for attribute, want := range map[string]string{
		"plain": "plain", "a:b": "a:b", "pass:x:y": "x:y", "literal:pass:x": "pass:x", "": "",
		"env: POSTROAD_TEST_SECRET": "from env", "file:" + path: "from file",
	} {
		if got, err := Secret(attribute); got != want || err != nil {
			t.Errorf("%q: %q, %v", attribute, got, err)
		}
	}
	for _, attribute := range []string{"env:POSTROAD_NO_SUCH", "file:" + path + ".none"} {
		if _, err := Secret(attribute); err == nil {
			t.Errorf("%q: no error", attribute)
		}
	}
}

// TestPortNumber: a port is a number up to 65535 or the name of a service.
func TestPortNumber(t *testing.T) {
	t.Parallel()
	for port, want := range map[string]int{"amqp": 5672, "amqps": 5671, "0": 0, "65535": 65535, "http": 80} {
		if got, ok := PortNumber(port); !ok || got != want {
			t.Errorf("%s: %d, %v", port, got, ok)
		}
	}
	for _, port := range []string{"", "65536", "-1", "+1", "1 ", "no-such-service", "１"} {
		if got, ok := PortNumber(port); ok {
			t.Errorf("%q is %d", port, got)
		}
	}
}

// TestEntities: management sees every supported entity with name, identity and type, without secrets.
func TestEntities(t *testing.T) {
	t.Parallel()
	var got []string
	for _, e := range load(t, "interior.conf").Entities() {
		got = append(got, e.Attributes["identity"].(string)+" "+e.Attributes["name"].(string)+" "+
			strings.TrimPrefix(e.Attributes["type"].(string), TypePrefix))
		for name, v := range e.Attributes {
			if text, ok := v.(string); ok && strings.Contains(text, "hamburg.pass") {
				t.Errorf("%s.%s shows a secret", e.Type, name)
			}
		}
	}
	want := []string{
		"router/hamburg.1 router/hamburg.1 router",
		"sslProfile/mesh mesh sslProfile",
		"listener/0.0.0.0:amqp listener/0.0.0.0:amqp listener",
		"listener/:::55672:routers routers listener",
		"connector/munich.example:55672:munich munich connector",
		"5 5 router.config.address",
		"6 6 router.config.address",
		"7 7 router.config.address",
		"log/DEFAULT log/DEFAULT log",
		"log/ROUTER_MA log/ROUTER_MA log",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entities (-want +got):\n%s", diff)
	}
}

// TestExchanges: exchanges and bindings are the same from either form, defaults included.
func TestExchanges(t *testing.T) {
	t.Parallel()
	c, problems, err := Load(filepath.Join("testdata", "samples", "exchange.conf"))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	yaml := `router: {id: QDR.A, mode: interior}
listeners: [{host: 127.0.0.1}]
exchanges:
  - {name: prices, address: prices, alternateAddress: prices.unbound, alternatePhase: 1}
  - {name: topics, address: topics, phase: 2, matchMethod: mqtt}
bindings:
  - {name: europe, exchangeName: prices, bindingKey: "#.eu.*", nextHopAddress: europe, nextHopPhase: 3}
  - {exchangeName: topics, nextHopAddress: everything}
`
	same, problems := Parse("router.yaml", []byte(yaml))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	wantExchanges := []Exchange{
		{Name: "prices", Address: "prices", AlternateAddress: "prices.unbound", AlternatePhase: 1, MatchMethod: "amqp"},
		{Name: "topics", Address: "topics", Phase: 2, MatchMethod: "mqtt"},
	}
	wantBindings := []Binding{
		{Name: "europe", ExchangeName: "prices", BindingKey: "#.eu.*", NextHopAddress: "europe", NextHopPhase: 3},
		{ExchangeName: "topics", BindingKey: "#", NextHopAddress: "everything"},
	}
	for _, c := range []*Config{c, same} {
		if diff := cmp.Diff(wantExchanges, c.Exchanges, ignorePositions); diff != "" {
			t.Errorf("exchanges of the %v (-want +got):\n%s", c.Format, diff)
		}
		if diff := cmp.Diff(wantBindings, c.Bindings, ignorePositions); diff != "" {
			t.Errorf("bindings of the %v (-want +got):\n%s", c.Format, diff)
		}
	}
}
