package addressing

import "math"

// Match returns the value of the best match for the text of an address (Address.Text, not the key).
func (t *Tree[T]) Match(text string) (value T, ok bool) { return match(t, text) }

// MatchBytes is Match for octets. It does not keep text.
func (t *Tree[T]) MatchBytes(text []byte) (value T, ok bool) { return match(t, text) }

func match[T any, S ~string | ~[]byte](t *Tree[T], text S) (value T, ok bool) {
	if t.root == nil {
		return value, false
	}
	s := search[T, S]{text: text}
	if t.memos <= len(s.few) {
		s.failed = s.few[:]
	} else {
		s.failed = make([]uint32, t.memos)
	}
	if n := s.below(t.root, firstToken(text)); n != nil {
		return n.value, true
	}
	return value, false
}

// search is one walk of an address through a tree. It goes depth first in the order of precedence and stops at the
// first pattern that matches all tokens. Its depth is bounded by the depth of the tree.
//
// A "#" tries every number of tokens, so a pattern with several of them could be walked in exponentially many ways. But
// whether the rest of a pattern matches depends only on the node and the position. A node with a single "#" on the way
// to it is reached at most once per position; for a "#" behind another one failed keeps the lowest position from which
// everything was tried in vain, and a later visit tries only positions before it. So a walk costs at most the number
// of nodes that match part of the address times the number of its tokens.
type search[T any, S ~string | ~[]byte] struct {
	text   S
	failed []uint32 // by memo number − 1: ^position, so that zero means "not tried"
	few    [16]uint32
}

// below returns the best pattern below n that matches the tokens from position at on. Positions: len(text) is the end.
func (s *search[T, S]) below(n *node[T], at int) *node[T] {
	if at < len(s.text) {
		end, next := token(s.text, at)
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
	if at == len(s.text) && n.ends {
		return n
	}
	return s.below(n, at)
}

// anywhere returns the best pattern at or below the "#" node n: whatever follows the "#" may begin at any token from
// position at on, the earliest being the best. A pattern that ends with the "#" comes last.
func (s *search[T, S]) anywhere(n *node[T], at int) *node[T] {
	first, limit := at, len(s.text)
	if n.memo > 0 {
		if f := s.failed[n.memo-1]; f != 0 {
			limit = int(math.MaxUint32 - f)
		}
	}
	for at < limit {
		if m := s.below(n, at); m != nil {
			return m
		}
		_, at = token(s.text, at)
	}
	if n.ends {
		return n
	}
	if n.memo > 0 && first < limit {
		s.failed[n.memo-1] = math.MaxUint32 - uint32(first)
	}
	return nil
}
