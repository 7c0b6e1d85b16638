package membership

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// keyring makes a keyring in a file of the test.
func keyring(t testing.TB, keys ...string) *Keyring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring")
	if err := os.WriteFile(path, []byte(strings.Join(keys, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// restless is a member that exists in the book of one router only, as memberlist would put it there.
type restless struct {
	t    testing.TB
	book *book
	node memberlist.Node
}

func newRestless(t testing.TB, r *router, id string) *restless {
	m := meta{instance: 1, version: 1, site: "here"}
	d := details{id: id, instance: 1, version: 1}
	x := &restless{t: t, book: r.book, node: memberlist.Node{
		Name: id, Addr: pseudoAddress(id), Port: pseudoPort, Meta: m.append(nil), PMin: 1, PMax: 5, PCur: 2,
	}}
	x.book.learn(d.append(nil))
	return x
}

func (x *restless) appear() {
	if err := x.book.NotifyAlive(&x.node); err != nil {
		x.t.Fatal(err)
	}
	x.book.NotifyJoin(&x.node)
}

func (x *restless) vanish() { x.book.NotifyLeave(&x.node) }

// TestImpossibleMembersAreRefused, counted and not kept.
func TestImpossibleMembersAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", nil)
		good := meta{instance: 1, version: 1, site: "here"}.append(nil)
		for what, change := range map[string]func(n *memberlist.Node){
			"no name":             func(n *memberlist.Node) { n.Name = "" },
			"a long name":         func(n *memberlist.Node) { n.Name = strings.Repeat("x", 1<<20) },
			"a slash":             func(n *memberlist.Node) { n.Name = "a/b" },
			"a control character": func(n *memberlist.Node) { n.Name = "a\x1b[2J" },
			"no UTF-8":            func(n *memberlist.Node) { n.Name = "a\xff" },
			"another address":     func(n *memberlist.Node) { n.Addr = net.IPv4(10, 0, 0, 1) },
			"a long address":      func(n *memberlist.Node) { n.Addr = make(net.IP, 1<<20) },
			"another port":        func(n *memberlist.Node) { n.Port = 22 },
			"a version":           func(n *memberlist.Node) { n.PCur = 77 },
			"an own version":      func(n *memberlist.Node) { n.DCur = 1 },
			"no metadata":         func(n *memberlist.Node) { n.Meta = nil },
			"short metadata":      func(n *memberlist.Node) { n.Meta = good[:9] },
			"a later form":        func(n *memberlist.Node) { n.Meta = []byte{9} },
			"a role":              func(n *memberlist.Node) { n.Meta = meta{role: 9}.append(nil) },
			"a long site":         func(n *memberlist.Node) { n.Meta = meta{site: strings.Repeat("s", 200)}.append(nil) },
			"a site of noise":     func(n *memberlist.Node) { n.Meta = meta{site: "\x00\x01"}.append(nil) },
		} {
			before := a.Counters().RefusedMember
			n := memberlist.Node{Name: "B", Port: pseudoPort, Meta: good, PMin: 1, PMax: 5, PCur: 2}
			n.Addr = pseudoAddress(n.Name)
			change(&n)
			if len(n.Addr) == net.IPv6len && n.Addr[0] == 0xfd {
				n.Addr = pseudoAddress(n.Name)
			}
			if err := a.book.NotifyAlive(&n); err == nil || len(err.Error()) > 1000 {
				t.Errorf("%s: the error is %.200v", what, err)
			}
			if got := a.Counters().RefusedMember; got != before+1 {
				t.Errorf("%s is not counted", what)
			}
		}
	})
}

// pushPull is a push/pull of memberlist with forged members, and what a header announces.
func pushPull(t testing.TB, header pushPullHeader, names []string) []byte {
	t.Helper()
	type state struct {
		Name        string
		Addr        []byte
		Port        uint16
		Meta        []byte
		Incarnation uint32
		State       int
		Vsn         []uint8
	}
	var b bytes.Buffer
	b.WriteByte(typePushPull)
	e := codec.NewEncoder(&b, new(codec.MsgpackHandle))
	if err := e.Encode(&header); err != nil {
		t.Fatal(err)
	}
	const some = "forged-000000"
	var template bytes.Buffer
	s := state{some, pseudoAddress(some), pseudoPort, meta{instance: 1, version: 1}.append(nil), 1, 0,
		[]uint8{1, 5, 2, 0, 0, 0}}
	if err := codec.NewEncoder(&template, new(codec.MsgpackHandle)).Encode(&s); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		one := bytes.Replace(template.Bytes(), []byte(some), []byte(name), 1)
		b.Write(bytes.Replace(one, pseudoAddress(some), pseudoAddress(name), 1))
	}
	return b.Bytes()
}

