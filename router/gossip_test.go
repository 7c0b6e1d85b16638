package router

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/postroad/postroad/internal/config"
	"github.com/postroad/postroad/internal/logging"
	"github.com/postroad/postroad/mesh"
	"github.com/postroad/postroad/mesh/membership"
	"github.com/postroad/postroad/mesh/planner"
	"github.com/postroad/postroad/router/conn"
	"github.com/postroad/postroad/router/discovery"
	"github.com/postroad/postroad/tls/tlstest"
)

// gossipers is a network of routers that find each other, in TLS on one port for each.
type gossipers struct {
	*network
	ca     *tlstest.Authority
	folder string
	seed   string // host:port of the first one
	policy string // of the planner
}

// newGossipers returns a network without routers. Each gets two links, so that they form a ring.
func newGossipers(t testing.TB) *gossipers {
	return &gossipers{network: newNetwork(t), ca: tlstest.NewAuthority(t, "mesh", nil), folder: t.TempDir(),
		policy: "degree: 2"}
}

// profile writes the files of a certificate and returns the sslProfile with the name mesh.
func (g *gossipers) profile(ca *tlstest.Authority, name string) string {
	g.t.Helper()
	pair := ca.Issue(name, nil)
	return fmt.Sprintf("sslProfiles: [{name: mesh, caCertFile: %s, certFile: %s, privateKeyFile: %s}]",
		ca.File, pair.CertFile, pair.KeyFile)
}

// text is the configuration of a router with a certificate. More is what it says of gossip beside the seed.
func (g *gossipers) text(id, profile, more string) string {
	gossip := g.policy
	if g.seed != "" {
		gossip += ", join: [\"" + g.seed + "\"]"
	}
	if more != "" {
		gossip += ", " + more
	}
	return plan{id: id, standalone: true, sections: profile + "\nmesh: {name: test, gossip: {" + gossip + "}}"}.text()
}

