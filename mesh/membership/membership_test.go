package membership

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoutersFindEachOtherThroughOneSeed, with everything that they say about themselves.
func TestRoutersFindEachOtherThroughOneSeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const n = 20
		var routers []*router
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("R%02d", i))
			routers = append(routers, w.start(ids[i], "R00", func(c *Config, _ *OverlayConfig) {
				c.Site = fmt.Sprint("site", i%3)
				if i == n-1 {
					c.Role = RoleEdge
				}
			}))
		}
		wantView(t, "all join", strings.Join(ids, " "), routers...)
		for _, r := range routers {
			for i, m := range r.Snapshot().Members {
				wantRole := RoleInterior
				if i == n-1 {
					wantRole = RoleEdge
				}
				if m.Site != fmt.Sprint("site", i%3) || m.Role != wantRole || m.Instance == 0 || !m.Reachable() ||
					m.Endpoints[0] != at(ids[i]) {
					t.Errorf("%s knows %+v", r.id, m)
				}
			}
			if c := r.Counters(); c.RefusedDetails+c.RefusedMember+c.RefusedMessage > 0 {
				t.Errorf("%s refuses what good routers say: %+v", r.id, c)
			}
		}
	})
}

// TestRoutersThatOnlyDialAreMembers: they are reached through the routers that they have dialed, and stay members.
func TestRoutersThatOnlyDialAreMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		hidden := func(c *Config, _ *OverlayConfig) { c.Endpoints = nil }
		routers := []*router{
			w.start("A", "", nil), w.start("B", "A", nil),
			w.start("X", "A", hidden), w.start("Y", "B", hidden), w.start("Z", "B", hidden),
		}
		want := "A B X Y Z"
		wantView(t, "all join", want, routers...)
		eventually(t, "relays are known", func() error {
			for _, r := range routers {
				for _, id := range []string{"X", "Y", "Z"} {
					if m, _ := r.Snapshot().Find(id); m.Reachable() || len(m.Relays) == 0 {
						return fmt.Errorf("%s knows %+v", r.id, m)
					}
				}
			}
			return nil
		})
		before := make([]uint64, len(routers))
		for i, r := range routers {
			before[i] = r.Snapshot().Generation
		}
		time.Sleep(5 * time.Minute)
		for i, r := range routers {
			if got := r.view(); got != want {
				t.Errorf("%s knows %q, want %q", r.id, got, want)
			}
			if r.said("is lost") {
				t.Errorf("%s has lost somebody: %q", r.id, r.logged())
			}
			if n := r.Snapshot().Generation - before[i]; n > 2 {
				t.Errorf("%s has %d snapshots although nothing happens", r.id, n)
			}
		}
		c, err := routers[2].overlay.DialStream(t.Context(), "Z")
		if err != nil {
			t.Fatalf("X does not reach Z: %v", err)
		}
		_ = c.Close()
	})
}

// TestAPartitionHeals: each side takes the other one for lost, remembers it, and finds it again.
func TestAPartitionHeals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var routers []*router
		for _, id := range []string{"A", "B", "C", "D", "E", "F"} {
			routers = append(routers, w.start(id, "A", nil))
		}
		wantView(t, "all join", "A B C D E F", routers...)
		w.divide(1, "D", "E", "F")
		wantView(t, "one side", "A B C -D -E -F", routers[:3]...)
		wantView(t, "the other side", "-A -B -C D E F", routers[3:]...)
		time.Sleep(10 * time.Minute) // longer than memberlist remembers
		wantView(t, "one side, later", "A B C -D -E -F", routers[:3]...)
		w.divide(0, "D", "E", "F")
		wantView(t, "together again", "A B C D E F", routers...)
	})
}

// TestWhoLeavesIsForgottenAndWhoCrashesIsNot.
func TestWhoLeavesIsForgottenAndWhoCrashesIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const retain = 10 * time.Minute
		var routers []*router
		for _, id := range []string{"A", "B", "C", "D", "E"} {
			routers = append(routers, w.start(id, "A", func(c *Config, _ *OverlayConfig) { c.Timing.Retain = retain }))
		}
		wantView(t, "all join", "A B C D E", routers...)
		routers[4].Leave(t.Context())
		wantView(t, "E leaves", "A B C D", routers[:4]...)
		w.crash(routers[3])
		wantView(t, "D crashes", "A B C -D", routers[:3]...)
		old, _ := routers[0].Snapshot().Find("D")
		routers[3] = w.start("D", "B", func(c *Config, _ *OverlayConfig) { c.Site = "elsewhere" })
		wantView(t, "D is back", "A B C D", routers[:4]...)
		eventually(t, "the new life", func() error {
			if m, _ := routers[0].Snapshot().Find("D"); m.Site != "elsewhere" || m.Instance <= old.Instance {
				return fmt.Errorf("A knows %+v", m)
			}
			return nil
		})
		for _, r := range routers[:3] {
			if r.said("member E is lost") {
				t.Errorf("%s has taken E for lost: %q", r.id, r.logged())
			}
		}
		w.crash(routers[3])
		wantView(t, "D crashes", "A B C -D", routers[:3]...)
		time.Sleep(retain)
		wake(routers[:3])
		wantView(t, "D is forgotten", "A B C", routers[:3]...)
	})
}

