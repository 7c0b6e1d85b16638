package topologies

// Costs returns the costs of the cheapest paths from one router to all others that have one.
func (t *Topology) Costs(from string) map[string]int {
	costs := map[string]int{from: 0}
	for changed := true; changed; {
		changed = false
		for _, l := range t.Links {
			for _, ends := range [2][2]string{{l.A, l.B}, {l.B, l.A}} {
				near, ok := costs[ends[0]]
				far, known := costs[ends[1]]
				if ok && (!known || near+l.Cost < far) {
					costs[ends[1]] = near + l.Cost
					changed = true
				}
			}
		}
	}
	delete(costs, from)
	return costs
}