// prepare makes a router that gossips fast, without starting it.
func prepare(t testing.TB, text string) *Router {
	t.Helper()
	text = strings.Replace(text, "mode: standalone", "mode: interior", 1)
	cfg, problems := config.Parse("router.yaml", []byte(text))
	if cfg == nil {
		t.Fatalf("configuration refused: %v\n%s", problems, text)
	}
	logs, err := logging.New(logging.Options{
		Modules: map[logging.Module]logging.Settings{logging.Default: {Enable: "info+"}},
		Stderr:  discard{}, Stdout: discard{},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(cfg, Options{Logs: logs, Version: "0.0.0-test"})
	if err != nil {
		t.Fatal(err)
	}
	if r.gossip != nil {
		timing := &r.gossip.Config.Timing
		timing.Gossip, timing.PushPull = 20*time.Millisecond, time.Second
		timing.Probe, timing.ProbeWait, timing.Suspicion = 200*time.Millisecond, 150*time.Millisecond, 4
	}
	return r
}

// join starts a router of the network.
func (g *gossipers) join(id, more string) *Router {
	g.t.Helper()
	return g.run(g.secured(g.text(id, g.profile(g.ca, id), more)))
}

// secured gives the router a listener for routers, with a certificate.
func (g *gossipers) secured(text string) string {
	return strings.Replace(text, "listeners:\n", "listeners:\n  - {name: routers, host: 127.0.0.1, port: 0, "+
		"role: inter-router, sslProfile: mesh, saslMechanisms: EXTERNAL}\n", 1)
}

// run starts a router of a configuration.
func (g *gossipers) run(text string) *Router {
	g.t.Helper()
	r := prepare(g.t, text)
	if err := r.Start(); err != nil {
		g.t.Fatalf("router %s: %v", r.ID(), err)
	}
	g.routers = append(g.routers, r)
	if g.seed == "" {
		g.seed = r.Addr("routers")
		if r.gossip != nil && r.gossip.Port != nil {
			g.seed = r.gossip.Port.Addr().String()
		}
	}
	return r
}

// links are the adjacencies that routers have, each as "A-B", of connections that are up.
func (n *network) links() []string {
	found := make(map[string]int)
	for _, r := range n.routers {
		for peer, list := range neighborhoodOf(r).With {
			for _, a := range list {
				if a.Up {
					found[min(r.ID(), peer)+"-"+max(r.ID(), peer)]++
				}
			}
		}
	}
	var links []string
	for name, ends := range found {
		if ends != 2 {
			name += fmt.Sprintf("(%d ends)", ends)
		}
		links = append(links, name)
	}
	slices.Sort(links)
	return links
}

// wantPlan waits until the links between the routers are those of the plan, each there once, and everybody has a way
// to everybody.
func (g *gossipers) wantPlan(what string) {
	g.t.Helper()
	var members []planner.Member
	for _, r := range g.routers {
		members = append(members, planner.Member{ID: r.ID(), Reachable: true})
	}
	plan, err := planner.New(members, g.routers[0].gossip.Planned.Policy)
	if err != nil {
		g.t.Fatal(err)
	}
	var want []string
	for _, l := range plan.Links() {
		want = append(want, l.A+"-"+l.B)
	}
	slices.Sort(want)
	eventually(g.t, what, func() error {
		if got := g.links(); !slices.Equal(got, want) {
			return fmt.Errorf("the links are %v, the plan has %v", got, want)
		}
		for _, r := range g.routers {
			for _, other := range g.routers {
				if p := r.peerNamed(other.ID()); other != r && (p == nil || p.Hop.Load() == nil) {
					return fmt.Errorf("%s has no next hop to %s", r.ID(), other.ID())
				}
			}
		}
		return nil
	})
}

// wantPicture waits until what management of each router tells is the mesh as it is: the routers that run, and the links
// that both of their ends have. A router that has died does not take back what it has said last.
func (g *gossipers) wantPicture(what string) {
	g.t.Helper()
	var ids []string
	for _, r := range g.routers {
		ids = append(ids, r.ID())
	}
	slices.Sort(ids)
	eventually(g.t, "the picture is right: "+what, func() error {
		want := g.links()
		for _, r := range g.routers {
			said := make(map[string][]string)
			for node := range r.view.RouterNodes() {
				if node.Self || node.Cost > 0 {
					said[node.ID] = node.LinkState
				}
			}
			if got := slices.Sorted(maps.Keys(said)); !slices.Equal(got, ids) {
				return fmt.Errorf("%s has the routers %v, want %v", r.ID(), got, ids)
			}
			var links []string
			for a, peers := range said {
				for _, b := range peers {
					if a < b && slices.Contains(said[b], a) {
						links = append(links, a+"-"+b)
					}
				}
			}
			if slices.Sort(links); !slices.Equal(links, want) {
				return fmt.Errorf("%s has the links %v, and there are %v", r.ID(), links, want)
			}
		}
		return nil
	})
}

// TestRoutersWithOneSeedFormThePlannedMesh: five routers that know the address of the first one form a ring. A sixth
// takes its place in it, and the ring closes again when one dies, and when one leaves.
func TestRoutersWithOneSeedFormThePlannedMesh(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 5 {
		g.join(letter(i), "")
	}
	g.wantPlan("five routers form the planned mesh")
	g.join("F", "")
	g.wantPlan("the sixth router takes its place")
	g.wantPicture("the sixth router is there")
	g.kill("C")
	g.wantPicture("one has died")
	g.wantPlan("one has died")
	g.wantPicture("the gap is closed")
	g.stop("D")
	g.wantPicture("one has left")
	g.wantPlan("one has left")
	g.wantPicture("the gap is closed again")
	eventually(t, "everybody has heard it", func() error {
		for _, r := range g.routers {
			planned := 0
			for row := range r.view.Members() {
				if row.ID == "D" || row.Lost != (row.ID == "C") {
					return fmt.Errorf("%s has the member %+v; C was lost and D has left", r.ID(), row)
				}
				if row.Planned != row.Linked || row.Self != (row.ID == r.ID()) || row.Lost && row.Planned {
					return fmt.Errorf("%s has the member %+v", r.ID(), row)
				}
				if row.Planned {
					planned++
				}
			}
			m := r.view.Snapshot().Mesh.Gossip
			if m.Members != 4 || m.Lost != 1 || m.PlannedLinks != planned || m.PlannedUp != planned {
				return fmt.Errorf("%s counts %+v, and has %d planned links", r.ID(), m, planned)
			}
		}
		return nil
	})
	g.wantPlan("nothing has changed meanwhile")
}

// TestTheGapIsClosedBeforeARouterThatDrainsIsGone: the others make the links that take its place while its own are up.
func TestTheGapIsClosedBeforeARouterThatDrainsIsGone(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 5 {
		g.join(letter(i), "")
	}
	g.wantPlan("five routers form the planned mesh")
	leaving := g.node("B")
	if err := leaving.Drain(within(t)); err != nil {
		t.Fatal(err)
	}
	var members []planner.Member
	for _, r := range g.routers {
		if r != leaving {
			members = append(members, planner.Member{ID: r.ID(), Reachable: true})
		}
	}
	plan, err := planner.New(members, leaving.gossip.Planned.Policy)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the others have the links of the plan without it, and its own", func() error {
		links := g.links()
		for _, l := range plan.Links() {
			if !slices.Contains(links, l.A+"-"+l.B) {
				return fmt.Errorf("there is no link %s-%s among %v", l.A, l.B, links)
			}
		}
		return nil
	})
	if near := neighborhoodOf(leaving).With; len(near) != 2 {
		t.Errorf("it has the neighbors %v, want two", near)
	}
	g.stop("B")
	g.wantPlan("it is gone")
}

