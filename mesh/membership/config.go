package membership

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/hashicorp/memberlist"
)

// DefaultMaxMembers is how many members there may be, those that are lost among them.
const DefaultMaxMembers = 10_000

// Config says who a router is and how it meets the others.
type Config struct {
	Mesh string // the name of the mesh: gossip of others is refused
	ID   string
	Site string
	Role Role
	// Instance tells the lives of this router apart; 0 for the time of day, which grows.
	Instance uint64
	// Endpoints are where other routers can dial this one; none if they cannot.
	Endpoints []Endpoint
	// Seeds are endpoints of any routers of the mesh; one is enough. Those of the router itself do no harm.
	Seeds   []Endpoint
	Network Network  // which belongs to the membership from now on
	Keyring *Keyring // nil: gossip is as secret as the network makes it
	Timing  Timing   // zero for LAN()

	// AllowIDs and AllowSites are patterns, as of path.Match: a member must match one of each list that is not empty.
	AllowIDs, AllowSites []string
	MaxMembers           int // 0 for DefaultMaxMembers

	// Changed is told about every new snapshot, in the goroutine of the membership, and must not wait. It may be nil.
	Changed func(s *Snapshot)
	// Log is told what a person should know, at most a few messages a second. It may be nil.
	Log func(level Level, text string)
}

// Timing is how fast gossip is. The zero value of a field is that of LAN.
type Timing struct {
	Gossip      time.Duration // between two rounds, each of which tells Fanout members
	Fanout      int
	Retransmit  int           // times the logarithm of the members: how often a piece of news is told
	PushPull    time.Duration // between two comparisons of everything with one member
	Probe       time.Duration // between two questions whether a member is there
	ProbeWait   time.Duration // for the answer, before others are asked to ask
	Suspicion   int           // times Probe: how long a member may deny that it is lost
	TellTheLost time.Duration // how long a lost member is still told that it is taken for lost
	Stream      time.Duration // for a comparison, and for dialing
	// Rejoin is the longest time between two attempts to find members that were lost, or anybody.
	Rejoin time.Duration
	// Retain is how long lost members are remembered and tried again.
	Retain time.Duration
	// Settle is the longest time between two snapshots while members keep changing.
	Settle time.Duration
	// NewMembers bounds how many members a second are taken that were not known, after NewBurst.
	NewMembers, NewBurst float64
}

// LAN returns the timing for routers that are near each other.
func LAN() Timing {
	return Timing{
		Gossip: 100 * time.Millisecond, Fanout: 5, Retransmit: 6, PushPull: 10 * time.Second,
		Probe: time.Second, ProbeWait: 500 * time.Millisecond, Suspicion: 4, TellTheLost: 30 * time.Second,
		Stream: 10 * time.Second, Rejoin: 30 * time.Second, Retain: 24 * time.Hour, Settle: 2 * time.Second,
		NewMembers: 200, NewBurst: 2000,
	}
}

// WAN returns the timing for routers on different continents, or behind lines of changing quality.
func WAN() Timing {
	t := LAN()
	t.Gossip, t.Fanout = 200*time.Millisecond, 4
	t.PushPull = 30 * time.Second
	t.Probe, t.ProbeWait, t.Suspicion = 5*time.Second, 3*time.Second, 6
	t.TellTheLost, t.Stream, t.Rejoin = time.Minute, 30*time.Second, time.Minute
	t.Settle = 5 * time.Second
	return t
}

// orDefault gives fields that are zero the values of LAN.
func (t Timing) orDefault() Timing {
	lan := LAN()
	for _, d := range []struct{ field, value *time.Duration }{
		{&t.Gossip, &lan.Gossip}, {&t.PushPull, &lan.PushPull}, {&t.Probe, &lan.Probe}, {&t.ProbeWait, &lan.ProbeWait},
		{&t.TellTheLost, &lan.TellTheLost}, {&t.Stream, &lan.Stream}, {&t.Rejoin, &lan.Rejoin},
		{&t.Retain, &lan.Retain}, {&t.Settle, &lan.Settle},
	} {
		if *d.field <= 0 {
			*d.field = *d.value
		}
	}
	for _, n := range []struct{ field, value *int }{
		{&t.Fanout, &lan.Fanout}, {&t.Retransmit, &lan.Retransmit}, {&t.Suspicion, &lan.Suspicion},
	} {
		if *n.field <= 0 {
			*n.field = *n.value
		}
	}
	if t.NewMembers <= 0 {
		t.NewMembers = lan.NewMembers
	}
	if t.NewBurst <= 0 {
		t.NewBurst = lan.NewBurst
	}
	return t
}

// setDefaults reports what is wrong, all of it.
func (c *Config) setDefaults() error {
	var problems []error
	problems = append(problems, checkID(c.ID), checkSite(c.Site))
	if c.Mesh == "" || len(c.Mesh) > maxMesh || !printable(c.Mesh) {
		problems = append(problems, fmt.Errorf("mesh %.80q must be a name of 1 … %d octets", c.Mesh, maxMesh))
	}
	if c.Role > RoleEdge {
		problems = append(problems, fmt.Errorf("%v does not exist", c.Role))
	}
	if len(c.Endpoints) > maxEndpoints {
		problems = append(problems, fmt.Errorf("%d endpoints, at most %d are possible", len(c.Endpoints), maxEndpoints))
	}
	for _, e := range append(c.Endpoints[:len(c.Endpoints):len(c.Endpoints)], c.Seeds...) {
		problems = append(problems, e.check())
	}
	for _, pattern := range append(c.AllowIDs[:len(c.AllowIDs):len(c.AllowIDs)], c.AllowSites...) {
		if _, err := path.Match(pattern, ""); err != nil {
			problems = append(problems, fmt.Errorf("pattern %q: %w", pattern, err))
		}
	}
	if c.Network == nil {
		problems = append(problems, errors.New("membership needs a network"))
	}
	if c.MaxMembers <= 0 {
		c.MaxMembers = DefaultMaxMembers
	}
	if c.Instance == 0 {
		c.Instance = uint64(time.Now().UnixMilli())
	}
	c.Timing = c.Timing.orDefault()
	return errors.Join(problems...)
}

// allowed reports whether the lists let a member in.
func (c *Config) allowed(id, site string) bool {
	return matches(c.AllowIDs, id) && matches(c.AllowSites, site)
}

func matches(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return len(patterns) == 0
}

// memberlist returns the configuration of memberlist.
func (c *Config) memberlist() *memberlist.Config {
	m := memberlist.DefaultLANConfig()
	t := c.Timing
	m.Name = c.ID
	m.AdvertiseAddr, m.AdvertisePort = pseudoAddress(c.ID).String(), pseudoPort
	m.BindPort = pseudoPort
	m.RequireNodeNames = true
	m.EnableCompression = false
	m.UDPBufferSize = maxPacket
	m.GossipInterval, m.GossipNodes, m.RetransmitMult = t.Gossip, t.Fanout, t.Retransmit
	m.PushPullInterval = t.PushPull
	m.ProbeInterval, m.ProbeTimeout, m.SuspicionMult = t.Probe, t.ProbeWait, t.Suspicion
	m.GossipToTheDeadTime = t.TellTheLost
	m.TCPTimeout = t.Stream
	return m
}
