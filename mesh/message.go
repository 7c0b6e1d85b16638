package mesh

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/postroad/postroad/internal/amqp/wire"
	"github.com/postroad/postroad/mesh/spf"
)

// ProtocolVersion is the version (key "pv") of all control messages. Messages of a higher version are ignored.
const ProtocolVersion = 1

// Opcode names the kind of a control message, in its application property "opcode".
type Opcode uint8

// The opcodes.
const (
	OpcodeUnknown Opcode = iota
	OpcodeHello
	OpcodeRA
	OpcodeLSR
	OpcodeLSU
	OpcodeMAR
	OpcodeMAU
	OpcodeWithhold // only between routers of our kind
	opcodes        // how many there are
)

var opcodeNames = [opcodes]string{"?", "HELLO", "RA", "LSR", "LSU", "MAR", "MAU", "WITHHOLD"}

// String returns the name as it stands in a message.
func (o Opcode) String() string { return opcodeNames[o] }

func parseOpcode(name []byte) Opcode {
	for o := OpcodeHello; o < opcodes; o++ {
		if string(name) == opcodeNames[o] {
			return o
		}
	}
	return OpcodeUnknown
}

// PeerCost is an entry of a link state: a neighbor and the cost of getting there.
type PeerCost struct {
	ID   string
	Cost int
}

// linkState is what a router says of its neighbors. peers are in the order of their ids.
type linkState struct {
	seq       int64
	peers     []PeerCost
	instances []int64 // of the neighbors, parallel to peers; nil if the router does not say
	overload  bool    // it wants nothing that it would have to pass on; the costs say so too
}

// instance returns the instance of the neighbor i of the link state, and false if it is not known.
func (ls *linkState) instance(i int) (int64, bool) {
	if ls.instances == nil {
		return 0, false
	}
	return ls.instances[i], true
}

func (ls *linkState) equal(o *linkState) bool {
	return ls.overload == o.overload && slices.Equal(ls.peers, o.peers) && slices.Equal(ls.instances, o.instances)
}

// message is the body of a control message; which fields count is said for each.
type message struct {
	id       string // the router that made the message
	version  int64
	instance int64 // HELLO RA LSU, MAU if the sender is of our kind: boot time of that router

	seen     []string // HELLO
	interval int64    // HELLO if the sender is of our kind: milliseconds to its next HELLO at most
	refused  bool     // HELLO if the sender is of our kind: it takes the receiver for another one with the same id
	probe    probe    // HELLO if the sender is of our kind

	lsSeq     int64      // RA LSU
	mobileSeq int64      // RA MAU
	ls        *linkState // LSU; RA if the sender is of our kind
	leaving   bool       // RA if the sender is of our kind: it is the last one

	haveSeq int64 // MAR

	address string // WITHHOLD: key of the address whose senders are to get no credit …
	lease   int64  // … for so many milliseconds

	exist, add, del []string // MAU: absolute, or added and deleted
	absolute        bool     // MAU: exist counts, not add and del
	hints           []int64  // MAU: parallel to exist or add; nil if none or not as many

	has fieldSet // which keys there were
}

// probe measures the round-trip time of a link, see gauge. 0 stands for none.
type probe struct {
	sent int64 // a number to be sent back
	echo int64 // one that is sent back …
	held int64 // … after so many microseconds
}

type fieldSet uint16

const (
	hasID fieldSet = 1 << iota
	hasSeen
	hasLSSeq
	hasMobileSeq
	hasLS
	hasHaveSeq
	hasExist
	hasAdd
	hasDel
	hasInstance
	hasAddress
	hasLease
)

// mandatory are the keys without which a message is malformed.
var mandatory = [opcodes]fieldSet{
	OpcodeHello: hasID | hasSeen,
	OpcodeRA:    hasID | hasLSSeq | hasMobileSeq,
	OpcodeLSR:   hasID,
	OpcodeLSU:   hasID | hasLSSeq | hasLS,
	OpcodeMAR:   hasID | hasHaveSeq,
	OpcodeMAU:   hasID | hasMobileSeq,

	OpcodeWithhold: hasID | hasAddress | hasLease,
}

// keys are the names of the fields in the order of fieldSet.
var keys = [...]string{"id", "seen", "ls_seq", "mobile_seq", "ls", "have_seq", "exist", "add", "del", "instance",
	"address", "lease"}

// maxIDLength bounds the length of a router id in octets.
const maxIDLength = 255

// maxKeyLength bounds the length of the key of an address in octets.
const maxKeyLength = 4096

// limits bound what a decoded message may hold.
type limits struct {
	peers     int // entries of a link state
	addresses int // entries of exist, add and del
}