// TestNothingIsHandedBackWhenAPlannedLinkEnds: while routers join and links give way to others, each message is accepted
// once.
func TestNothingIsHandedBackWhenAPlannedLinkEnds(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 3 {
		g.join(letter(i), "")
	}
	g.wantPlan("three routers form the planned mesh")
	stop := make(chan struct{})
	var sending sync.WaitGroup
	counts := make(map[string]*[2]atomic.Int64) // sent and accepted, received
	for _, to := range g.routers {
		for _, from := range g.routers {
			if from == to {
				continue
			}
			address := "closest/" + from.ID() + to.ID()
			count := new([2]atomic.Int64)
			counts[address] = count
			connect(t, to).receiver(address, 100).consume(func(*amqp.Message) { count[1].Add(1) })
			g.consumers(from.ID(), address, 0, 1)
			s := connect(t, from).sender(address, nil)
			sending.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					receipt, err := s.link.SendWithReceipt(s.ctx, amqp.NewMessage([]byte(address)), nil)
					if err != nil {
						t.Errorf("%s: send: %v", address, err)
						return
					}
					state, err := receipt.Wait(s.ctx)
					if _, ok := state.(*amqp.StateAccepted); !ok {
						t.Errorf("%s: the outcome is %s, %v, after %d messages", address, shown(state), err, count[0].Load())
						return
					}
					count[0].Add(1)
				}
			})
		}
	}
	for _, id := range []string{"D", "E", "F"} {
		g.join(id, "")
		g.wantPlan("router " + id + " takes its place")
	}
	close(stop)
	sending.Wait()
	for address, count := range counts {
		if sent, received := count[0].Load(), count[1].Load(); sent != received || sent == 0 {
			t.Errorf("%s: %d messages were accepted, %d received", address, sent, received)
		}
	}
}

// TestAPlannedLinkBetweenSitesCostsMore: in both directions, whoever dials.
func TestAPlannedLinkBetweenSitesCostsMore(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for id, site := range map[string]string{"A": "eu", "B": "us"} {
		text := g.text(id, g.profile(g.ca, id), "costBetween: 7, allowSites: [eu, us]")
		g.run(g.secured(strings.Replace(text, "name: test", "name: test, site: "+site, 1)))
	}
	eventually(t, "the link is up", func() error {
		for _, r := range g.routers {
			if state := r.ownLinkState(); len(state) != 1 || state[0].Cost != 7 {
				return fmt.Errorf("%s has the neighbors %v, want one of cost 7", r.ID(), state)
			}
		}
		return nil
	})
}