// wake makes routers take another snapshot.
func wake(routers []*router) {
	for _, r := range routers {
		poke(r.wake)
	}
}

// TestNewEndpointsReachEverybody.
func TestNewEndpointsReachEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		routers := []*router{w.start("A", "", nil), w.start("B", "A", nil), w.start("C", "A", nil)}
		wantView(t, "all join", "A B C", routers...)
		moved := []Endpoint{at("B"), {"quic", "b.example", 5671}}
		if err := routers[1].SetEndpoints(moved); err != nil {
			t.Fatal(err)
		}
		eventually(t, "B has moved", func() error {
			for _, r := range routers {
				if m, _ := r.Snapshot().Find("B"); !slices.Equal(m.Endpoints, moved) {
					return fmt.Errorf("%s knows %+v", r.id, m)
				}
			}
			return nil
		})
		long := Endpoint{"quic", strings.Repeat("h", maxHost), 1}
		if err := routers[1].SetEndpoints([]Endpoint{long, long, long, long}); err == nil {
			t.Error("endpoints that do not fit into a packet are accepted")
		}
		if m, _ := routers[1].Snapshot().Find("B"); !slices.Equal(m.Endpoints, moved) {
			t.Errorf("B knows %+v of itself", m)
		}
	})
}

// TestKeysAreRotatedWithoutAnInterruption, and the old one opens nothing any more.
func TestKeysAreRotatedWithoutAnInterruption(t *testing.T) {
	t.Parallel()
	old, next := GenerateKey(), GenerateKey()
	var rings []*Keyring
	for range 4 {
		rings = append(rings, keyring(t, old))
	}
	stranger := keyring(t, old)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var routers []*router
		for i, id := range []string{"A", "B", "C", "D"} {
			routers = append(routers, w.start(id, "A", func(c *Config, _ *OverlayConfig) { c.Keyring = rings[i] }))
		}
		wantView(t, "all join", "A B C D", routers...)
		for _, step := range []func(k *Keyring) error{
			func(k *Keyring) error { return k.Add(next) },
			func(k *Keyring) error { return k.Use(next) },
			func(k *Keyring) error { return k.Remove(old) },
		} {
			for _, k := range rings {
				if err := step(k); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second) // the routers are at different steps
			}
		}
		time.Sleep(time.Minute)
		for _, r := range routers {
			if c := r.Counters(); c.RefusedKey != 0 || c.RefusedPlain != 0 || c.RefusedEnvelope != 0 {
				t.Errorf("%s refuses gossip: %+v", r.id, c)
			}
			if r.said("is lost") || r.view() != "A B C D" {
				t.Errorf("%s knows %s, log %q", r.id, r.view(), r.logged())
			}
		}
		late := w.start("E", "A", func(c *Config, _ *OverlayConfig) { c.Keyring = stranger })
		eventually(t, "the old key is refused", func() error {
			if routers[0].Counters().RefusedKey == 0 || !late.said("no seed could be joined") {
				return fmt.Errorf("A: %+v, E: %q", routers[0].Counters(), late.logged())
			}
			return nil
		})
		if late.view() != "E" || routers[0].view() != "A B C D" {
			t.Errorf("E knows %s, A knows %s", late.view(), routers[0].view())
		}
	})
}

// TestGossipOfOthersIsRefused: of another mesh, without encryption, encrypted without need. Each is counted and logged.
func TestGossipOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	ring := keyring(t, GenerateKey())
	for _, tt := range []struct {
		what       string
		mesh       string
		ours       *Keyring
		theirs     *Keyring
		count      func(c Counters) uint64
		ourLog     string
		theirLog   string
		sameCircle bool // the overlay lets them meet
	}{
		{"another mesh in the same overlay", "other", nil, nil, func(c Counters) uint64 { return c.RefusedMesh },
			`it is for another mesh, "other"`, "", true},
		{"another mesh", "other", nil, nil, nil, `refused: it is for another mesh, "other"`, "it is for another mesh", false},
		{"plain", "test", ring, nil, func(c Counters) uint64 { return c.RefusedPlain }, "it is not encrypted", "", true},
		{"sealed", "test", nil, ring, func(c Counters) uint64 { return c.RefusedPlain }, "there is no keyring", "", true},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				ours := w.start("A", "", func(c *Config, _ *OverlayConfig) { c.Keyring = tt.ours })
				theirs := w.start("B", "A", func(c *Config, o *OverlayConfig) {
					c.Mesh, c.Keyring = tt.mesh, tt.theirs
					if !tt.sameCircle {
						o.Mesh = tt.mesh
					}
				})
				eventually(t, "it is refused", func() error {
					switch {
					case tt.count != nil && tt.count(ours.Counters()) == 0:
						return fmt.Errorf("counters are %+v", ours.Counters())
					case !ours.said(tt.ourLog):
						return fmt.Errorf("the log is %q, want %q", ours.logged(), tt.ourLog)
					case !theirs.said(tt.theirLog):
						return fmt.Errorf("the other log is %q, want %q", theirs.logged(), tt.theirLog)
					}
					return nil
				})
				time.Sleep(time.Minute)
				if ours.view() != "A" || theirs.view() != "B" {
					t.Errorf("A knows %s, B knows %s", ours.view(), theirs.view())
				}
			})
		})
	}
}

