package management

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

func TestQueryFindsTypesByEveryNameTheyHave(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{
		"org.apache.qpid.dispatch.router.link": 3, "router.link": 3, "connection": 2, "router": 1, "policy": 1,
		"org.apache.qpid.dispatch.router.config.address": 1, "router.config.address": 1, "address": 1,
		"router.address": 2, "management": 1, "org.amqp.management": 1, "allocator": 0, "autoLink": 0,
		"org.apache.qpid.dispatch.vhost": 0, "vhostStats": 0, "logStats": 2,
		"router.config.exchange": 2, "binding": 2,
		"configurationEntity": 10, "operationalEntity": 14, "entity": 24,
	} {
		if got := len(query(t, name)); got != want {
			t.Errorf("%s: %d entities, want %d", name, got, want)
		}
	}
}

func TestQueryTakesTheTypeFromTheTargetWhenNoneIsAskedFor(t *testing.T) {
	t.Parallel()
	rows := rowsOfAnswer(t, ask(t, properties{"operation": "QUERY", "type": "org.apache.qpid.dispatch.router.link"}, nil))
	if len(rows) != 3 {
		t.Errorf("%d rows, want the 3 links", len(rows))
	}
}

func TestQueryOfAllTypesLeavesOutEntitiesWithoutAnyValue(t *testing.T) {
	t.Parallel()
	a := ask(t, properties{"operation": "QUERY"},
		wire.Map{{Key: "attributeNames", Value: wire.List{"prefix", "saslUsername"}}})
	rows := rowsOfAnswer(t, a)
	want := []map[string]any{
		{"prefix": nil, "saslUsername": "london"}, {"prefix": "orders", "saslUsername": nil},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %v, want %v", rows, want)
	}
	if all := rowsOfAnswer(t, ask(t, properties{"operation": "QUERY"}, nil)); len(all) != 24 {
		t.Errorf("%d entities in all, want 24", len(all))
	}
}

func TestQueryAnswersAttributesInTheOrderAskedFor(t *testing.T) {
	t.Parallel()
	a := ask(t, properties{"operation": "QUERY", "entityType": "router.link"},
		wire.Map{{Key: "attributeNames", Value: wire.List{"identity", "linkDir", "identity"}}})
	body := a.body.(wire.Map)
	want := wire.Map{
		{Key: "attributeNames", Value: wire.List{"identity", "linkDir", "identity"}},
		{Key: "results", Value: wire.List{wire.List{"1", "in", "1"}, wire.List{"2", "out", "2"}, wire.List{"3", "in", "3"}}},
	}
	if !reflect.DeepEqual(body, want) {
		t.Errorf("body %v, want %v", body, want)
	}
}

func TestUnknownAttributesAreNullWhereInterconnectsCoreAnswers(t *testing.T) {
	t.Parallel()
	for _, entityType := range []string{"router", "router.link", "router.address", "connection", "router.config.address",
		"router.config.exchange", "router.config.binding"} {
		for _, row := range query(t, entityType, "type", "colourOfTheFuture") {
			if row["type"] != "org.apache.qpid.dispatch."+entityType || row["colourOfTheFuture"] != nil {
				t.Errorf("%s: %v", entityType, row)
			}
		}
	}
}

func TestCountAndOffsetSelectAPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count, offset any
		want          []string
	}{
		{nil, nil, []string{"1", "2", "3"}},
		{int32(0), nil, []string{"1", "2", "3"}},
		{int32(-1), nil, []string{"1", "2", "3"}},
		{int64(2), nil, []string{"1", "2"}},
		{uint32(2), uint64(1), []string{"2", "3"}},
		{"1", "1", []string{"2"}},
		{int32(5), int32(2), []string{"3"}},
		{int32(5), int32(3), nil},
		{uint64(1 << 63), int8(99), nil},
	} {
		p := properties{"operation": "QUERY", "entityType": "router.link"}
		if c.count != nil {
			p["count"] = c.count
		}
		if c.offset != nil {
			p["offset"] = c.offset
		}
		var got []string
		for _, row := range rowsOfAnswer(t, ask(t, p, nil)) {
			got = append(got, row["identity"].(string))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("count %v, offset %v: %v, want %v", c.count, c.offset, got, c.want)
		}
	}
}

