package mesh

// Disjoint returns for each of some routers, by their numbers, two paths to it that have no router in common, or, where
// there are none such, no connection, with the lowest sum of costs. A path lists the numbers of the routers behind this
// one. Routers to which there are no two paths are left out.
func (n *Node) Disjoint(routers []int) map[int][2][]int {
	if len(routers) == 0 {
		return nil
	}
	g, err := n.graph()
	if err != nil { // cannot be: all costs have been checked
		n.log(LevelCritical, ModuleLS, "Disjoint paths cannot be computed: %v", err)
		return nil
	}
	paths := make(map[int][2][]int)
	for _, to := range routers {
		if to <= 0 || to >= len(n.numbers) || n.numbers[to] == nil {
			continue
		}
		if pair := g.Disjoint(0, to); len(pair.Second) > 1 {
			paths[to] = [2][]int{pair.First[1:], pair.Second[1:]}
		}
	}
	return paths
}
