package membership

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Level is how important a message is.
type Level uint8

// The levels.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarning
	LevelError
)

// Limits of what is logged: others can cause messages, and choose part of their text.
const (
	logRate  = 5.0 // messages a second
	logBurst = 50.0
	logText  = 400 // octets of a message
)

// logger writes messages for the router's log, not more than a few a second.
type logger struct {
	write func(level Level, text string)

	mu      sync.Mutex
	bucket  bucket
	skipped int
}

func (l *logger) printf(level Level, format string, args ...any) {
	if l.write == nil || level == LevelDebug {
		return
	}
	l.mu.Lock()
	pass := l.bucket.take(time.Now(), logRate, logBurst)
	skipped := l.skipped
	if pass {
		l.skipped = 0
	} else {
		l.skipped++
	}
	l.mu.Unlock()
	if !pass {
		return
	}
	text := fmt.Sprintf(format, args...)
	if len(text) > logText {
		text = strings.ToValidUTF8(text[:logText], "") + "…"
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '·'
		}
		return r
	}, text)
	if skipped > 0 {
		text = fmt.Sprintf("%s (%d messages before it were left out)", text, skipped)
	}
	l.write(level, text)
}

// Write takes what memberlist logs: "[WARN] memberlist: text". Its errors are things that happen in a network, and no
// more than warnings here.
func (l *logger) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b[:min(len(b), 2*logText)]))
	level := LevelDebug
	for prefix, lv := range map[string]Level{"[INFO]": LevelInfo, "[WARN]": LevelWarning, "[ERR": LevelWarning} {
		if strings.HasPrefix(text, prefix) {
			level = lv
		}
	}
	if _, after, ok := strings.Cut(text, "] "); ok {
		text = after
	}
	l.printf(level, "%s", strings.TrimPrefix(text, "memberlist: "))
	return len(b), nil
}

// bucket bounds a rate: it lets through burst at once and then rate per second.
type bucket struct {
	used float64
	last time.Time
}

func (b *bucket) take(now time.Time, rate, burst float64) bool {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*rate)
	b.last = now
	if b.used+1 > burst {
		return false
	}
	b.used++
	return true
}

// counters are the live form of [Counters].
type counters struct {
	packetsIn, packetsOut, droppedIn, droppedOut               atomic.Uint64
	streamsIn, streamsOut, refusedStreams                      atomic.Uint64
	refusedEnvelope, refusedMesh, refusedPlain, refusedKey     atomic.Uint64
	refusedMessage, refusedMember, refusedNotAllowed           atomic.Uint64
	refusedRate, refusedFull, refusedDetails, duplicates, held atomic.Uint64
}

// refuse counts an envelope that is not opened.
func (c *counters) refuse(err error) {
	switch e := err.Error(); {
	case strings.HasPrefix(e, errMesh.Error()):
		c.refusedMesh.Add(1)
	case e == errPlain.Error() || e == errSealed.Error():
		c.refusedPlain.Add(1)
	case e == errKey.Error():
		c.refusedKey.Add(1)
	default:
		c.refusedEnvelope.Add(1)
	}
}

// Counters say what became of gossip since the start.
type Counters struct {
	PacketsIn, PacketsOut uint64
	DroppedIn, DroppedOut uint64 // packets for which there was no room, or no way
	StreamsIn, StreamsOut uint64
	RefusedStreams        uint64 // too many at the same time
	RefusedEnvelope       uint64 // no gossip of this version
	RefusedMesh           uint64 // of another mesh
	RefusedPlain          uint64 // not encrypted although there is a keyring, or the other way round
	RefusedKey            uint64 // encrypted with a key that is not in the keyring
	RefusedMessage        uint64 // against the rules of the protocol
	RefusedMember         uint64 // a member with impossible attributes
	RefusedNotAllowed     uint64 // a member that is on no list
	RefusedRate           uint64 // members that came too fast; they may come again
	RefusedFull           uint64 // members beyond the most that there may be
	RefusedDetails        uint64 // details of members, impossible or of nobody
	Duplicates            uint64 // another router with the id of this one
	Held                  uint64 // times that a member was taken for lost because it came and went too often
}

func (c *counters) snapshot() Counters {
	return Counters{
		PacketsIn: c.packetsIn.Load(), PacketsOut: c.packetsOut.Load(),
		DroppedIn: c.droppedIn.Load(), DroppedOut: c.droppedOut.Load(),
		StreamsIn: c.streamsIn.Load(), StreamsOut: c.streamsOut.Load(), RefusedStreams: c.refusedStreams.Load(),
		RefusedEnvelope: c.refusedEnvelope.Load(), RefusedMesh: c.refusedMesh.Load(),
		RefusedPlain: c.refusedPlain.Load(), RefusedKey: c.refusedKey.Load(), RefusedMessage: c.refusedMessage.Load(),
		RefusedMember: c.refusedMember.Load(), RefusedNotAllowed: c.refusedNotAllowed.Load(),
		RefusedRate: c.refusedRate.Load(), RefusedFull: c.refusedFull.Load(), RefusedDetails: c.refusedDetails.Load(),
		Duplicates: c.duplicates.Load(), Held: c.held.Load(),
	}
}