// decodeMessage decodes the body of a control message, which must be a map. Keys may be strings or symbols and integers
// of any type; unknown keys are skipped, as Interconnect does it.
func decodeMessage(op Opcode, body []byte, lim limits) (*message, error) {
	count, b, rest, err := wire.ReadMapHeader(body)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d octets after the body, want none", len(rest))
	}
	m := &message{}
	for ; count > 0; count -= 2 {
		var key []byte
		if key, b, err = wire.ReadText(b); err != nil {
			return nil, fmt.Errorf("key of the body: %w", err)
		}
		if b, err = m.decodeField(op, string(key), b, lim); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	return m, m.check(op)
}

// check reports what is missing or does not go together.
func (m *message) check(op Opcode) error {
	if missing := mandatory[op] &^ m.has; missing != 0 {
		for i, key := range keys {
			if missing&(1<<i) != 0 {
				return fmt.Errorf("no %q, which %v must have", key, op)
			}
		}
	}
	if err := checkID(m.id); err != nil {
		return fmt.Errorf("id: %w", err)
	}
	for _, seq := range []int64{m.lsSeq, m.mobileSeq, m.haveSeq} {
		if seq < 0 {
			return fmt.Errorf("sequence number %d, must be 0 or more", seq)
		}
	}
	if op == OpcodeWithhold && (m.lease < 1 || m.address == "" || len(m.address) > maxKeyLength) {
		return fmt.Errorf("lease of %d ms for an address of %d octets, must be 1 or more for 1 to %d", m.lease,
			len(m.address), maxKeyLength)
	}
	if op != OpcodeMAU {
		return nil
	}
	m.absolute = m.has&hasExist != 0
	if m.absolute == (m.has&(hasAdd|hasDel) == hasAdd|hasDel) || m.absolute && m.has&(hasAdd|hasDel) != 0 {
		return fmt.Errorf("must have either exist, or both add and del")
	}
	if want := len(m.exist) + len(m.add); len(m.hints) != want {
		m.hints = nil
	}
	return nil
}

func (m *message) decodeField(op Opcode, key string, b []byte, lim limits) (rest []byte, err error) {
	switch key {
	case "id":
		m.has |= hasID
		return readString(&m.id, b)
	case "pv":
		return readInt(&m.version, b)
	case "instance":
		m.has |= hasInstance
		return readInt(&m.instance, b)
	case "seen":
		m.has |= hasSeen
		return readStrings(&m.seen, b, lim.peers)
	case "ls_seq":
		m.has |= hasLSSeq
		return readInt(&m.lsSeq, b)
	case "mobile_seq":
		m.has |= hasMobileSeq
		return readInt(&m.mobileSeq, b)
	case "have_seq":
		m.has |= hasHaveSeq
		return readInt(&m.haveSeq, b)
	case "interval":
		return readInt(&m.interval, b)
	case "sent":
		return readInt(&m.probe.sent, b)
	case "echo":
		return readInt(&m.probe.echo, b)
	case "held":
		return readInt(&m.probe.held, b)
	case "refused":
		return readFlag(&m.refused, b)
	case "leaving":
		return readFlag(&m.leaving, b)
	}
	switch {
	case key == "ls" && (op == OpcodeLSU || op == OpcodeRA):
		m.has |= hasLS
		return m.readLinkState(b, lim)
	case op == OpcodeMAU && key == "exist":
		m.has |= hasExist
		return readStrings(&m.exist, b, lim.addresses)
	case op == OpcodeMAU && key == "add":
		m.has |= hasAdd
		return readStrings(&m.add, b, lim.addresses)
	case op == OpcodeMAU && key == "del":
		m.has |= hasDel
		return readStrings(&m.del, b, lim.addresses)
	case op == OpcodeWithhold && key == "address":
		m.has |= hasAddress
		return readString(&m.address, b)
	case op == OpcodeWithhold && key == "lease":
		m.has |= hasLease
		return readInt(&m.lease, b)
	case op == OpcodeMAU && key == "hints":
		return m.readHints(b, lim)
	}
	n, err := wire.Skip(b)
	return b[n:], err
}

func readInt(v *int64, b []byte) (rest []byte, err error) {
	*v, rest, err = wire.ReadInteger(b)
	return rest, err
}

// readFlag reads a flag, which is an integer as all numbers of the protocol are: it is set if the number is not 0.
func readFlag(v *bool, b []byte) (rest []byte, err error) {
	var i int64
	rest, err = readInt(&i, b)
	*v = i != 0
	return rest, err
}

func readString(v *string, b []byte) (rest []byte, err error) {
	s, rest, err := wire.ReadText(b)
	*v = string(s)
	return rest, err
}

func readStrings(v *[]string, b []byte, limit int) (rest []byte, err error) {
	count, b, rest, err := wire.ReadListHeader(b)
	if err != nil {
		return nil, err
	}
	if count > limit {
		return nil, fmt.Errorf("list of %d, at most %d are accepted", count, limit)
	}
	*v = make([]string, 0, min(count, 64)) // more only as they turn out to be there
	for range count {
		var s string
		if b, err = readString(&s, b); err != nil {
			return nil, err
		}
		*v = append(*v, s)
	}
	return rest, nil
}

