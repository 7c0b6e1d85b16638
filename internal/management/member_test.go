package management

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// TestMembersHaveATypeOfTheirOwn: its name is none of Interconnect's, whose clients do not take it for one of theirs.
func TestMembersHaveATypeOfTheirOwn(t *testing.T) {
	t.Parallel()
	n := london()
	n.members = []Member{
		{ID: "london", Site: "eu", Role: "interior", Endpoints: []string{"amqps://london:55672"}, Since: 7, Self: true},
		{ID: "tokyo", Role: "interior", Lost: true, Since: 8, Instance: 9, Linked: true},
	}
	for _, name := range []string{"member", "io.postroad.member"} {
		rows := rowsOfAnswer(t, handle(t, NewNode(n, Options{}), requestMessage(t, properties{
			"operation": "QUERY", "name": "self", "type": "org.amqp.management", "entityType": name,
		}, wire.Map{{Key: "attributeNames", Value: wire.List{"id", "site", "state", "self", "linked", "endpoints", "type"}}})))
		want := []map[string]any{
			{"id": "london", "site": "eu", "state": "present", "self": true, "linked": false,
				"endpoints": wire.List{"amqps://london:55672"}, "type": "io.postroad.member"},
			{"id": "tokyo", "site": nil, "state": "lost", "self": false, "linked": true, "endpoints": wire.List{},
				"type": "io.postroad.member"},
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
