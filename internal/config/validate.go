package config

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/postroad/postroad/internal/logging"
)

// maxRouterID is the length of the longest router id, in characters.
const maxRouterID = 127

// validate checks the rules that look at more than one attribute, and fills in what follows from other attributes. Its
// order matters only where one check drops a record that later ones then do not see.
func (b *builder) validate() {
	router := b.ofType("router")[0]
	b.router(router)
	profiles := b.profiles()
	for _, l := range b.ofType("listener") {
		b.endpoint(l, router, profiles)
		b.listener(l, profiles)
	}
	for _, c := range b.ofType("connector") {
		b.endpoint(c, router, profiles)
		b.connector(c, router)
	}
	b.gossip(router, profiles)
	for _, a := range b.ofType("router.config.address") {
		b.address(a)
	}
	b.exchanges()
	for _, l := range b.ofType("log") {
		b.log(l)
	}
	b.uniqueNames()
	b.uniqueValues("router.config.address", "pattern", func(r *record) string {
		return addressPattern(r.text("prefix"), r.text("pattern"))
	})
	b.uniqueValues("log", "module", func(r *record) string { return r.text("module") })
	b.uniqueValues("listener", "port", func(r *record) string {
		if n, ok := PortNumber(r.text("port")); !ok || n == 0 {
			return ""
		}
		key := hostPort(r.text("host"), r.text("port"))
		if r.is("transport", string(TransportQUIC)) {
			key = "udp " + key
		}
		return key
	})
	b.credentials(router)
	if len(b.ofType("listener"))+len(b.ofType("connector")) == 0 && !b.problems.Refused() {
		b.problems.warnf(router.at, "", "there is no listener and no connector: nobody can reach the router")
	}
}

// router checks the entity router.
func (b *builder) router(r *record) {
	if Mode(r.text("mode")) == ModeEdge {
		b.problems.warnf(r.where("mode"), "interior or standalone", "mode edge is not supported yet: such a router does not start")
	}
	id := r.text("id")
	if r.has("id") && id == "" {
		b.problems.errorf(r.where("id"), "leave it out to have one made up", "id is empty")
	}
	if n := utf8.RuneCountInString(id); n > maxRouterID {
		b.problems.errorf(r.where("id"), "", "id has %d characters; %d are the most", n, maxRouterID)
	}
	if i := strings.IndexFunc(id, func(c rune) bool { return unicode.In(c, unicode.C, unicode.Z) }); i >= 0 {
		c, _ := utf8.DecodeRuneInString(id[i:])
		b.problems.errorf(r.where("id"), "letters, digits and punctuation", "id contains the character %q", c)
	}
	if r.number("helloMaxAgeSeconds") <= r.number("helloIntervalSeconds") {
		at := r.where("helloMaxAgeSeconds")
		if r.has("helloIntervalSeconds") {
			at = r.where("helloIntervalSeconds")
		}
		b.tolerate(at, "three times the interval is usual",
			"helloMaxAgeSeconds is not larger than helloIntervalSeconds: every neighbor would be given up")
	}
}

// profiles checks the sslProfiles and returns them by name.
func (b *builder) profiles() map[string]*record {
	profiles := map[string]*record{}
	for _, p := range b.ofType("sslProfile") {
		if p.text("name") == "" {
			b.problems.errorf(p.at, "listeners and connectors refer to it by name", "sslProfile has no name")
			continue
		}
		profiles[p.text("name")] = p
		for a, other := range map[string]string{"certFile": "privateKeyFile", "privateKeyFile": "certFile"} {
			if p.text(a) != "" && p.text(other) == "" {
				b.tolerate(p.where(a), "give both or none", "%s without %s", a, other)
			}
		}
		for _, version := range strings.Fields(p.text("protocols")) {
			known := []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
			if !slices.Contains(known, version) {
				b.problems.errorf(p.where("protocols"), didYouMean(version, known), "protocols names %q", version)
			}
		}
	}
	return profiles
}

