package mesh

import (
	"math"
	"testing"
	"time"
)

// helloProbe makes router B say hello with something about the time.
func (s *story) helloProbe(p probe) {
	s.say(route{1, []string{"B"}, toHello}, OpcodeHello,
		message{id: "B", instance: 2000, seen: []string{"A"}, interval: 100, probe: p})
}

// nextProbe lets time pass until a HELLO asks for an echo, and returns its number.
func (s *story) nextProbe() int64 {
	s.t.Helper()
	for range 100 {
		s.now = s.node.Deadline()
		s.node.Advance(s.now)
		for _, e := range s.drain() {
			if m := s.helloOf(e); m != nil && m.probe.sent != 0 {
				return m.probe.sent
			}
		}
		s.helloOurs("B")
	}
	s.t.Fatal("no HELLO measures the time")
	return 0
}

// helloOf returns the HELLO that an event sends, nil if it sends none.
func (s *story) helloOf(e Event) *message {
	if e.Kind != EventSend {
		return nil
	}
	env, err := decodeEnvelope(e.Payload)
	if err != nil {
		s.t.Fatal(err)
	}
	if parseOpcode(env.opcode) != OpcodeHello {
		return nil
	}
	m, err := decodeMessage(OpcodeHello, env.body, limits{10, 10})
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

func (s *story) measured() LinkStatus { return s.node.Links()[0] }

// measure lets B answer probes after the time.
func (s *story) measure(rtt time.Duration, times int) {
	s.t.Helper()
	for range times {
		number := s.nextProbe()
		s.advance(rtt + 5*time.Millisecond)
		s.helloProbe(probe{echo: number, held: 5000})
	}
}

func TestRoundTripTimeIsTheLowestWithoutWhatWasHeld(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meetOurs("B")
	s.measure(7*time.Millisecond, 3)
	if s.measured().RTT != 0 {
		t.Error("it is known after three answers")
	}
	s.measure(30*time.Millisecond, 1)
	if got := s.measured(); got.RTT != 7*time.Millisecond || got.Cost != 1 || got.Measured {
		t.Errorf("%+v, want 7 ms, and the cost that was given", got)
	}
	s.measure(30*time.Millisecond, rttSamples)
	if got := s.measured().RTT; got != 30*time.Millisecond {
		t.Errorf("%v, want 30 ms, as it has become longer", got)
	}
}

func TestEchoSaysForHowLongItWasHeld(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meetOurs("B")
	s.helloProbe(probe{sent: 4711})
	began := s.now
	for range 2 { // the second time it is a copy
		found := 0
		for end := s.now.Add(150 * time.Millisecond); s.now.Before(end); {
			s.now = s.node.Deadline()
			s.node.Advance(s.now)
			for _, e := range s.drain() {
				if m := s.helloOf(e); m != nil && m.probe.echo != 0 {
					found++
					if m.probe.echo != 4711 || m.probe.held != s.now.Sub(began).Microseconds() {
						t.Errorf("%+v after %v", m.probe, s.now.Sub(began))
					}
				}
			}
		}
		if found > 1 || found == 0 && s.now.Sub(began) < 200*time.Millisecond {
			t.Errorf("%d echoes", found)
		}
		s.helloProbe(probe{sent: 4711})
	}
}

// Only the number that is under way is an answer, once, and no time comes of what makes no sense.
func TestAnswersThatMakeNoSenseMeasureNothing(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.meetOurs("B")
	s.node.MeasureCost(s.now, 1)
	for range 3 * rttSamples {
		number := s.nextProbe()
		s.advance(10 * time.Millisecond)
		for _, p := range []probe{
			{echo: number + 1}, {echo: -number}, {echo: math.MaxInt64}, {echo: math.MinInt64}, {sent: math.MinInt64},
			{sent: -1}, {sent: math.MaxInt64, held: math.MinInt64}, {echo: number - 1, held: math.MaxInt64},
		} {
			s.helloProbe(p)
		}
		switch number % 4 {
		case 0:
			s.helloProbe(probe{echo: number, held: -1})
		case 1:
			s.helloProbe(probe{echo: number, held: math.MaxInt64})
		case 2:
			s.helloProbe(probe{echo: number, held: 50_000}) // longer than it was under way
		case 3:
			s.helloProbe(probe{echo: number, held: math.MinInt64})
		}
		s.helloProbe(probe{echo: number}) // it is too late for a better one
	}
	if got := s.measured(); got.RTT != 0 || !got.Up || got.Measured || got.Cost != 1 {
		t.Errorf("%+v, want no time, and the cost that was given", got)
	}
}

func TestMeasuredCostFollowsTheTimeAfterAWhile(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.node.LinkUp(s.now, 1, 3, "B", true)
	s.node.MeasureCost(s.now, 1)
	s.drain()
	s.helloOurs("B")
	s.advance(20 * time.Millisecond)
	cost := func() int { return s.node.Status().LinkState[0].Cost }
	if got := cost(); got != rttUnknownCost {
		t.Errorf("%d before the time is known, want %d", got, rttUnknownCost)
	}
	s.measure(2*time.Millisecond, rttFirst)
	if got := cost(); got != 21 || !s.measured().Measured {
		t.Errorf("2 ms cost %d, want 21", got)
	}
	seq := s.node.Status().LinkStateSeq
	s.measure(2300*time.Microsecond, 3*rttSamples)
	if got := cost(); got != 21 || s.node.Status().LinkStateSeq != seq {
		t.Errorf("2.3 ms cost %d, want 21 still", got)
	}
	s.measure(9*time.Millisecond, rttSamples-1)
	if got := cost(); got != 21 {
		t.Errorf("9 ms cost %d while there were shorter times, want 21", got)
	}
	s.measure(9*time.Millisecond, 30)
	if got := cost(); got != 91 || s.node.Status().LinkStateSeq != seq+1 {
		t.Errorf("9 ms cost %d, and %d changes; want 91 after one", got, s.node.Status().LinkStateSeq-seq)
	}
	s.node.LinkUp(s.now, 1, 7, "B", true)
	if got := cost(); got != 91 {
		t.Errorf("%d after another one was given, want 91", got)
	}
}

func TestNeighborThatDoesNotAnswerCostsWhatWasGiven(t *testing.T) {
	t.Parallel()
	s := newStory(t, Config{LogLevel: LevelCritical})
	s.node.LinkUp(s.now, 1, 3, "B", true)
	s.node.MeasureCost(s.now, 1)
	for range 60 {
		s.helloOurs("B")
		s.advance(100 * time.Millisecond)
	}
	if got := s.node.Status().LinkState[0].Cost; got != 3 {
		t.Errorf("a neighbor of our kind costs %d, want 3", got)
	}
	s.node.LinkUp(s.now, 2, 4, "C", false)
	s.node.MeasureCost(s.now, 2)
	if got := s.node.Links()[1].Cost; got != 4 {
		t.Errorf("one that is not costs %d, want 4", got)
	}
}
