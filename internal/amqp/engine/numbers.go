package engine

// numbers maps the handles or the channels of one side to links or sessions. Nearly all peers count from 0, so a slice
// does; a number far beyond the others goes to a map, so that one attach of handle 65535 does not take a table of that
// length. The zero value is empty.
type numbers[ID ~int32] struct {
	near []ID
	far  map[uint32]ID
	used int
}

// get returns what stands for n, or None.
func (t *numbers[ID]) get(n uint32) ID {
	if uint64(n) < uint64(len(t.near)) && t.near[n] != None {
		return t.near[n]
	}
	if id, ok := t.far[n]; ok {
		return id
	}
	return None
}

// set puts id in place of n, which is free.
func (t *numbers[ID]) set(n uint32, id ID) {
	const gap = 64
	t.used++
	if uint64(n) >= uint64(len(t.near)+gap) {
		if t.far == nil {
			t.far = make(map[uint32]ID)
		}
		t.far[n] = id
		return
	}
	for uint64(n) >= uint64(len(t.near)) {
		t.near = append(t.near, None)
	}
	t.near[n] = id
}

// remove makes n, which is in use, free.
func (t *numbers[ID]) remove(n uint32) {
	t.used--
	if _, far := t.far[n]; far {
		delete(t.far, n)
		return
	}
	t.near[n] = None
}