// TestARouterThatNobodyCanDialTakesPart: it dials the routers with which the plan links it.
func TestARouterThatNobodyCanDialTakesPart(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 3 {
		g.join(letter(i), "")
	}
	x := prepare(t, g.text("X", g.profile(g.ca, "X"), "sslProfile: mesh"))
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	g.routers = append(g.routers, x)
	eventually(t, "it is linked with two of them", func() error {
		for _, r := range g.routers {
			if m, known := r.gossip.Snapshot().Find("X"); !known || len(m.Endpoints) > 0 {
				return fmt.Errorf("%s has the member %+v", r.ID(), m)
			}
		}
		near := neighborhoodOf(x)
		for _, id := range slices.Sorted(maps.Keys(near.With)) {
			if list := near.With[id]; len(list) != 1 || !list[0].Up || list[0].Connector == nil {
				return fmt.Errorf("X has the adjacencies %+v with %s", list, id)
			}
		}
		if len(near.With) != 2 {
			return fmt.Errorf("X has the neighbors %v", near.With)
		}
		return nil
	})
}

// TestAConfiguredConnectorTakesThePlaceOfAPlannedLink: there is one link between two routers, whoever has configured it
// and whatever is planned.
func TestAConfiguredConnectorTakesThePlaceOfAPlannedLink(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"A", "B"} {
		t.Run("at "+from, func(t *testing.T) {
			t.Parallel()
			g := newGossipers(t)
			port := fixedPort(t)
			g.run(strings.Replace(g.secured(g.text(from, g.profile(g.ca, from), "")), "connectors: []",
				"connectors: [{name: by-hand, host: 127.0.0.1, port: "+port+", role: inter-router, sslProfile: mesh}]", 1))
			other := "B"
			if from == "B" {
				other = "A"
			}
			text := g.secured(g.text(other, g.profile(g.ca, other), ""))
			g.run(strings.Replace(text, "port: 0, role: inter-router", "port: "+port+", role: inter-router", 1))
			eventually(t, "the configured connector is the only link", func() error {
				for _, r := range g.routers {
					p := &r.gossip.Planned
					p.Mu.Lock()
					wanted, links := len(p.Wanted), len(p.Links)
					p.Mu.Unlock()
					if near := neighborhoodOf(r).With; wanted != 1 || links != 0 || len(near) != 1 {
						return fmt.Errorf("%s wants %d links, has %d planned ones, and the neighbors %v", r.ID(), wanted,
							links, near)
					}
					for _, list := range neighborhoodOf(r).With {
						if len(list) != 1 || !list[0].Up || list[0].Planned {
							return fmt.Errorf("%s has the adjacencies %+v", r.ID(), list)
						}
					}
				}
				return nil
			})
		})
	}
}

// neighborLinks are the numbers of the connections with neighbors.
func (r *Router) neighborLinks() []mesh.LinkID {
	r.control.Mu.Lock()
	defer r.control.Mu.Unlock()
	return slices.Sorted(maps.Keys(r.control.Neighbors))
}

// TestALinkToARouterThatGossipForgetsStays: gossip is a hint, and what it does not say ends nothing.
func TestALinkToARouterThatGossipForgetsStays(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	for i := range 3 {
		g.join(letter(i), "")
	}
	g.wantPlan("three routers form the planned mesh")
	before := make(map[string][]mesh.LinkID)
	for _, r := range g.routers {
		before[r.ID()] = r.neighborLinks()
	}
	g.node("A").gossip.Members.Stop() // for the others it is lost
	eventually(t, "the others have lost A, and planned without it", func() error {
		for _, r := range g.routers[1:] {
			m, _ := r.gossip.Snapshot().Find("A")
			p := &r.gossip.Planned
			p.Mu.Lock()
			_, wanted := p.Wanted["A"]
			p.Mu.Unlock()
			if !m.Lost || wanted {
				return fmt.Errorf("%s has the member %+v, wanted: %v", r.ID(), m, wanted)
			}
		}
		return nil
	})
	for _, r := range g.routers {
		for range 3 {
			r.gossip.Planned.Poke()
			if now := r.neighborLinks(); !slices.Equal(now, before[r.ID()]) {
				t.Errorf("%s has the connections %v, had %v", r.ID(), now, before[r.ID()])
			}
		}
	}
	want := []string{"A-B", "A-C", "B-C"}
	if got := g.links(); !slices.Equal(got, want) {
		t.Errorf("the links are %v, want %v", got, want)
	}
}