// TestOnlyThoseOnTheListsAreMembers.
func TestOnlyThoseOnTheListsAreMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", func(c *Config, _ *OverlayConfig) {
			c.AllowIDs, c.AllowSites = []string{"A", "B*"}, []string{"here"}
		})
		b := w.start("B1", "A", nil)
		c := w.start("C", "A", nil)
		w.start("B2", "A", func(c *Config, _ *OverlayConfig) { c.Site = "there" })
		wantView(t, "others know all", "A B1 B2 C", b, c)
		wantView(t, "A knows those that may be", "A B1", a)
		if n := a.Counters().RefusedNotAllowed; n == 0 || !a.said("is on no list") {
			t.Errorf("%d refusals are counted, log %q", n, a.logged())
		}
	})
}

// TestADuplicateIDIsNoticed by the older of the two routers, and they do not fight about it.
func TestADuplicateIDIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", nil)
		older := w.start("B", "A", nil)
		wantView(t, "both join", "A B", a, older)
		time.Sleep(time.Second)
		w.start("B", "A", func(c *Config, _ *OverlayConfig) { c.Site = "elsewhere" })
		eventually(t, "it is noticed", func() error {
			if m, _ := a.Snapshot().Find("B"); older.Counters().Duplicates == 0 || m.Site != "elsewhere" {
				return fmt.Errorf("counters %+v, A knows %+v", older.Counters(), m)
			}
			return nil
		})
		generation := a.Snapshot().Generation
		time.Sleep(time.Minute)
		if n := a.Snapshot().Generation - generation; n > 4 {
			t.Errorf("A has %d snapshots in a minute", n)
		}
	})
}

// TestStormsAreBounded: a member that comes and goes changes the snapshot a few times, and then counts as lost until it
// is quiet.
func TestStormsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", nil)
		wantView(t, "alone", "A", a)
		changes := a.Snapshot().Generation
		restless := newRestless(t, a, "R")
		for range 200 {
			restless.appear()
			time.Sleep(50 * time.Millisecond)
			restless.vanish()
			time.Sleep(50 * time.Millisecond)
		}
		if n := a.Snapshot().Generation - changes; n > 20 {
			t.Errorf("%d snapshots for 400 changes in 20 s", n)
		}
		restless.appear()
		time.Sleep(time.Second)
		if a.view() != "A -R" || a.Counters().Held == 0 {
			t.Errorf("A knows %s, counters %+v", a.view(), a.Counters())
		}
		time.Sleep(flapHold + 5*time.Second)
		if a.view() != "A R" {
			t.Errorf("A knows %s", a.view())
		}
	})
}

// TestManyChangesMakeFewSnapshots: changes of many members at the same time are gathered.
func TestManyChangesMakeFewSnapshots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		told := 0
		a := w.start("A", "", func(c *Config, _ *OverlayConfig) { c.Changed = func(*Snapshot) { told++ } })
		wantView(t, "alone", "A", a)
		for i := range 600 {
			newRestless(t, a, fmt.Sprint("R", i)).appear()
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := len(a.Snapshot().Members); n != 601 || told > 30 {
			t.Errorf("%d members in %d snapshots", n, told)
		}
	})
}

// TestStoppingTwiceAndLeavingAfterIsHarmless.
func TestStoppingTwiceAndLeavingAfterIsHarmless(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "nobody", nil)
		done := make(chan struct{})
		go func() { defer close(done); a.Leave(context.Background()) }()
		a.Stop()
		<-done
		a.Stop()
		a.Leave(context.Background())
		if err := a.SetEndpoints(nil); err != nil {
			t.Error(err)
		}
	})
}

// TestAWrongConfigurationIsRefused with all that is wrong.
func TestAWrongConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	_, err := New(Config{
		Mesh: "a mesh", ID: "a/b", Site: "x\n", Role: 7, Endpoints: []Endpoint{{}}, AllowIDs: []string{"["},
	})
	for _, want := range []string{"mesh", "router id", "site", "role(7)", "endpoint", "pattern", "network"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q in it", err, want)
		}
	}
}
