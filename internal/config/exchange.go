package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postroad/postroad/addressing"
)

// exchanges checks the exchanges and their bindings. Interconnect ignores the ones it cannot use.
func (b *builder) exchanges() {
	named := map[string]*record{}
	var names []string
	for _, x := range b.ofType("router.config.exchange") {
		name := x.text("name")
		switch {
		case name == "":
			b.drop(x, x.at, "bindings refer to it by name", "exchange has no name")
		case x.text("address") == "":
			b.drop(x, x.where("address"), "the address publishers send to", "address is empty")
		case !publishable(x.text("address")):
			b.drop(x, x.where("address"), "any other address", "%q is the routers' own address", x.text("address"))
		case named[name] == nil: // else uniqueNames reports it
			named[name] = x
			names = append(names, name)
		}
		if x.has("alternatePhase") && x.text("alternateAddress") == "" {
			b.problems.warnf(x.where("alternatePhase"), "give the exchange an alternateAddress",
				"alternatePhase without alternateAddress has no effect")
		}
	}
	b.uniqueValues("router.config.exchange", "address", func(x *record) string { return x.text("address") })
	slices.Sort(names)
	for _, r := range b.ofType("router.config.binding") {
		name := r.text("exchangeName")
		x := named[name]
		if x == nil || x.dropped {
			b.drop(r, r.where("exchangeName"), didYouMean(name, names), "there is no exchange %q", name)
			continue
		}
		b.binding(r, x)
	}
	b.uniqueValues("router.config.binding", "bindingKey", func(r *record) string {
		key, _ := matchMethod(named[r.text("exchangeName")]).NormalizeKey(r.text("bindingKey"))
		return fmt.Sprintf("%s → %s, phase %d, of exchange %s", key, r.text("nextHopAddress"), r.number("nextHopPhase"),
			r.text("exchangeName"))
	})
}

// binding checks a binding of an exchange.
func (b *builder) binding(r, exchange *record) {
	method, key := matchMethod(exchange), r.text("bindingKey")
	if r.text("nextHopAddress") == "" {
		b.drop(r, r.where("nextHopAddress"), "the address to forward to", "nextHopAddress is empty")
		return
	}
	if _, err := method.NormalizeKey(key); err != nil {
		b.drop(r, r.where("bindingKey"), "", "%v", err)
		return
	}
	for _, token := range method.StrangeTokens(key) {
		hint := "a wildcard stands between separators: a.*.b"
		if method == addressing.MatchMQTT {
			hint = "a wildcard stands between separators: a/+/b"
		}
		b.problems.warnf(r.where("bindingKey"), hint, "%q is matched as it stands", token)
	}
}

// matchMethod returns the match method of an exchange.
func matchMethod(exchange *record) addressing.MatchMethod {
	m, _ := addressing.ParseMatchMethod(exchange.text("matchMethod")) // one of the enumeration's
	return m
}

// publishable reports whether an exchange may have the address: it is not one that routers talk to each other with.
func publishable(address string) bool {
	a := addressing.NewRouter("").Parse(address)
	return (a.Class == addressing.ClassMobile || a.Class == addressing.ClassLocal) && a.Text != "" &&
		!strings.HasPrefix(a.Text, "$management") && !strings.HasPrefix(a.Text, "_$") &&
		!(a.Class == addressing.ClassLocal && strings.HasPrefix(a.Text, "qd"))
}