// TestARouterWithoutTheRightCertificateIsRefused: the certificate decides who a router is, whatever it says.
func TestARouterWithoutTheRightCertificateIsRefused(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	a := g.join("A", `allowIds: ["?"]`)
	stranger := tlstest.NewAuthority(t, "stranger", nil)
	for _, r := range []struct{ name, text string }{
		{"with the certificate of another router", g.text("B", g.profile(g.ca, "somebody"), "")},
		{"of another authority", g.text("C", g.profile(stranger, "C"), "")},
		{"that is not on the list", g.text("DD", g.profile(g.ca, "DD"), "")},
		{"of another mesh", strings.Replace(g.text("E", g.profile(g.ca, "E"), ""), "name: test", "name: other", 1)},
	} {
		x := prepare(t, g.secured(r.text))
		if err := x.Start(); err != nil {
			t.Fatal(err)
		}
		defer x.Stop()
		eventually(t, "a router "+r.name+" hears that it is refused", func() error {
			for _, e := range x.host.Logs.Recent(100) {
				if strings.Contains(e.Text, "no seed could be joined") {
					return nil
				}
			}
			return fmt.Errorf("it has not logged it")
		})
		if n := len(x.gossip.Snapshot().Members); n != 1 {
			t.Errorf("a router %s has %d members", r.name, n)
		}
	}
	if members := a.gossip.Snapshot().Members; len(members) != 1 {
		t.Errorf("A has the members %v, want itself alone", members)
	}
	if len(a.gossip.Planned.Links) > 0 || a.gossip.Refused.Load() == 0 {
		t.Errorf("A has %d planned links and has refused %d", len(a.gossip.Planned.Links), a.gossip.Refused.Load())
	}
}

// TestAPlannedLinkToAnotherRouterThanPlannedIsRefused: whoever answers at the endpoint of a member has to be that member.
func TestAPlannedLinkToAnotherRouterThanPlannedIsRefused(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	a, b := g.join("A", ""), g.join("B", "shape: none")
	eventually(t, "the routers know each other", func() error {
		if n := len(a.gossip.Snapshot().Members); n != 2 {
			return fmt.Errorf("A has %d members", n)
		}
		return nil
	})
	where, _ := b.gossip.Endpoints()
	for name, verify := range map[string]bool{"by certificate": true, "by its open": false} {
		cfg := *a.gossip.Entity
		cfg.VerifyID = verify
		l := &discovery.PlannedLink{Gossip: &discovery.Gossip{Host: a.host, Entity: &cfg, Profile: a.gossip.Profile}, Peer: "Z"}
		l.Connector = &conn.Connector{Host: a.host, Ctx: a.host.Ctx, Guide: l}
		l.Set(membership.Member{ID: "Z", Endpoints: where}, 1)
		if err := l.Aim(l.Connector); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Connector.Once(); err == nil || !strings.Contains(err.Error(), `"Z"`) {
			t.Errorf("%s: the connection to B as Z ends with %v", name, err)
		}
	}
}

// TestGossipInPlainTextWithAKey: routers without certificates find each other on ports of their own, with keys; one that
// has another key finds nobody.
func TestGossipInPlainTextWithAKey(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	keys, others := filepath.Join(g.folder, "keys"), filepath.Join(g.folder, "others")
	for _, path := range []string{keys, others} {
		if _, err := membership.CreateKeyring(path); err != nil {
			t.Fatal(err)
		}
	}
	plain := func(id, keys string) string {
		return strings.Replace(g.text(id, "", `bind: "127.0.0.1:0", keyFile: `+keys), "listeners:\n",
			"listeners:\n  - {name: routers, host: 127.0.0.1, port: 0, role: inter-router}\n", 1)
	}
	for i := range 3 {
		g.run(plain(letter(i), keys))
	}
	stranger := prepare(t, plain("X", others))
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Stop()
	g.wantPlan("three routers form the planned mesh")
	eventually(t, "the stranger is refused", func() error {
		var refused uint64
		for _, r := range append(g.routers[:3:3], stranger) {
			refused += r.gossip.Members.Counters().RefusedKey
		}
		if refused == 0 {
			return fmt.Errorf("nothing was refused")
		}
		return nil
	})
	if n := len(stranger.gossip.Snapshot().Members); n != 1 {
		t.Errorf("the stranger knows %d members", n)
	}
}