// readHints takes a list of ints; anything else counts as no hints, as Interconnect does it.
func (m *message) readHints(b []byte, lim limits) (rest []byte, err error) {
	n, err := wire.Skip(b)
	if err != nil {
		return nil, err
	}
	rest = b[n:]
	count, b, _, err := wire.ReadListHeader(b)
	if err != nil || count > lim.addresses {
		return rest, nil
	}
	m.hints = make([]int64, 0, min(count, 64))
	for range count {
		var hint int64
		if b, err = readInt(&hint, b); err != nil {
			m.hints = nil
			return rest, nil
		}
		m.hints = append(m.hints, hint)
	}
	return rest, nil
}

// readLinkState decodes the value of "ls". Entries that no router could use (a cost below 1 or beyond an int, no id)
// are an error.
func (m *message) readLinkState(b []byte, lim limits) (rest []byte, err error) {
	count, b, rest, err := wire.ReadMapHeader(b)
	if err != nil {
		return nil, err
	}
	ls, has := &linkState{}, 0
	for ; count > 0; count -= 2 {
		var key []byte
		if key, b, err = wire.ReadText(b); err != nil {
			return nil, err
		}
		switch string(key) {
		case "ls_seq":
			has |= 1
			b, err = readInt(&ls.seq, b)
		case "peers":
			has |= 2
			b, err = readPeers(ls, b, lim.peers)
		case "overload":
			b, err = readFlag(&ls.overload, b)
		case "instances":
			b, err = readInts(&ls.instances, b, lim.peers)
		default:
			var n int
			n, err = wire.Skip(b)
			b = b[n:]
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	if has != 3 || ls.seq < 0 {
		return nil, fmt.Errorf("must have ls_seq, 0 or more, and peers")
	}
	ls.sort()
	m.ls = ls
	return rest, nil
}

// sort puts the neighbors into the order of their ids, each once. Instances that are not one for each do not count.
func (ls *linkState) sort() {
	if len(ls.instances) != len(ls.peers) {
		ls.instances = nil
	}
	byID := func(a, b PeerCost) int { return cmp.Compare(a.ID, b.ID) }
	if slices.IsSortedFunc(ls.peers, byID) && !hasTwice(ls.peers) {
		return
	}
	ls.instances = nil // nobody of our kind sends them in another order
	slices.SortStableFunc(ls.peers, byID)
	ls.peers = slices.CompactFunc(ls.peers, func(a, b PeerCost) bool { return a.ID == b.ID })
}

// hasTwice reports whether two neighbors, one behind the other, have the same id.
func hasTwice(peers []PeerCost) bool {
	for i := 1; i < len(peers); i++ {
		if peers[i-1].ID == peers[i].ID {
			return true
		}
	}
	return false
}

func readInts(v *[]int64, b []byte, limit int) (rest []byte, err error) {
	count, b, rest, err := wire.ReadListHeader(b)
	if err != nil {
		return nil, err
	}
	if count > limit {
		return nil, fmt.Errorf("list of %d, at most %d are accepted", count, limit)
	}
	*v = make([]int64, 0, min(count, 64))
	for range count {
		var i int64
		if b, err = readInt(&i, b); err != nil {
			return nil, err
		}
		*v = append(*v, i)
	}
	return rest, nil
}

func readPeers(ls *linkState, b []byte, limit int) (rest []byte, err error) {
	count, b, rest, err := wire.ReadMapHeader(b)
	if err != nil {
		return nil, err
	}
	if count/2 > limit {
		return nil, fmt.Errorf("%d neighbors, at most %d are accepted", count/2, limit)
	}
	ls.peers = make([]PeerCost, 0, min(count/2, 64))
	for ; count > 0; count -= 2 {
		var id string
		var cost int64
		if b, err = readString(&id, b); err == nil {
			b, err = readInt(&cost, b)
		}
		if err == nil {
			err = checkID(id)
		}
		if err == nil && (cost < 1 || cost > spf.MaxCost) {
			err = fmt.Errorf("cost %d to %s, must be 1 … %d", cost, id, spf.MaxCost)
		}
		if err != nil {
			return nil, err
		}
		ls.peers = append(ls.peers, PeerCost{id, int(cost)})
	}
	return rest, nil
}

// checkID reports why id cannot be the id of a router.
func checkID(id string) error {
	if id == "" || len(id) > maxIDLength {
		return fmt.Errorf("a router id of %d octets, must be 1 … %d", len(id), maxIDLength)
	}
	for i := range len(id) {
		if id[i] == '/' || id[i] < ' ' {
			return fmt.Errorf("%q cannot be a router id: it has a %q", id, id[i])
		}
	}
	return nil
}
