package metrics

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// mostNeighbors is how many neighbors have series of their own: those with the lowest ids.
	mostNeighbors = 1000
	// mostTexts is how many values a label has whose values the router takes from a small set: opcodes and reasons.
	mostTexts = 64
)

// collectGossip sends what is known by gossip.
func collectGossip(out output, g *Gossip) {
	out.gauge(descMembers, float64(g.Members), "present")
	out.gauge(descMembers, float64(g.Lost), "lost")
	out.gauge(descPlannedLinks, float64(g.PlannedUp), "up")
	out.gauge(descPlannedLinks, float64(g.PlannedLinks-g.PlannedUp), "down")
	out.counter(descGossipRefused, g.Refused)
	out.counter(descGossipPackets, g.PacketsIn, "in")
	out.counter(descGossipPackets, g.PacketsOut, "out")
	out.counter(descGossipDropped, g.DroppedPackets)
}

func collectMesh(out output, m *Mesh) {
	if m.Gossip != nil {
		collectGossip(out, m.Gossip)
	}
	up := 0
	for _, n := range m.Neighbors {
		if n.Up {
			up++
		}
	}
	out.gauge(descNeighbors, float64(up), "up")
	out.gauge(descNeighbors, float64(len(m.Neighbors)-up), "down")
	neighbors := slices.SortedFunc(slices.Values(m.Neighbors), func(a, b Neighbor) int { return cmp.Compare(a.ID, b.ID) })
	neighbors = slices.DeleteFunc(neighbors, func(n Neighbor) bool { return !labelled(n.ID) })
	for _, n := range neighbors[:min(len(neighbors), mostNeighbors)] {
		v := 0.0
		if n.Up {
			v = 1
		}
		out.gauge(descNeighborUp, v, n.ID)
		out.gauge(descNeighborCost, float64(n.Cost), n.ID)
		if n.RTT > 0 {
			out.gauge(descNeighborRTT, n.RTT.Seconds(), n.ID)
		}
	}
	out.gauge(descRouters, float64(m.Routers))
	out.gauge(descReachable, float64(m.Reachable))
	out.gauge(descLinkStates, float64(m.LinkStates))
	out.gauge(descEdges, float64(m.Edges))
	out.gauge(descRemote, float64(m.Addresses))
	out.counter(descForwarded, m.Forwarded)
	for _, d := range m.Dropped {
		out.counter(descControlDropped, d.Count, d.Reason)
	}
	out.counter(descPathComputations, m.PathComputations)
	out.histogram(descPathSeconds, &m.PathTime)
	changed := 0.0
	if !m.LastTopologyChange.IsZero() {
		changed = float64(m.LastTopologyChange.UnixMilli()) / 1000
	}
	out.gauge(descTopologyChange, changed)
	for _, direction := range []string{"in", "out"} {
		byOpcode := map[string]uint64{}
		for _, c := range m.ControlMessages {
			if c.Direction == direction {
				byOpcode[c.Opcode] += c.Count
			}
		}
		collectTexts(out, descControlMessages, byOpcode, direction)
	}
}

// collectTexts sends a counter for each text, followed by the labels given. What cannot be a label, and what goes past
// the bound, is counted under other.
func collectTexts(out output, d *prometheus.Desc, byText map[string]uint64, labels ...string) {
	var rest uint64
	folded, sent := false, 0
	for _, text := range slices.Sorted(maps.Keys(byText)) {
		if sent == mostTexts || !labelled(text) {
			rest, folded = rest+byText[text], true
			continue
		}
		out.counter(d, byText[text], append([]string{text}, labels...)...)
		sent++
	}
	if folded {
		out.counter(d, rest, append([]string{other}, labels...)...)
	}
}
