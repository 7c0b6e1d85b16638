package membership

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bounds of what members may say about themselves.
const (
	maxID        = 127 // octets of a router id
	maxSite      = 63  // octets of a site
	maxMesh      = 64  // octets of the name of a mesh
	maxEndpoints = 8
	maxTransport = 16  // octets of the name of a transport
	maxHost      = 253 // octets of a host name (RFC 1035)
	maxRelays    = 2
	maxDetails   = 800 // octets of a member's details: they must fit into a packet
)

// Role is what kind of router a member is.
type Role uint8

// The roles.
const (
	RoleInterior Role = iota
	RoleEdge
)

// String returns the name that configurations use.
func (r Role) String() string {
	switch r {
	case RoleInterior:
		return "interior"
	case RoleEdge:
		return "edge"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// Endpoint is where a router accepts connections of other routers.
type Endpoint struct {
	Transport string // how, in the words of the configuration: amqps, quic
	Host      string // a name or an address
	Port      uint16
}

// String returns transport://host:port.
func (e Endpoint) String() string {
	return e.Transport + "://" + net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

func (e Endpoint) check() error {
	switch {
	case e.Transport == "" || len(e.Transport) > maxTransport || !printable(e.Transport):
		return fmt.Errorf("transport %.40q of an endpoint must be a name of 1 … %d octets", e.Transport, maxTransport)
	case e.Host == "" || len(e.Host) > maxHost || !printable(e.Host):
		return fmt.Errorf("host %.40q of an endpoint must have 1 … %d octets", e.Host, maxHost)
	case e.Port == 0:
		return errors.New("an endpoint must have a port")
	}
	return nil
}

// Member is a router as gossip knows it.
type Member struct {
	ID   string
	Site string
	Role Role
	// Endpoints are where it can be dialed; none for a router that only dials. They must not be changed.
	Endpoints []Endpoint
	// Relays are routers that a router without endpoints is connected to; gossip for it goes through them.
	Relays []string
	// Instance tells two lives of a router apart: the later one has the higher number.
	Instance uint64
	// Lost is for a member that does not answer and has not said goodbye. It is tried again from time to time.
	Lost  bool
	Since time.Time // when it appeared, or was lost
}

// Reachable reports whether other routers can dial it.
func (m Member) Reachable() bool { return len(m.Endpoints) > 0 }

// Snapshot is the members as they are known at one moment, this router among them. It is immutable.
type Snapshot struct {
	Generation uint64   // grows by one with each snapshot
	Members    []Member // ascending by id
}

// Find returns a member.
func (s *Snapshot) Find(id string) (Member, bool) {
	i, ok := slices.BinarySearchFunc(s.Members, id, func(m Member, id string) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return s.Members[i], true
}

// Present returns the members that are not lost.
func (s *Snapshot) Present() []Member {
	present := make([]Member, 0, len(s.Members))
	for _, m := range s.Members {
		if !m.Lost {
			present = append(present, m)
		}
	}
	return present
}

// printable reports whether a name can be shown in a log as it is.
func printable(s string) bool {
	for _, r := range s {
		if r <= ' ' || r == 0x7f || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// checkID reports why a router cannot have this id.
func checkID(id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("a router id of %d octets, must be 1 … %d", len(id), maxID)
	}
	for i := range len(id) {
		if id[i] == '/' || id[i] < ' ' || id[i] == 0x7f {
			return fmt.Errorf("%q cannot be a router id: it has a %q", id, id[i])
		}
	}
	if !utf8.ValidString(id) {
		return fmt.Errorf("%q cannot be a router id: it is not UTF-8", id)
	}
	return nil
}

// checkSite reports why a site cannot have this name.
func checkSite(site string) error {
	if len(site) > maxSite || !utf8.ValidString(site) {
		return fmt.Errorf("site %.80q must be UTF-8 of at most %d octets", site, maxSite)
	}
	for i := range len(site) {
		if site[i] < ' ' || site[i] == 0x7f {
			return fmt.Errorf("site %q has a %q", site, site[i])
		}
	}
	return nil
}
