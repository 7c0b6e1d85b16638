package management

import (
	"testing"

	"github.com/postroad/postroad/internal/amqp/wire"
)

// display is what one option of Interconnect's qdstat asks for and how it uses the answer (tools/qdstat).
type display struct {
	option     string
	entityType string
	asked      []string // attributeNames of the query; none: all
	used       []string // attributes that it looks up in each row: it fails when one is missing
	computed   []string // those of them that it computes with: it fails when one is null
	one        bool     // it takes the first row, and fails when there is none
}

var displays = []display{
	{
		option: "-g", entityType: "org.apache.qpid.dispatch.router", one: true,
		used: []string{
			"version", "mode", "id", "workerThreads", "uptimeSeconds", "memoryUsage", "area", "linkRouteCount",
			"autoLinkCount", "linkCount", "nodeCount", "addrCount", "connectionCount", "presettledDeliveries",
			"droppedPresettledDeliveries", "acceptedDeliveries", "rejectedDeliveries", "releasedDeliveries",
			"modifiedDeliveries", "deliveriesDelayed1Sec", "deliveriesDelayed10Sec", "deliveriesStuck",
			"deliveriesRedirectedToFallback", "linksBlocked", "deliveriesIngress", "deliveriesEgress",
			"deliveriesTransit", "deliveriesIngressRouteContainer", "deliveriesEgressRouteContainer",
		},
		computed: []string{"uptimeSeconds", "version", "mode", "id", "area"},
	},
	{
		option: "-c and -e", entityType: "org.apache.qpid.dispatch.connection",
		used: []string{
			"identity", "host", "container", "role", "protocol", "dir", "isAuthenticated", "sasl", "user", "isEncrypted",
			"sslProto", "sslCipher", "tenant", "lastDlvSeconds", "uptimeSeconds", "active",
		},
		computed: []string{"uptimeSeconds"},
	},
	{
		option: "-l", entityType: "org.apache.qpid.dispatch.router.link",
		asked: []string{
			"linkType", "linkDir", "connectionId", "identity", "peer", "owningAddr", "capacity", "undeliveredCount",
			"unsettledCount", "deliveryCount", "presettledCount", "droppedPresettledCount", "acceptedCount",
			"rejectedCount", "releasedCount", "modifiedCount", "deliveriesDelayed1Sec", "deliveriesDelayed10Sec",
			"deliveriesStuck", "creditAvailable", "zeroCreditSeconds", "adminStatus", "operStatus", "linkName",
			"priority", "settleRate",
		},
		computed: []string{"deliveriesDelayed1Sec", "deliveriesDelayed10Sec", "zeroCreditSeconds"},
	},
	{
		option: "-n", entityType: "org.apache.qpid.dispatch.router.node",
		used: []string{
			"id", "nextHop", "routerLink", "lastTopoChange", "protocolVersion", "cost", "linkState", "validOrigins",
		},
		computed: []string{"id"},
	},
	{
		option: "-a", entityType: "org.apache.qpid.dispatch.router.address",
		asked: []string{
			"distribution", "inProcess", "subscriberCount", "remoteCount", "containerCount", "deliveriesIngress",
			"deliveriesEgress", "deliveriesRedirectedToFallback", "deliveriesTransit", "deliveriesToContainer",
			"deliveriesFromContainer", "name", "priority",
		},
		computed: []string{"name", "priority"},
	},
	{
		option: "--autolinks", entityType: "org.apache.qpid.dispatch.router.config.autoLink",
		asked: []string{"address", "direction", "phase", "externalAddress", "linkRef", "operStatus", "lastError"},
	},
	{
		option: "--linkroutes", entityType: "org.apache.qpid.dispatch.router.config.linkRoute",
		asked: []string{
			"prefix", "direction", "distribution", "operStatus", "pattern", "addExternalPrefix", "delExternalPrefix",
		},
	},
	{
		option: "-m", entityType: "org.apache.qpid.dispatch.allocator",
		asked: []string{
			"identity", "typeSize", "transferBatchSize", "localFreeListMax", "totalAllocFromHeap", "heldByThreads",
			"batchesRebalancedToThreads", "batchesRebalancedToGlobal",
		},
	},
	{option: "-m", entityType: "org.apache.qpid.dispatch.router", asked: []string{"memoryUsage"}, one: true},
	{
		option: "-p", entityType: "org.apache.qpid.dispatch.policy", one: true,
		used: []string{
			"maxConnections", "maxMessageSize", "enableVhostPolicy", "enableVhostNamePatterns", "policyDir",
			"defaultVhost", "connectionsProcessed", "connectionsDenied", "connectionsCurrent", "linksDenied",
			"maxMessageSizeDenied", "totalDenials",
		},
		computed: []string{"policyDir", "defaultVhost"},
	},
	{
		option: "--vhosts and --vhostgroups", entityType: "org.apache.qpid.dispatch.vhost",
		used: []string{
			"hostname", "maxConnections", "maxMessageSize", "maxConnectionsPerUser", "maxConnectionsPerHost",
			"allowUnknownUser", "groups",
		},
	},
	{
		option: "--vhoststats", entityType: "org.apache.qpid.dispatch.vhostStats",
		used: []string{
			"hostname", "connectionsApproved", "connectionsDenied", "connectionsCurrent", "sessionDenied",
			"senderDenied", "receiverDenied", "maxMessageSizeDenied", "perUserState",
		},
	},
}

func TestQdstatFindsAllThatItLooksUp(t *testing.T) {
	t.Parallel()
	for _, d := range displays {
		asked := make(wire.List, len(d.asked))
		for i, name := range d.asked {
			asked[i] = name
		}
		a := ask(t, properties{
			"operation": "QUERY", "name": "self", "type": "org.amqp.management", "entityType": d.entityType,
			"offset": int64(0), "count": int64(500),
		}, wire.Map{{Key: "attributeNames", Value: asked}})
		rows := rowsOfAnswer(t, a)
		if d.one && len(rows) != 1 {
			t.Errorf("%s: %d rows of %s, want 1", d.option, len(rows), d.entityType)
		}
		names, _ := a.body.(wire.Map).Get("attributeNames")
		known := map[string]bool{}
		for _, name := range stringsOf(names) {
			known[name] = true
		}
		for _, name := range append(d.used, d.asked...) {
			if !known[name] {
				t.Errorf("%s: %s has no %s", d.option, d.entityType, name)
			}
		}
		for _, row := range rows {
			for _, name := range d.computed {
				if row[name] == nil {
					t.Errorf("%s: %s is null in %v", d.option, name, row)
				}
			}
		}
	}
}

func TestQdstatFindsTheSchemaOfVhostGroups(t *testing.T) {
	t.Parallel()
	v := ask(t, properties{"operation": "GET-SCHEMA", "name": "self", "type": "org.amqp.management"}, nil).body
	for _, key := range []string{"entityTypes", "vhostUserGroupSettings", "attributes", "maxSessionWindow"} {
		next, ok := v.(wire.Map).Get(key)
		if !ok {
			t.Fatalf("no %s in the schema", key)
		}
		v = next
	}
}
