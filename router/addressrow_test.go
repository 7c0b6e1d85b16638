package router

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pick returns some attributes of the row that has a value for a key.
func pick(rows []map[string]any, key string, value any, names ...string) map[string]any {
	for _, row := range rows {
		if row[key] != value {
			continue
		}
		picked := make(map[string]any)
		for _, name := range names {
			picked[name] = row[name]
		}
		return picked
	}
	return nil
}

func TestManagementShowsHowAddressesAreConfigured(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, "\n  - {name: q, prefix: queue, waypoint: true}"+
		"\n  - {name: c, pattern: 'a.*.#', distribution: closest, ingressPhase: 0, egressPhase: 9, priority: 3}"+
		"\n  - {name: s, prefix: store, enableFallback: true}")
	m := connect(t, n.node("A")).manager()
	for _, node := range []string{"$management", "_topo/0/B/$management"} {
		rows := m.query(node, "router.config.address")
		for name, want := range map[string]map[string]any{
			"q": {"prefix": "queue", "pattern": nil, "distribution": "balanced", "waypoint": true, "ingressPhase": int32(0),
				"egressPhase": int32(1), "priority": int32(-1), "enableFallback": false},
			"c": {"prefix": nil, "pattern": "a.*.#", "distribution": "closest", "waypoint": false, "ingressPhase": int32(0),
				"egressPhase": int32(9), "priority": int32(3), "enableFallback": false},
			"s": {"prefix": "store", "pattern": nil, "distribution": "balanced", "waypoint": false, "ingressPhase": int32(0),
				"egressPhase": int32(0), "priority": int32(-1), "enableFallback": true},
		} {
			names := []string{"prefix", "pattern", "distribution", "waypoint", "ingressPhase", "egressPhase", "priority",
				"enableFallback"}
			plain := func(m map[string]any) (list []string) {
				for _, name := range names {
					list = append(list, fmt.Sprint(name, " ", m[name]))
				}
				return list
			}
			if diff := cmp.Diff(plain(want), plain(pick(rows, "name", name, names...))); diff != "" {
				t.Errorf("QUERY of %s at %s (-want +got)\n%s", name, node, diff)
			}
			status, body := m.ask(node, map[string]any{"operation": "READ", "name": name,
				"type": "org.apache.qpid.dispatch.router.config.address"}, nil)
			row, _ := body.(map[string]any)
			if diff := cmp.Diff(plain(want), plain(row)); status != 200 || diff != "" {
				t.Errorf("READ of %s at %s: %d (-want +got)\n%s", name, node, status, diff)
			}
		}
	}
}

func TestManagementShowsAddressesOfAllPhases(t *testing.T) {
	t.Parallel()
	n := configured(t, 2, "\n  - {prefix: queue, waypoint: true, priority: 7}\n  - {prefix: store, distribution: multicast, "+
		"enableFallback: true}")
	attachBroker(t, n.node("B"), "queue/a", "qd.waypoint")
	connect(t, n.node("A")).receiver("queue/a", 1)
	connect(t, n.node("A")).fallback("store/a", 1)
	wantPhases(t, n.node("A"), "queue/a", map[string]int{"M0queue/a": 1, "M1queue/a": 1})
	rows := connect(t, n.node("A")).manager().query("$management", "router.address")
	for key, want := range map[string]string{
		"M0queue/a": "balanced 7 0 1", "M1queue/a": "balanced 7 1 0", "M0store/a": "multicast -1 0 0",
		"MFstore/a": "balanced -1 1 0",
	} {
		row := pick(rows, "key", key, "distribution", "priority", "subscriberCount", "remoteCount")
		got := fmt.Sprint(row["distribution"], " ", row["priority"], " ", row["subscriberCount"], " ", row["remoteCount"])
		if got != want {
			t.Errorf("%s: distribution, priority and consumers here and elsewhere are %s, want %s", key, got, want)
		}
	}
}
