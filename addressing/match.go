package addressing

// Match returns the value of the best match for the text of an address (Address.Text, not the key).
func (t *Tree[T]) Match(text string) (value T, ok bool) { return match(t, text) }

// MatchBytes is Match for octets. It does not keep text.
func (t *Tree[T]) MatchBytes(text []byte) (value T, ok bool) { return match(t, text) }

func match[T any, S ~string | ~[]byte](t *Tree[T], text S) (value T, ok bool) {
	if t.root == nil {
		return value, false
	}
	s := search[T, S]{syntax: t.syntax(), text: text}
	if n := s.below(t.root, firstToken(s.syntax, text)); n != nil {
		return n.value, true
	}
	return value, false
}

// search is one walk of an address through a tree. It goes depth first in the order of precedence and stops at the
// first pattern that matches all tokens, or goes on to find all of them. Its depth is bounded by the depth of the tree.
//
// A "#" tries every number of tokens, so a pattern with several of them could be walked in exponentially many ways. But
// whether the rest of a pattern matches depends only on the node and the position. A node with a single "#" on the way
// to it is reached at most once per position; for a "#" behind another one failed keeps the lowest position from which
// everything was tried in vain, and a later visit tries only positions before it. So a walk costs at most the number
// of nodes that match part of the address times the number of its tokens.
type search[T any, S ~string | ~[]byte] struct {
	syntax *syntax
	text   S
	few    [16]trial[T]      // of the "#" nodes that were reached behind another "#", the first ones
	count  int               // of few
	more   map[*node[T]]*int // those that few has no room for
	all    *collection[T]    // every pattern that matches is wanted; nil: the best one
}

// trial is what a search knows of a "#" node: the position from which everything behind it was tried in vain, plus one,
// or 0.
type trial[T any] struct {
	n    *node[T]
	from int
}

// collection is the nodes at which patterns end that match.
type collection[T any] struct{ nodes []*node[T] }

// failed is where the position is kept from which everything behind a "#" node was tried in vain.
func (s *search[T, S]) failed(n *node[T]) *int {
	for i := range s.few[:s.count] {
		if s.few[i].n == n {
			return &s.few[i].from
		}
	}
	if s.count < len(s.few) {
		s.few[s.count].n = n
		s.count++
		return &s.few[s.count-1].from
	}
	from := s.more[n]
	if from == nil {
		if s.more == nil {
			s.more = make(map[*node[T]]*int)
		}
		from = new(int)
		s.more[n] = from
	}
	return from
}

// stop takes a node at which a pattern ends that matches. It tells whether the search ends there.
func (s *search[T, S]) stop(n *node[T]) bool {
	if s.all == nil {
		return true
	}
	s.all.nodes = append(s.all.nodes, n)
	return false
}

// below returns the best pattern below n that matches the tokens from position at on. Positions: len(text) is the end.
func (s *search[T, S]) below(n *node[T], at int) *node[T] {
	if at < len(s.text) {
		end, next := token(s.syntax, s.text, at)
		if c := n.exact[string(s.text[at:end])]; c != nil {
			if m := s.from(c, next); m != nil {
				return m
			}
		}
		if n.one != nil {
			if m := s.from(n.one, next); m != nil {
				return m
			}
		}
	}
	if n.any != nil {
		return s.anywhere(n.any, at)
	}
	return nil
}

// from returns the best pattern that ends at n or below it, after n has matched its token.
func (s *search[T, S]) from(n *node[T], at int) *node[T] {
	if at == len(s.text) && n.ends && s.stop(n) {
		return n
	}
	return s.below(n, at)
}

// anywhere returns the best pattern at or below the "#" node n: whatever follows the "#" may begin at any token from
// position at on, the earliest being the best. A pattern that ends with the "#" comes last.
func (s *search[T, S]) anywhere(n *node[T], at int) *node[T] {
	first, limit, again := at, len(s.text), false
	if n.again {
		if f := *s.failed(n); f > 0 {
			limit, again = f-1, true
		}
	}
	for at < limit {
		if m := s.below(n, at); m != nil {
			return m
		}
		_, at = token(s.syntax, s.text, at)
	}
	if n.ends && !again && s.stop(n) {
		return n
	}
	if n.again && (first < limit || !again) {
		*s.failed(n) = first + 1
	}
	return nil
}
