package addressing

import (
	"fmt"
	"iter"
	"maps"
)

// Tree maps patterns to values and finds the best match of an address. The zero value is an empty tree. A tree never
// changes: Add and Remove return another tree that shares what it can with the first one. So a reader needs no lock,
// and whoever replaces a tree publishes the new one with an atomic pointer.
type Tree[T any] struct {
	root  *node[T]
	count int // patterns

	of *syntax // nil: addressSyntax
}

// syntax is how the patterns of the tree are written.
func (t *Tree[T]) syntax() *syntax {
	if t.of == nil {
		return &addressSyntax
	}
	return t.of
}

// node is one token of the patterns that begin with the tokens on the way to it.
type node[T any] struct {
	exact map[string]*node[T] // tokens that are names
	one   *node[T]            // "*", or what stands for one token
	any   *node[T]            // "#"

	pattern string // the normal form, if a pattern ends here
	value   T
	ends    bool

	// again marks the "#" nodes that have another "#" on the way to them. Only these can be reached in more than one way
	// while an address is matched; for them the search remembers where it failed.
	again bool
}

// Entry is a pattern with its value.
type Entry[T any] struct {
	Pattern string
	Value   T
}

// NewTree returns the tree of all entries. A pattern that is not valid, or that has the same normal form as an earlier
// one, is an error.
func NewTree[T any](entries []Entry[T]) (*Tree[T], error) {
	t := &Tree[T]{root: &node[T]{}}
	for _, e := range entries {
		tokens, err := patternTokens(e.Pattern)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", e.Pattern, err)
		}
		if err := t.insert(tokens, e.Value, func(n *node[T]) *node[T] { return n }); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", e.Pattern, err)
		}
	}
	return t, nil
}

// Add returns a tree that has the pattern too. A pattern that is not valid, or that the tree has already in the same
// normal form, is an error.
func (t *Tree[T]) Add(pattern string, value T) (*Tree[T], error) {
	tokens, err := patternTokens(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	next, err := t.with(tokens, value)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return next, nil
}

// with returns a tree that has the pattern with these tokens too.
func (t *Tree[T]) with(tokens []string, value T) (*Tree[T], error) {
	next := *t
	if next.root == nil {
		next.root = &node[T]{}
	} else {
		next.root = t.root.clone()
	}
	if err := next.insert(tokens, value, (*node[T]).clone); err != nil {
		return nil, err
	}
	return &next, nil
}

// insert puts the pattern into the tree. It calls own for each existing node before it changes it.
func (t *Tree[T]) insert(tokens []string, value T, own func(*node[T]) *node[T]) error {
	n, below, x := t.root, false, t.syntax()
	for _, tok := range tokens {
		child := n.child(x, tok)
		if child != nil {
			child = own(child)
		} else {
			child = &node[T]{}
			child.again = tok == wildcardAny && below
		}
		n.set(x, tok, child)
		n, below = child, below || tok == wildcardAny
	}
	if n.ends {
		return fmt.Errorf("it is the same as %q, which is there already", n.pattern)
	}
	n.pattern, n.value, n.ends = x.join(tokens), value, true
	t.count++
	return nil
}

// Remove returns a tree without the pattern, and true, or the same tree and false if it does not have the pattern.
func (t *Tree[T]) Remove(pattern string) (*Tree[T], bool) {
	tokens, err := patternTokens(pattern)
	if err != nil || t.find(tokens) == nil {
		return t, false
	}
	return t.without(tokens), true
}

// without returns a tree that lacks the pattern with these tokens, which it has.
func (t *Tree[T]) without(tokens []string) *Tree[T] {
	next := *t
	next.root = t.root.without(t.syntax(), tokens)
	next.count--
	if next.root == nil {
		next.root = &node[T]{}
	}
	return &next
}

// without returns a copy of n that lacks the pattern with these tokens below it, or nil if nothing is left of it.
func (n *node[T]) without(x *syntax, tokens []string) *node[T] {
	c := n.clone()
	if len(tokens) == 0 {
		var zero T
		c.pattern, c.value, c.ends = "", zero, false
	} else {
		c.set(x, tokens[0], n.child(x, tokens[0]).without(x, tokens[1:]))
	}
	if !c.ends && len(c.exact) == 0 && c.one == nil && c.any == nil {
		return nil
	}
	return c
}

// Get returns the value of the pattern itself, not of what it matches.
func (t *Tree[T]) Get(pattern string) (value T, ok bool) {
	tokens, err := patternTokens(pattern)
	if err != nil {
		return value, false
	}
	if n := t.find(tokens); n != nil {
		return n.value, true
	}
	return value, false
}

// find returns the node at which the pattern ends, or nil.
func (t *Tree[T]) find(tokens []string) *node[T] {
	n := t.root
	for _, tok := range tokens {
		if n == nil {
			return nil
		}
		n = n.child(t.syntax(), tok)
	}
	if n == nil || !n.ends {
		return nil
	}
	return n
}

// Len returns the number of patterns.
func (t *Tree[T]) Len() int { return t.count }

// All yields the normal forms of all patterns with their values, in no particular order.
func (t *Tree[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		if t.root != nil {
			t.root.each(yield)
		}
	}
}

func (n *node[T]) each(yield func(string, T) bool) bool {
	if n.ends && !yield(n.pattern, n.value) {
		return false
	}
	for _, c := range n.exact {
		if !c.each(yield) {
			return false
		}
	}
	return (n.one == nil || n.one.each(yield)) && (n.any == nil || n.any.each(yield))
}

func (n *node[T]) child(x *syntax, tok string) *node[T] {
	switch tok {
	case x.one:
		return n.one
	case wildcardAny:
		return n.any
	}
	return n.exact[tok]
}

// set makes c the child for the token; nil removes it.
func (n *node[T]) set(x *syntax, tok string, c *node[T]) {
	switch {
	case tok == x.one:
		n.one = c
	case tok == wildcardAny:
		n.any = c
	case c == nil:
		delete(n.exact, tok)
	default:
		if n.exact == nil {
			n.exact = make(map[string]*node[T])
		}
		n.exact[tok] = c
	}
}

func (n *node[T]) clone() *node[T] {
	c := *n
	c.exact = maps.Clone(n.exact)
	return &c
}