// endpoint checks what listeners and connectors have in common.
func (b *builder) endpoint(r, router *record, profiles map[string]*record) {
	kind := r.entityType.Section
	if _, ok := PortNumber(r.text("port")); !ok {
		b.problems.errorf(r.where("port"), "0 to 65535, or a service name such as amqp", "port is %.40q", r.text("port"))
	}
	if host := r.text("host"); strings.ContainsFunc(host, unicode.IsSpace) || strings.Contains(host, "/") {
		b.problems.errorf(r.where("host"), "a host name or an IP address", "host is %.40q", host)
	}
	b.role(r, router)
	if name := r.text("sslProfile"); r.has("sslProfile") && profiles[name] == nil {
		var names []string
		for n := range profiles {
			names = append(names, n)
		}
		slices.Sort(names)
		b.problems.errorf(r.where("sslProfile"), didYouMean(name, names), "there is no sslProfile %q", name)
	}
	b.transport(r, profiles)
	b.verifyID(r, profiles)
	for _, m := range r.mechanisms() {
		switch {
		case slices.Contains(offeredMechanisms, m):
		case slices.Contains(otherMechanisms, m):
			b.problems.warnf(r.where("saslMechanisms"), "", "the SASL mechanism %s is not supported yet", m)
		default:
			b.tolerate(r.where("saslMechanisms"), didYouMean(m, offeredMechanisms), "unknown SASL mechanism %q", m)
		}
	}
	if slices.Contains(r.mechanisms(), "EXTERNAL") && r.text("sslProfile") == "" {
		b.tolerate(r.where("saslMechanisms"), "give the "+kind+" an sslProfile", "SASL EXTERNAL needs TLS")
	}
	b.openProperties(r)
	if r.number("maxSessions") == 0 {
		r.attributes["maxSessions"] = 32768
	}
	if r.number("linkCapacity") == 0 {
		r.attributes["linkCapacity"] = DefaultLinkCapacity
	}
}

// SASL mechanisms.
var (
	offeredMechanisms = []string{"ANONYMOUS", "PLAIN", "EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	otherMechanisms   = []string{"SCRAM-SHA-1", "CRAM-MD5", "DIGEST-MD5", "GSSAPI", "GSS-SPNEGO",
		"LOGIN", "NTLM", "OAUTHBEARER", "XOAUTH2"}
)

// role checks that the router's mode allows the role of a connection.
func (b *builder) role(r, router *record) {
	mode, role, kind := Mode(router.text("mode")), Role(r.text("role")), r.entityType.Section
	at := r.where("role")
	switch {
	case mode == ModeStandalone && (role == RoleInterRouter || role == RoleEdge):
		b.problems.errorf(at, "set mode: interior in the router", "a standalone router has no %s %s", role, kind)
	case mode == ModeEdge && role == RoleInterRouter:
		b.problems.errorf(at, "an edge router has connectors of role edge", "an edge router has no %s %s", role, kind)
	case mode == ModeEdge && role == RoleEdge && kind == "listener":
		b.problems.errorf(at, "edge routers connect to interior routers", "an edge router has no %s %s", role, kind)
	case mode == ModeInterior && role == RoleEdge && kind == "listener":
		b.problems.warnf(at, "", "edge routers are not supported yet; this listener is not opened")
	case mode == ModeInterior && role == RoleEdge && kind == "connector":
		b.tolerate(at, "interior routers have listeners of role edge", "an interior router has no %s %s", role, kind)
	}
}

// openProperties checks that a user does not set properties the router itself sends.
func (b *builder) openProperties(r *record) {
	own, _ := r.attributes["openProperties"].(map[string]any)
	if len(own) == 0 {
		return
	}
	if r.is("role", string(RoleInterRouter), string(RoleEdge)) {
		b.problems.errorf(r.where("openProperties"), "", "openProperties on a connection between routers")
	}
	reserved := []string{"product", "version", "failover-server-list", "network-host", "port", "scheme", "hostname"}
	for key := range own {
		if slices.Contains(reserved, key) || strings.HasPrefix(key, "qd.") || strings.HasPrefix(key, "x-opt-qd.") {
			b.problems.errorf(r.where("openProperties"), "", "%q in openProperties is reserved for the router", key)
		}
	}
}

