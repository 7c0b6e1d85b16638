package mesh

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// BenchmarkChange is what one change somewhere in a mesh costs a router with six neighbors: taking the message, computing
// paths, equal-cost sets, alternates and valid origins, and publishing them.
func BenchmarkChange(b *testing.B) {
	for _, count := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			s := newStory(b, Config{LogLevel: LevelCritical, HelloInterval: time.Hour, HelloMaxAge: 2 * time.Hour,
				LSMaxAge: 1000 * time.Hour})
			rnd := rand.New(rand.NewPCG(1, 2))
			id := func(i int) string {
				if i == 0 {
					return "A"
				}
				return fmt.Sprintf("R%03d", i)
			}
			peers := make([]map[string]int, count)
			for i := range peers {
				peers[i] = make(map[string]int)
			}
			join := func(i, j int) {
				if cost := 1 + rnd.IntN(5); i != j && (i != 0 || len(peers[0]) < 6) && (j != 0 || len(peers[0]) < 6) {
					peers[i][id(j)], peers[j][id(i)] = cost, cost
				}
			}
			for i := 1; i < count; i++ {
				join(i, rnd.IntN(i))
			}
			for range 2 * count {
				join(rnd.IntN(count), rnd.IntN(count))
			}
			state := func(i int, seq int64) *linkState {
				ls := &linkState{seq: seq}
				for _, p := range sortedKeys(peers[i]) {
					ls.peers = append(ls.peers, PeerCost{p, peers[i][p]})
				}
				return ls
			}
			first := ""
			for i, p := range sortedKeys(peers[0]) {
				s.node.LinkUp(s.now, LinkID(i+1), peers[0][p], p, false)
				s.hello(LinkID(i+1), p, 2000, "A")
				if first == "" {
					first = p
				}
			}
			tell := func(i int, seq int64) {
				trace := []string{id(i)}
				if id(i) != first {
					trace = append(trace, first)
				}
				s.say(route{1, trace, toAll}, OpcodeRA, message{id: id(i), instance: 2000, lsSeq: seq, ls: state(i, seq)})
				s.text.Reset()
			}
			for i := 1; i < count; i++ {
				tell(i, 1)
			}
			s.advance(time.Minute)
			if size := s.node.Size(); size.Reachable != count-1 {
				b.Fatalf("%d of %d routers are reached", size.Reachable, count-1)
			}
			s.text.Reset()
			last := count - 1
			for p := range peers[last] {
				peers[last][p] += 10
			}
			raise := 1
			seq := int64(1)
			before := s.node.Counters().PathComputations
			for b.Loop() {
				seq++
				raise = -raise
				for p := range peers[last] {
					peers[last][p] += raise
				}
				s.now = s.now.Add(3 * time.Second) // a quiet time
				tell(last, seq)
				for !s.node.Settled() {
					s.node.Advance(s.now)
					s.node.Events()
				}
			}
			b.ReportMetric(float64(s.node.Counters().PathComputations-before)/float64(b.N), "computations/op")
		})
	}
}