// forge sends a message over a stream, as somebody who has the key, and waits until the stream is closed.
func forge(t testing.TB, r *router, e envelopes, message []byte) {
	t.Helper()
	ours, theirs := net.Pipe()
	r.transport.ReceiveStream(theirs)
	packed := e.pack(make([]byte, 4), kindStream, message)
	binary.BigEndian.PutUint32(packed, uint32(len(packed)-4))
	_, _ = ours.Write(packed)
	_, _ = io.Copy(io.Discard, ours)
	_ = ours.Close()
}

// TestAHundredThousandForgedMembersAreRefused: as many are taken as the rate and the limit allow, and nothing is kept of
// the others.
func TestAHundredThousandForgedMembersAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", func(c *Config, _ *OverlayConfig) {
			c.Timing.NewBurst, c.Timing.NewMembers = 100, 1
			c.MaxMembers = 120
		})
		b := w.start("B", "A", nil)
		wantView(t, "both join", "A B", a, b)
		names := make([]string, 20_000)
		for round := range 5 {
			for i := range names {
				names[i] = fmt.Sprintf("forged-%06d", round*len(names)+i)
			}
			forge(t, a, a.transport.envelopes, pushPull(t, pushPullHeader{Nodes: len(names)}, names))
			time.Sleep(time.Second)
		}
		a.book.mu.Lock()
		n := len(a.book.entries)
		a.book.mu.Unlock()
		if n > 120 {
			t.Errorf("%d members are known, want at most 120", n)
		}
		c := a.Counters()
		if c.RefusedRate+c.RefusedFull < 99_000 || c.RefusedRate == 0 {
			t.Errorf("%d are refused for their rate and %d for their number", c.RefusedRate, c.RefusedFull)
		}
		a.mu.Lock()
		if len(a.logs) > 300 {
			t.Errorf("the log has %d lines", len(a.logs))
		}
		a.mu.Unlock()
		wantView(t, "B is still known", "A B", a) // forged ones have no details
	})
}

// TestWhatIsAnnouncedTakesNoMemory: a push/pull of a million members in a few octets is refused before any is reserved.
func TestWhatIsAnnouncedTakesNoMemory(t *testing.T) {
	w := newRealWorld(t)
	a := w.start("A", "", nil)
	messages := [][]byte{
		pushPull(t, pushPullHeader{Nodes: 1 << 20}, nil),
		pushPull(t, pushPullHeader{UserStateLen: 20 << 20}, nil),
		pushPull(t, pushPullHeader{Nodes: -1}, nil),
		{}, {typePushPull}, {9}, {10}, {244, 4, 't', 'e', 's', 't'}, {typeUser, 0},
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, m := range messages {
		forge(t, a, a.transport.envelopes, m)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
		t.Errorf("%d octets were allocated", got)
	}
	if n := a.Counters().RefusedMessage; n != uint64(len(messages)) {
		t.Errorf("%d of %d messages are refused", n, len(messages))
	}
	// The length of a message is believed only as it arrives.
	ours, theirs := net.Pipe()
	a.transport.ReceiveStream(theirs)
	_, _ = ours.Write([]byte{0x7f, 0xff, 0xff, 0xff})
	_, _ = io.Copy(io.Discard, ours)
	_ = ours.Close()
	if n := a.Counters().RefusedMessage; n != uint64(len(messages)+1) {
		t.Errorf("a message of 2 GiB is not refused")
	}
}

// TestForgedPacketsAreRefused: what memberlist has for other purposes gets around no bound.
func TestForgedPacketsAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", nil)
		packets := [][]byte{
			{}, {9, 1, 2}, {10, 0}, {244, 1, 'x'}, {typePushPull}, {200},
			{typeCompound}, {typeCompound, 2, 0, 1, 0, 1, typePing}, {typeCompound, 1, 0, 1, typeCompound},
			{typeCompound, 1, 0, 1, 9}, {typeCompound, 1, 0, 0}, append([]byte{typeUser}, make([]byte, maxPacketIn)...),
			{typeChecksum, 0, 0, 0, 0, 9},
		}
		for _, p := range packets {
			a.transport.ReceivePacket(a.transport.envelopes.pack(nil, kindPacket, p))
		}
		if n := a.Counters().RefusedMessage; n != uint64(len(packets)) {
			t.Errorf("%d of %d packets are refused", n, len(packets))
		}
		stream := a.transport.envelopes.pack(nil, kindStream, []byte{typePing})
		for _, p := range [][]byte{nil, []byte("G"), stream, []byte("AMQP\x00\x01\x00\x00")} {
			a.transport.ReceivePacket(p)
		}
		if n := a.Counters().RefusedEnvelope; n != 4 {
			t.Errorf("%d of 4 packets that are no gossip are refused", n)
		}
		if c := a.Counters(); c.PacketsIn != 0 {
			t.Errorf("%d packets are taken", c.PacketsIn)
		}
	})
}