// TestPagesOf500SeeEveryRowOnce does what the query method of Interconnect's Python client does.
func TestPagesOf500SeeEveryRowOnce(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 499, 500, 501, 1000, 1234} {
		src := london()
		src.links = make([]Link, rows)
		for i := range src.links {
			src.links[i].ID = uint64(i + 1)
		}
		n := NewNode(src, Options{})
		const page = 500
		seen := map[string]bool{}
		for offset := 0; ; offset += page {
			got := rowsOfAnswer(t, handle(t, n, requestMessage(t, properties{
				"operation": "QUERY", "entityType": "router.link", "offset": int64(offset), "count": int64(page),
			}, wire.Map{{Key: "attributeNames", Value: wire.List{"identity"}}})))
			for _, row := range got {
				seen[row["identity"].(string)] = true
			}
			if len(got) < page {
				break
			}
		}
		if len(seen) != rows {
			t.Errorf("%d of %d rows seen", len(seen), rows)
		}
	}
}

func TestAnAnswerThatIsTooLargeSaysHowMuchFits(t *testing.T) {
	t.Parallel()
	src := london()
	src.links = make([]Link, 100_000)
	n := NewNode(src, Options{MaxReply: 64 << 10})
	a := handle(t, n, requestMessage(t, properties{"operation": "QUERY", "entityType": "router.link"}, nil))
	var limit, fit int
	_, err := fmt.Sscanf(a.description, "The answer is too large, more than %d octets: ask for fewer rows with the "+
		"properties 'count' and 'offset' (%d rows fit)", &limit, &fit)
	if a.status != 500 || err != nil || limit != 64<<10 || fit == 0 {
		t.Fatalf("status %d %s (%v)", a.status, a.description, err)
	}
	a = handle(t, n, requestMessage(t,
		properties{"operation": "QUERY", "entityType": "router.link", "count": int64(fit)}, nil))
	if rows := rowsOfAnswer(t, a); len(rows) != fit {
		t.Errorf("%d rows, want %d", len(rows), fit)
	}
	src.log = slices.Repeat([]LogEntry{{Text: strings.Repeat("x", 1000)}}, 100)
	if a = handle(t, n, requestMessage(t, properties{"operation": "GET-LOG"}, nil)); a.status != 500 {
		t.Errorf("a log that is too large: status %d %s", a.status, a.description)
	}
}

func TestReadAndQueryAgree(t *testing.T) {
	t.Parallel()
	for _, row := range query(t, "entity", "type", "identity", "name") {
		entityType, identity := row["type"].(string), row["identity"].(string)
		var want map[string]any
		for _, r := range query(t, entityType) {
			if r["identity"] == identity {
				want = r
			}
		}
		a := ask(t, properties{"operation": "READ", "type": entityType, "identity": identity}, nil)
		if a.status != 200 {
			t.Errorf("READ of %s %s: %d %s", entityType, identity, a.status, a.description)
			continue
		}
		got := map[string]any{}
		for _, e := range a.body.(wire.Map) {
			got[e.Key.(string)] = e.Value
		}
		if !answeredByCore(strings.TrimPrefix(entityType, "org.apache.qpid.dispatch.")) {
			maps.DeleteFunc(want, func(_ string, v any) bool { return v == nil })
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("READ of %s %s:\n got %v\nwant %v", entityType, identity, got, want)
		}
	}
}

func TestReadFindsAnEntityByNameWithOrWithoutItsType(t *testing.T) {
	t.Parallel()
	for _, p := range []properties{
		{"name": "clients"}, {"name": "clients", "type": "listener"},
		{"name": "clients", "type": "org.apache.qpid.dispatch.configurationEntity"},
		{"name": "clients", "identity": "listener/0.0.0.0:5672:clients"},
	} {
		p["operation"] = "READ"
		a := ask(t, p, nil)
		m, _ := a.body.(wire.Map)
		if port, _ := m.Get("port"); port != "5672" {
			t.Errorf("%v: %d %s %v", p, a.status, a.description, a.body)
		}
	}
	a := ask(t, properties{"operation": "READ"}, nil)
	m, _ := a.body.(wire.Map)
	if identity, _ := m.Get("identity"); identity != "self" {
		t.Errorf("READ without anything: %d %s %v, want the management node", a.status, a.description, a.body)
	}
}

func TestSecretsNeverAppear(t *testing.T) {
	t.Parallel()
	n := NewNode(london(), Options{})
	requests := []properties{
		{"operation": "QUERY"}, {"operation": "GET-SCHEMA"}, {"operation": "READ", "name": "mesh"},
		{"operation": "READ", "name": "tokyo"}, {"operation": "READ", "name": "clients"},
		{"operation": "READ", "type": "connection", "identity": "1"},
	}
	for _, p := range requests {
		reply := n.Handle(Request{Message: requestMessage(t, p, nil)})
		if strings.Contains(string(reply.Message), "geheim") {
			t.Errorf("%v: a secret is in the answer", p)
		}
	}
	for _, row := range query(t, "connector", "saslPassword", "saslUsername") {
		if row["saslPassword"] != nil || row["saslUsername"] != "london" {
			t.Errorf("saslPassword asked for by name: %v", row)
		}
	}
}
