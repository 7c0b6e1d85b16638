// Package membership finds the routers of a mesh by gossip: hashicorp/memberlist over connections of our own. It says
// who there is and where they can be dialed. That is a hint: it opens no adjacency, removes no route and decides about
// nobody's identity, which are the business of TLS and the hello protocol.
//
//	overlay, err := membership.NewOverlay(membership.OverlayConfig{Mesh: "prod", ID: "R1", Dial: dial, Verify: verify})
//	m, err := membership.New(membership.Config{Mesh: "prod", ID: "R1", Site: "eu", Endpoints: own, Seeds: seeds,
//		Network: overlay, Keyring: ring, Timing: membership.WAN(), Changed: func(s *membership.Snapshot) { … }})
//	overlay.Serve(carrier) // for each accepted connection that has negotiated membership.ALPN
//	m.Leave(ctx)           // or m.Stop()
//
// # What a member says
//
// Its id, role, site, instance and the version of its details are in every alive message, in some 30 octets, because
// large metadata slow gossip down by orders of magnitude. The details, its endpoints and relays, follow as a message of
// their own, which everybody tells on once; they are part of the periodic comparison of everything (push/pull) as well,
// and who lacks some asks for them. A [Snapshot] holds members whose details are known.
//
// A member that does not answer is lost: it stays in the snapshot with that mark for Timing.Retain and is tried again,
// as is a seed, so that partitions heal after any time. A member that leaves by will is gone at once.
//
// # How gossip travels
//
// An [Overlay] keeps connections with some routers, dialed or accepted, each multiplexed (yamux over TLS, or QUIC). A
// packet or stream for a router goes: to it, if it is a neighbor; to one of its endpoints, dialed for this; through one
// of its relays, if it has no endpoints or they cannot be reached; the way that its packets come from; or to the first
// neighbor, who may know more. So one TCP port is enough, shared with AMQP by ALPN, and routers that can only dial take
// part like the others. Nothing waits: every queue has an end, and what does not fit is dropped, as on a network.
//
// Another [Network] can take the place of the overlay.
//
// # What others may do
//
// Whoever may connect and has a key of the keyring can say anything about anybody. What that can cause is bounded: names
// and metadata by their form, members by number (10,000), rate, and lists of allowed ids and sites, messages by size
// before memberlist reserves memory for them, streams and packets of a neighbor by rate, snapshots by a growing distance
// while members keep changing, and members that come and go by counting as lost for a while. All refusals are counted
// ([Counters]) and a few a second are logged. A router that is said to be dead, suspect or gone says otherwise. What
// remains is that a holder of the key can hide a router from gossip, by being a later instance of it; it cannot touch
// links that exist.
//
// # Keys
//
// With a [Keyring] everything is sealed from member to member (AES-256-GCM), so that relays read nothing, and what is
// not sealed is refused. Everything carries the name of the mesh, and what has another one is refused.
//
// # Goroutines
//
//	publish         one: snapshots, missing details
//	join            one: seeds and lost members
//	memberlist      six, and one for each stream; they end within a probe interval after Stop
//	Overlay.sweep   one
//	session         four for each connection, and what yamux or QUIC have
//	dialing         one for each router that is being dialed, at most 16, and one for each of its endpoints; and for each
//	                connection that introduces itself
//	stream          one for each that a neighbor opens, and two while it passes through
//
// Locks: Overlay.mu, then book.mu, which is a leaf, as are transport.mu, Membership.mu and those of loggers. memberlist
// calls the book while it holds its own; so whoever holds book.mu does not call memberlist. Membership.announce is held
// while this router tells about itself.
package membership
