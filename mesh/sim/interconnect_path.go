package sim

import "slices"

// The paths of the model, word by word those of python/qpid_dispatch_internal/router/path.py.

type qdTree struct {
	prev map[string]string
	cost map[string]int
	hops map[string]int
}

// treeFromRoot is _calculate_tree_from_root.
func treeFromRoot(root string, collection map[string]map[string]int) qdTree {
	states := make(map[string]map[string]int)
	for _, id := range sortedKeys(collection) {
		states[id] = collection[id]
		for _, p := range sortedKeys(collection[id]) {
			if _, ok := states[p]; !ok {
				states[p] = map[string]int{id: 1}
			}
		}
	}
	t := qdTree{make(map[string]string), map[string]int{root: 0}, map[string]int{root: 0}}
	type entry struct {
		id      string
		cost    int
		reached bool
	}
	unresolved := []entry{{root, 0, true}}
	for _, id := range sortedKeys(states) {
		if id != root {
			unresolved = append(unresolved, entry{id: id})
		}
	}
	for len(unresolved) > 0 {
		u := unresolved[0]
		unresolved = unresolved[1:]
		if !u.reached {
			break
		}
		for _, v := range sortedKeys(states[u.id]) {
			at := slices.IndexFunc(unresolved, func(e entry) bool { return e.id == v })
			if at < 0 {
				continue
			}
			alt := t.cost[u.id] + states[u.id][v]
			if known, ok := t.cost[v]; ok && alt >= known {
				continue
			}
			t.hops[v], t.cost[v], t.prev[v] = t.hops[u.id]+1, alt, u.id
			unresolved = slices.Delete(unresolved, at, at+1)
			at = slices.IndexFunc(unresolved, func(e entry) bool {
				return !e.reached || alt < e.cost || alt == e.cost && v < e.id
			})
			if at < 0 {
				at = len(unresolved)
			}
			unresolved = slices.Insert(unresolved, at, entry{v, alt, true})
		}
	}
	return t
}

// computeRoutes is calculate_routes, and what tick in node.py does with the result.
func (q *interconnect) computeRoutes() {
	collection := map[string]map[string]int{q.id: q.own}
	for id, n := range q.nodes {
		collection[id] = n.peers
	}
	t := treeFromRoot(q.id, collection)
	q.radius = 0
	for _, id := range sortedKeys(t.prev) {
		q.radius = max(q.radius, t.hops[id])
		hop := id
		for t.prev[hop] != q.id {
			hop = t.prev[hop]
		}
		n := q.nodes[id]
		if n == nil {
			continue
		}
		if n.next = q.nodes[hop]; hop == id {
			n.next = nil
		}
		n.cost = t.cost[id]
		n.origins = nil
	}
	for root := range t.prev {
		tree := treeFromRoot(root, collection)
		for dest := range tree.prev {
			for v := tree.prev[dest]; v != root; v = tree.prev[v] {
				if n := q.nodes[dest]; v == q.id && n != nil && !slices.Contains(n.origins, root) {
					n.origins = append(n.origins, root)
				}
			}
		}
	}
}