// TestKeysAreRotatedWithoutAnInterruption: routers notice that the files of their keys have changed, in each of the
// three steps, and nobody is lost.
func TestKeysAreRotatedWithoutAnInterruption(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	paths := make(map[string]*membership.Keyring)
	first := membership.GenerateKey()
	for i := range 3 {
		path := filepath.Join(g.folder, letter(i)+".keys")
		ring, err := membership.CreateKeyring(path)
		if err != nil {
			t.Fatal(err)
		}
		own := ring.Keys()[0].Fingerprint
		if err := cmp.Or(ring.Add(first), ring.Use(first)); err != nil {
			t.Fatal(err)
		}
		if own == ring.Keys()[0].Fingerprint {
			t.Fatal("the common key is not in use")
		}
		paths[letter(i)] = ring
		g.join(letter(i), "keyFile: "+path)
	}
	g.wantPlan("three routers form the planned mesh")
	second := membership.GenerateKey()
	steps := []func(k *membership.Keyring) error{
		func(k *membership.Keyring) error { return k.Add(second) },
		func(k *membership.Keyring) error { return k.Use(second) },
		func(k *membership.Keyring) error { return k.Remove(first) },
	}
	for n, step := range steps {
		for _, id := range slices.Sorted(maps.Keys(paths)) {
			if err := step(paths[id]); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range g.routers {
			eventually(t, fmt.Sprintf("%s notices step %d", r.ID(), n+1), func() error {
				if got, want := r.gossip.Keys.Keys(), paths[r.ID()].Keys(); !slices.Equal(got, want) {
					return fmt.Errorf("it has %v, its file %v", got, want)
				}
				return nil
			})
		}
	}
	g.wantPlan("the mesh is as before")
	for _, r := range g.routers {
		for _, m := range r.gossip.Snapshot().Members {
			if m.Lost {
				t.Errorf("%s has lost %s", r.ID(), m.ID)
			}
		}
	}
	g.join("D", "keyFile: "+filepath.Join(g.folder, "A.keys"))
	g.wantPlan("a router with the new key joins")
}

// TestAThousandMembersAreNotDialedAtOnce: whatever gossip tells, links are begun at a bounded rate, and end when gossip
// tells otherwise before they are up.
func TestAThousandMembersAreNotDialedAtOnce(t *testing.T) {
	t.Parallel()
	g := newGossipers(t)
	g.policy = "shape: full-mesh"
	r := prepare(t, g.secured(g.text("A", g.profile(g.ca, "A"), "")))
	defer r.host.Cancel()
	defer r.gossip.Leave()
	snapshot := &membership.Snapshot{}
	for i := range 1000 {
		m := membership.Member{ID: fmt.Sprintf("R%03d", i)}
		if i == 0 {
			m.ID = "A"
		}
		m.Endpoints = []membership.Endpoint{{Transport: config.WayAMQPS, Host: "127.0.0.1", Port: 1}}
		snapshot.Members = append(snapshot.Members, m)
	}
	p := &r.gossip.Planned
	p.Replan(snapshot)
	if n := len(p.Peers()); n != 999 {
		t.Errorf("%d links are planned, want 999", n)
	}
	now := time.Now()
	p.Reconcile(snapshot, now)
	if n := len(p.Links); n != int(discovery.PlannedBurst) {
		t.Errorf("%d links are begun at once, want %v", n, discovery.PlannedBurst)
	}
	p.Reconcile(snapshot, now.Add(time.Second))
	if n := len(p.Links); n != int(discovery.PlannedBurst+discovery.PlannedRate) {
		t.Errorf("%d links are begun after a second, want %v", n, discovery.PlannedBurst+discovery.PlannedRate)
	}
	snapshot = &membership.Snapshot{Members: snapshot.Members[:1]}
	p.Replan(snapshot)
	p.Reconcile(snapshot, now.Add(2*time.Second))
	if n := len(p.Links); n != 0 {
		t.Errorf("%d links are left that are not planned and not up", n)
	}
	r.host.Serving.Wait()
}
