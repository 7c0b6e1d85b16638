package management

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// stringsOf turns a list of an answer into strings.
func stringsOf(v any) []string {
	var texts []string
	for _, item := range v.(wire.List) {
		texts = append(texts, item.(string))
	}
	return texts
}

func TestGetTypesTellsWhatATypeExtends(t *testing.T) {
	t.Parallel()
	all := ask(t, properties{"operation": "GET-TYPES"}, nil).body.(wire.Map)
	for name, want := range map[string][]string{
		"org.apache.qpid.dispatch.router.link": {"org.apache.qpid.dispatch.operationalEntity",
			"org.apache.qpid.dispatch.entity"},
		"org.apache.qpid.dispatch.listener": {"org.apache.qpid.dispatch.configurationEntity",
			"org.apache.qpid.dispatch.entity"},
		"org.apache.qpid.dispatch.management": {"org.amqp.management", "org.apache.qpid.dispatch.operationalEntity",
			"org.apache.qpid.dispatch.entity"},
		"org.amqp.management":             {"org.apache.qpid.dispatch.operationalEntity", "org.apache.qpid.dispatch.entity"},
		"org.apache.qpid.dispatch.entity": nil,
	} {
		if bases, ok := all.Get(name); !ok || !slices.Equal(stringsOf(bases), want) {
			t.Errorf("%s extends %v, want %v", name, bases, want)
		}
	}
	some := ask(t, properties{"operation": "get-types", "entityType": "configurationEntity"}, nil).body.(wire.Map)
	if _, ok := some.Get("org.apache.qpid.dispatch.router.link"); ok || len(some) < 10 {
		t.Errorf("types of configuration: %d, links among them: %v", len(some), ok)
	}
}

func TestGetAttributesListsWhatAQueryAnswers(t *testing.T) {
	t.Parallel()
	all := ask(t, properties{"operation": "GET-ATTRIBUTES"}, nil).body.(wire.Map)
	for _, name := range []string{"router", "router.link", "connection", "listener", "router.config.address", "vhost"} {
		long := "org.apache.qpid.dispatch." + name
		listed, _ := all.Get(long)
		a := ask(t, properties{"operation": "QUERY", "entityType": long}, nil)
		names, _ := a.body.(wire.Map).Get("attributeNames")
		if !reflect.DeepEqual(listed, names) {
			t.Errorf("%s: GET-ATTRIBUTES lists %v, QUERY answers %v", name, listed, names)
		}
	}
	one := ask(t, properties{"operation": "GET-ATTRIBUTES", "entityType": "router.link"}, nil).body.(wire.Map)
	if len(one) != 1 {
		t.Errorf("attributes of %d types, want 1", len(one))
	}
}

func TestGetOperationsListsOnlyWhatWorks(t *testing.T) {
	t.Parallel()
	all := ask(t, properties{"operation": "GET-OPERATIONS"}, nil).body.(wire.Map)
	operations, _ := all.Get("org.apache.qpid.dispatch.listener")
	if !slices.Equal(stringsOf(operations), []string{"READ"}) {
		t.Errorf("operations of listener: %v", operations)
	}
	operations, _ = all.Get("org.apache.qpid.dispatch.management")
	for _, o := range readingOperations {
		if !slices.Contains(stringsOf(operations), o) {
			t.Errorf("operations of management lack %s: %v", o, operations)
		}
	}
}

func TestGetMgmtNodesListsAllRouters(t *testing.T) {
	t.Parallel()
	a := ask(t, properties{"operation": "GET-MGMT-NODES", "name": "self", "type": "org.amqp.management"}, nil)
	got := stringsOf(a.body)
	want := []string{
		"amqp:/_topo/0/london/$management", "amqp:/_topo/0/tokyo/$management", "amqp:/_topo/0/lima/$management",
		"amqp:/_topo/0/gone/$management",
	}
	if !slices.Equal(got, want) {
		t.Errorf("nodes %v, want %v", got, want)
	}
}

func TestGetLogReturnsTheMostRecentEntries(t *testing.T) {
	t.Parallel()
	second := wire.List{"SERVER", "notice", "second", "x.go", int32(7), int64(1 << 40)}
	want := wire.List{wire.List{"ROUTER", "info", "first", nil, nil, int32(1700000000)}, second}
	if got := ask(t, properties{"operation": "GET-LOG"}, nil).body; !reflect.DeepEqual(got, want) {
		t.Errorf("log %v, want %v", got, want)
	}
	for _, limit := range []any{int32(1), "1"} {
		got := ask(t, properties{"operation": "GET-LOG", "limit": limit}, nil).body
		if !reflect.DeepEqual(got, wire.List{second}) {
			t.Errorf("limit %v: %v, want the last entry", limit, got)
		}
	}
}

func TestSchemaIsTheSameAsMapAndAsJSON(t *testing.T) {
	t.Parallel()
	asMap := ask(t, properties{"operation": "GET-SCHEMA", "name": "self", "type": "org.amqp.management"}, nil).body
	if prefix, _ := asMap.(wire.Map).Get("prefix"); prefix != "org.apache.qpid.dispatch" {
		t.Errorf("prefix %v", prefix)
	}
	for _, indent := range []any{nil, int32(2), "4"} {
		p := properties{"operation": "GET-JSON-SCHEMA"}
		if indent != nil {
			p["indent"] = indent
		}
		text, ok := ask(t, p, nil).body.(string)
		if !ok {
			t.Fatal("body is no string")
		}
		var asJSON any
		if err := json.Unmarshal([]byte(text), &asJSON); err != nil {
			t.Fatal(err)
		}
		if got := plain(asMap); !reflect.DeepEqual(got, asJSON) {
			t.Errorf("indent %v: map and JSON differ:\n%v\n%v", indent, got, asJSON)
		}
	}
}

// plain turns a decoded AMQP value into what encoding/json makes of the same.
func plain(v any) any {
	switch v := v.(type) {
	case wire.Map:
		m := map[string]any{}
		for _, e := range v {
			m[e.Key.(string)] = plain(e.Value)
		}
		return m
	case wire.List:
		l := []any{}
		for _, item := range v {
			l = append(l, plain(item))
		}
		return l
	case int64:
		return float64(v)
	}
	return v
}