// TestForgedNewsOfAMemberAreDenied: who is said to be dead by somebody with the key says that it is not, and its
// connections stay.
func TestForgedNewsOfAMemberAreDenied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		routers := []*router{w.start("A", "", nil), w.start("B", "A", nil), w.start("C", "A", nil)}
		wantView(t, "all join", "A B C", routers...)
		type dead struct {
			Incarnation uint32
			Node, From  string
		}
		for _, kind := range []byte{typeDead, typeSuspect} {
			var b bytes.Buffer
			b.WriteByte(kind)
			if err := codec.NewEncoder(&b, new(codec.MsgpackHandle)).Encode(&dead{100, "C", "B"}); err != nil {
				t.Fatal(err)
			}
			routers[0].transport.ReceivePacket(routers[0].transport.envelopes.pack(nil, kindPacket, b.Bytes()))
			time.Sleep(time.Minute)
			wantView(t, "C denies it", "A B C", routers...)
		}
	})
}

// TestAForgedGoodbyeIsDenied: who is said to have left says that it is there.
func TestAForgedGoodbyeIsDenied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		routers := []*router{w.start("A", "", nil), w.start("B", "A", nil), w.start("C", "A", nil)}
		wantView(t, "all join", "A B C", routers...)
		m, _ := routers[0].Snapshot().Find("C")
		forged := append([]byte{typeUser}, appendDeparture(nil, "C", m.Instance)...)
		routers[0].transport.ReceivePacket(routers[0].transport.envelopes.pack(nil, kindPacket, forged))
		wantView(t, "A believes it", "A B", routers[0])
		wantView(t, "C denies it", "A B C", routers...)
		time.Sleep(time.Minute)
		wantView(t, "and stays", "A B C", routers...)
		if !routers[2].said("which is not so") {
			t.Errorf("the log is %q", routers[2].logged())
		}
	})
}

// TestDetailsOfNobodyTakeNoMemory.
func TestDetailsOfNobodyTakeNoMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.start("A", "", nil)
		for i := range 10_000 {
			a.book.learn(details{id: fmt.Sprint("nobody", i), instance: 1, version: 1}.append(nil))
		}
		a.book.learn(bytes.Repeat([]byte{1}, 10_000))
		a.book.mu.Lock()
		defer a.book.mu.Unlock()
		if n := len(a.book.early); n > earlyRecords || len(a.book.entries) != 1 || a.Counters().RefusedDetails == 0 {
			t.Errorf("%d details and %d members are kept", n, len(a.book.entries))
		}
	})
}

// FuzzInput feeds what others send to everything that reads it.
func FuzzInput(f *testing.F) {
	d := details{id: "A", instance: 1, version: 2, endpoints: []Endpoint{at("A")}, relays: []string{"B"}}
	f.Add(meta{site: "here"}.append(nil))
	f.Add(d.append(nil))
	f.Add(envelopes{mesh: "test"}.pack(nil, kindPacket, []byte{typePing}))
	f.Add(pushPull(f, pushPullHeader{Nodes: 1}, []string{"forged-000001"}))
	f.Add(appendFrame(nil, 3, "A", "B", []byte{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseMeta(b); err == nil {
			if again, err := parseMeta(m.append(nil)); err != nil || again != m {
				t.Errorf("%+v becomes %+v, %v", m, again, err)
			}
		}
		if d, err := parseDetails(b); err == nil {
			if got := d.append(nil); !bytes.HasPrefix(b, got) {
				t.Errorf("%x becomes %x", b, got)
			}
		}
		_ = checkPacket(b)
		_ = checkStream(b)
		_, _ = envelopes{mesh: "test"}.unpack(kindPacket, b)
	})
}