// connector checks what only connectors have.
func (b *builder) connector(c, router *record) {
	if n, ok := PortNumber(c.text("port")); ok && n == 0 {
		b.problems.errorf(c.where("port"), "1 to 65535", "a connector cannot connect to port 0")
	}
	if c.text("host") == "" {
		b.problems.errorf(c.where("host"), "a host name or an IP address", "a connector needs a host")
	}
	if c.has("saslPassword") && c.text("saslUsername") == "" {
		b.tolerate(c.where("saslPassword"), "give both or none", "saslPassword without saslUsername")
	}
	local := Listener{Host: c.text("host")}
	if c.text("saslUsername") != "" && c.text("sslProfile") == "" && local.Reachable() {
		b.problems.warnf(c.where("saslUsername"), "give the connector an sslProfile",
			"the password is sent without encryption")
	}
	if Mode(router.text("mode")) == ModeEdge && c.has("cost") && c.is("role", string(RoleEdge)) {
		b.problems.warnf(c.where("cost"), "", "cost has no effect on an uplink")
	}
}

// address checks an address entity.
func (b *builder) address(a *record) {
	prefix, pattern := a.text("prefix"), a.text("pattern")
	switch {
	case prefix == "" && pattern == "":
		b.drop(a, a.at, "give prefix or pattern", "address without prefix and pattern")
	case prefix != "" && pattern != "":
		b.drop(a, a.where("pattern"), "give one of them", "address with prefix and pattern")
	case addressPattern(prefix, pattern) == "":
		b.drop(a, a.at, "", "%q holds nothing but separators", prefix+pattern)
	}
	for token := range strings.FieldsFuncSeq(prefix+pattern, isSeparator) {
		if len(token) > 1 && strings.ContainsAny(token, "*#") {
			b.problems.warnf(a.at, "a wildcard stands between separators: a.*.b", "%q is matched as it stands", token)
		}
	}
	if a.has("ingressPhase") != a.has("egressPhase") {
		b.drop(a, a.at, "give both or none", "address with only one of ingressPhase and egressPhase")
	}
	if a.flag("enableFallback") && (a.flag("waypoint") || a.number("ingressPhase")+a.number("egressPhase") > 0) {
		b.drop(a, a.where("enableFallback"), "", "enableFallback together with waypoint or phases")
	}
	if a.number("redundant") > 1 && a.is("distribution", string(DistributionMulticast)) {
		b.drop(a, a.where("redundant"), "", "redundant together with distribution multicast: every consumer gets one copy as it is")
	}
}

// addressPattern returns the pattern that stands for either of prefix and pattern, "" if it has no tokens.
func addressPattern(prefix, pattern string) string {
	trimmed := strings.TrimFunc(prefix+pattern, isSeparator)
	if prefix != "" && trimmed != "" {
		trimmed += "/#"
	}
	return trimmed
}

// isSeparator reports whether the character separates the tokens of an address.
func isSeparator(c rune) bool { return c == '/' || c == '.' }

// log checks a log entity.
func (b *builder) log(l *record) {
	if _, _, err := logging.ParseEnable(l.text("enable")); err != nil {
		b.drop(l, l.where("enable"), "", "%v", err)
	}
}

// uniqueNames checks that no two entities of a type share a name, nor a listener and a connector.
func (b *builder) uniqueNames() {
	first := map[string]*record{}
	for _, r := range b.records {
		space := r.entityType.Section
		if space == "connector" {
			space = "listener"
		}
		name := r.text("name")
		if name == "" || r.entityType.Singleton {
			continue
		}
		if other := first[space+" "+name]; other != nil {
			b.problems.errorf(r.where("name"), "", "the name %q is taken by the %s of line %d", name, other.entityType.Section,
				other.at.Line)
			continue
		}
		first[space+" "+name] = r
	}
}

// uniqueValues checks that no two entities of a type have the same value; the later one is dropped.
func (b *builder) uniqueValues(entityType, attribute string, key func(*record) string) {
	first := map[string]*record{}
	for _, r := range b.ofType(entityType) {
		k := key(r)
		if k == "" {
			continue
		}
		if other := first[k]; other != nil {
			b.drop(r, r.where(attribute), "", "%s %s is already taken by line %d", r.entityType.Section, k, other.at.Line)
			continue
		}
		first[k] = r
	}
}
