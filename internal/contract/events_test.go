package contract

const (
	doubt       = "modified delivery-failed"
	branchDoubt = "that branch is modified delivery-failed"
	sentAway    = "connection closed with amqp:connection:forced; the next message goes to the consumer's next place"
)

func triangular(int) Plan { return triangle() }

// own is a network of its own for a cell that looks at the counters of whole routers.
func own(routers int) Plan { return chain(false, ids(routers)...) }

// patient is a plan in which routers do not give up a neighbor that stands still, so that messages can wait for it.
func patient(plan func(int) Plan) func(int) Plan {
	return func(routers int) Plan {
		p := plan(routers)
		p.Patient = true
		return p
	}
}

func withFailover(routers int) Plan {
	p := chain(false, ids(routers)...)
	p.Failover = true
	return p
}

// events is the event table of the contract: what happens, and what a sender sees of it.
var events = []event{
	{
		name: "no consumer at all, sender to the address", slug: "no-consumer",
		cells: same("attached without credit, not detached", noConsumer),
	},
	{
		name: "no consumer at all, anonymous sender", slug: "no-consumer-anonymous",
		cells: [columns]cell{
			anycast:    {promise: "released", run: noConsumerAnonymous},
			presettled: {promise: "dropped, counted", run: noConsumerAnonymous},
			multicast:  {promise: "released", run: noConsumerAnonymous},
		},
	},
	{
		name: "consumer link ends, message queued, there is another consumer", slug: "consumer-leaves-another",
		cells: [columns]cell{
			anycast:    {promise: "accepted; the other consumer has it", run: anotherConsumer},
			presettled: {promise: "the other consumer has it", run: anotherConsumer},
			multicast:  {promise: "that branch is released", run: aBranchEnds},
		},
	},
	{
		name: "consumer link ends, message queued, one comes in time", slug: "consumer-leaves-in-time", held: true,
		cells: [columns]cell{anycast: {promise: "held; accepted by the consumer that comes", run: consumerInTime}},
	},
	{
		name: "consumer link ends, message queued, no other comes", slug: "consumer-leaves-last", plan: own,
		cells: [columns]cell{
			anycast:    {promise: "released; credit taken back", run: lastConsumerLeaves},
			presettled: {promise: "dropped, counted", run: lastConsumerLeaves},
			multicast:  {promise: "released; credit taken back", run: lastConsumerLeaves},
		},
	},
	{
		name: "consumer dies, message written", slug: "consumer-dies",
		cells: [columns]cell{
			anycast:    {promise: doubt, run: consumerDies},
			presettled: {promise: "unknown; the link goes on", run: consumerDies},
			multicast:  {promise: branchDoubt, run: oneOfSeveralDies},
		},
	},
	{
		name: "consumer dies inside a multi-frame delivery", slug: "consumer-dies-inside",
		cells: [columns]cell{
			anycast:    {promise: doubt, run: consumerDiesInside},
			presettled: {promise: "aborted; the link goes on", run: consumerDiesInside},
			multicast:  {promise: branchDoubt + ", the others go on", run: oneOfSeveralDiesInside},
		},
	},
	{
		name: "sender dies inside a multi-frame delivery", slug: "sender-dies-inside",
		cells: same("aborted", senderDiesInside),
	},
	{
		name: "transit router killed, message written", slug: "transit-killed-written",
		several: true, plan: patient(triangular),
		cells: [columns]cell{
			anycast:    {promise: doubt, run: writtenToKilled("B")},
			presettled: {promise: "lost on the wire", run: lostOnTheHop("B", "A"), gap: "counted"},
			multicast:  {promise: branchDoubt, run: writtenToKilled("B")},
		},
	},
	{
		name: "transit router killed, more messages queued for it", slug: "transit-killed-queued",
		several: true, plan: patient(triangular),
		cells: [columns]cell{
			anycast: {promise: "queued: accepted; written: " + doubt, run: queuedForKilled("B", "A")},
			presettled: {promise: "queued: delivered on another way, or dropped and counted; written: lost on the wire",
				run: queuedForKilled("B", "A"), gap: "the lost ones counted"},
			multicast: {promise: "queued: released; written: " + doubt, run: queuedForKilled("B", "A")},
		},
	},
	{
		name: "egress router killed, message written", slug: "egress-killed-written",
		several: true, plan: patient(own),
		cells: [columns]cell{
			anycast:    {promise: doubt, run: writtenToKilled("C")},
			presettled: {promise: "lost on the wire", run: lostOnTheHop("C", "B"), gap: "counted"},
			multicast:  {promise: branchDoubt, run: writtenToKilled("C")},
		},
	},
	{
		name: "egress router killed, more messages queued for it, a consumer elsewhere", slug: "egress-killed-queued",
		several: true, plan: patient(own),
		cells: [columns]cell{
			anycast: {promise: "queued: accepted; written: " + doubt, run: queuedForKilled("C", "B")},
			presettled: {promise: "queued: delivered on another way, or dropped and counted; written: lost on the wire",
				run: queuedForKilled("C", "B"), gap: "the lost ones counted"},
			multicast: {promise: "queued: released; written: " + doubt, run: queuedForKilled("C", "B")},
		},
	},
	{
		name: "ingress router killed", slug: "ingress-killed", plan: withFailover,
		cells: same("connection lost; goes on with the failover list", ingressKilled),
	},
	{
		name: "silent failure (stopped transit router)", slug: "silent-failure", several: true, plan: triangular,
		cells: [columns]cell{
			anycast:    {promise: doubt + "; the next message goes another way", run: silentFailure},
			presettled: {promise: "the next message goes another way", run: silentFailure},
			multicast:  {promise: branchDoubt + "; the next message goes another way", run: silentFailure},
		},
	},
	{
		name: "link flaps", slug: "link-flaps", several: true, plan: flapping,
		cells: [columns]cell{
			anycast:    {promise: "messages on other ways untouched", run: linkFlaps},
			presettled: {promise: "messages on other ways untouched", run: linkFlaps},
			multicast:  {promise: "no duplicates", run: linkFlaps},
		},
	},
	{
		name: "partition", slug: "partition", several: true, plan: parted,
		cells: [columns]cell{
			anycast: {promise: "released; credit taken back; consumers on this side go on", run: partition},
			presettled: {promise: "dropped, counted; credit taken back; consumers on this side go on",
				run: partition},
			multicast: {promise: "accepted by those on this side", run: partialMulticast,
				gap: "partial coverage reported"},
		},
	},
	{
		name: "heal", slug: "heal", several: true,
		plan: func(n int) Plan { p := parted(n); p.RerouteHold = longHold; return p },
		cells: [columns]cell{
			anycast:    {promise: "held; accepted; routes back, no duplicates", run: heal},
			presettled: {promise: "routes back, no duplicates", run: heal},
			multicast:  {promise: "routes back, no duplicates", run: healMulticast},
		},
	},
	{
		name: "slow consumer", slug: "slow-consumer",
		cells: [columns]cell{
			anycast:   {promise: "credit withheld; nothing dropped", run: slowConsumer},
			multicast: {promise: "the slowest consumer paces the sender; nothing dropped", run: slowConsumer},
		},
	},
	{
		name: "slow consumer, presettled: drop-newest", slug: "slow-consumer-newest", plan: own,
		cells: [columns]cell{presettled: {promise: "the newest are dropped; counted: sent = received + dropped",
			run: slowPresettled}},
	},
	{
		name: "slow consumer, presettled: drop-oldest", slug: "slow-consumer-oldest", plan: own,
		cells: [columns]cell{presettled: {promise: "the oldest are dropped; counted: sent = received + dropped",
			run: slowPresettled, prefix: DropOldest}},
	},
	{
		name: "slow consumer, presettled: block", slug: "slow-consumer-block", plan: own,
		cells: [columns]cell{presettled: {promise: "sender held back; nothing dropped", run: blockedPresettled,
			prefix: Block}},
	},
	{
		name: "SIGTERM, a consumer's router", slug: "sigterm", plan: withFailover,
		cells: [columns]cell{
			anycast:    {promise: "accepted; " + sentAway, run: terminated},
			presettled: {promise: "flushed; " + sentAway, run: terminated},
			multicast:  {promise: "accepted; " + sentAway, run: terminated},
		},
	},
	{
		name: "SIGTERM, a transit router", slug: "sigterm-transit", several: true, plan: triangular,
		cells: [columns]cell{
			anycast:    {promise: "accepted; goes on another way", run: transitTerminated},
			presettled: {promise: "delivered; goes on another way", run: transitTerminated},
			multicast:  {promise: "accepted; goes on another way", run: transitTerminated},
		},
	},
	{
		name: "configuration reload", slug: "reload", notYet: "routers read their configuration at their start only",
	},
	{
		name: "certificate rotation", slug: "rotation", notYet: "changed files are used for new connections; those on a withdrawn authority go on",
	},
	{
		name: "memory pressure (one router)", slug: "memory-pressure", single: true, plan: short,
		cells: [columns]cell{anycast: {promise: "credit withheld; attaches refused; the worst offender detached; " +
			"the others' messages accepted", run: memoryPressure}},
	},
	{
		name: "message too large", slug: "too-large", plan: bounded,
		cells: [columns]cell{
			anycast: {promise: "rejected " + sizeExceeded + " before its end; detached: " + sizeExceeded +
				"; the connection goes on", run: tooLarge},
			presettled: {promise: "detached: " + sizeExceeded + "; the connection goes on", run: tooLarge},
			multicast: {promise: "rejected " + sizeExceeded + " before its end; detached: " + sizeExceeded +
				"; the connection goes on", run: tooLarge},
		},
	},
	{
		name: "malformed section", slug: "malformed",
		cells: [columns]cell{
			anycast:    {promise: "rejected amqp:decode-error; the link goes on", run: malformed},
			presettled: {promise: "dropped, counted; the link goes on", run: malformed},
			multicast:  {promise: "rejected amqp:decode-error; the link goes on", run: malformed},
		},
	},
	{
		name: "not allowed: a receiver on an address of the routers' own", slug: "not-allowed-reserved",
		cells: [columns]cell{anycast: {
			promise: "attach refused: amqp:unauthorized-access; the connection goes on", run: reserved}},
	},
	{
		name: "not allowed: a sender to an address configured as unavailable", slug: "not-allowed-unavailable",
		cells: same("attach refused: amqp:not-found; the connection goes on", unavailable),
	},
	{
		name: "not allowed by a policy", slug: "not-allowed-policy", notYet: "policies for virtual hosts are not built",
	},
	{
		name: "ttl expired while queued for a consumer without credit", slug: "ttl-queued", plan: own,
		cells: [columns]cell{
			anycast:    {promise: "released", run: expiredInQueue},
			presettled: {promise: "dropped, counted", run: expiredInQueue},
			multicast:  {promise: "that branch is released", run: expiredInQueue},
		},
	},
	{
		name: "ttl expired while held for a consumer to come", slug: "ttl-held", held: true,
		cells: [columns]cell{anycast: {promise: "released", run: expiredWhileHeld}},
	},
	{
		name: "nothing: one sender, messages of different sizes and priorities", slug: "order",
		cells: same("in order", inOrder),
	},
	{
		name: "nothing: rcv-settle-mode second is asked for", slug: "two-phases",
		cells: [columns]cell{
			anycast:   {promise: "answered with first; accepted; settled towards the receiver", run: twoPhases},
			multicast: {promise: "answered with first; accepted; settled towards the receiver", run: twoPhases},
		},
	},
}

const sizeExceeded = "amqp:link:message-size-exceeded"
