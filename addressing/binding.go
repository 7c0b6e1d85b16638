package addressing

import (
	"fmt"
	"slices"
	"strings"
)

// MatchMethod says how an exchange compares the subjects of messages with the keys of its bindings.
type MatchMethod uint8

// The match methods.
const (
	// MatchAMQP is that of the topic exchanges of AMQP before 1.0: tokens are separated by '.'; '*' stands for exactly
	// one token and '#' for any number of them, none included.
	MatchAMQP MatchMethod = iota
	// MatchMQTT is that of MQTT's topic filters: tokens are separated by '/'; '+' stands for exactly one token and '#',
	// which only the last one may be, for any number of them, none included.
	MatchMQTT
)

var matchSyntax = [...]syntax{
	MatchAMQP: {[2]byte{'.', '.'}, "*"},
	MatchMQTT: {[2]byte{'/', '/'}, "+"},
}

// ParseMatchMethod returns the match method with a name, amqp or mqtt.
func ParseMatchMethod(name string) (MatchMethod, error) {
	switch name {
	case "amqp":
		return MatchAMQP, nil
	case "mqtt":
		return MatchMQTT, nil
	}
	return 0, fmt.Errorf("unknown match method %q: use amqp or mqtt", name)
}

// String returns the name of the method in the configuration.
func (m MatchMethod) String() string {
	if m == MatchMQTT {
		return "mqtt"
	}
	return "amqp"
}

// NormalizeKey returns a binding key in the form in which [Bindings] keep it: without separators at the start and one at
// the end, and, for amqp, "#.*" rewritten to "*.#" and "#.#" to "#", which match the same subjects. A key without a
// token, one with more than 255 tokens, and for mqtt one with a '#' before the last token, are errors.
func (m MatchMethod) NormalizeKey(key string) (string, error) {
	tokens, err := m.tokens(key)
	if err != nil {
		return "", err
	}
	return matchSyntax[m].join(tokens), nil
}

// StrangeTokens returns the tokens of a key that hold a wildcard among other characters, which is then an ordinary
// character.
func (m MatchMethod) StrangeTokens(key string) []string {
	x := &matchSyntax[m]
	var strange []string
	for at := firstToken(x, key); at < len(key); {
		end, next := token(x, key, at)
		if t := key[at:end]; len(t) > 1 && strings.ContainsAny(t, x.one+wildcardAny) {
			strange = append(strange, t)
		}
		at = next
	}
	return strange
}

func (m MatchMethod) tokens(key string) ([]string, error) {
	x := &matchSyntax[m]
	if m == MatchMQTT { // before "#.#" becomes "#"
		for at := firstToken(x, key); at < len(key); {
			end, next := token(x, key, at)
			if key[at:end] == wildcardAny && next < len(key) {
				return nil, fmt.Errorf("the key %q has a '#' that is not its last token: with mqtt it may stand only there", key)
			}
			at = next
		}
	}
	tokens, err := x.tokens(key)
	if err != nil {
		return nil, fmt.Errorf("the key %q: %w", key, err)
	}
	return tokens, nil
}

// Bindings maps keys to values, several for one key, and finds all values whose keys match a subject. Like a [Tree],
// which it is made of, it never changes: Add and Remove return others. So it can be searched without a lock while
// bindings come and go.
type Bindings[T comparable] struct {
	method MatchMethod
	tree   Tree[[]T]
	count  int
}

// NewBindings returns an empty set of bindings for a match method.
func NewBindings[T comparable](m MatchMethod) *Bindings[T] {
	return &Bindings[T]{method: m, tree: Tree[[]T]{of: &matchSyntax[m]}}
}

// Len returns the number of bindings.
func (b *Bindings[T]) Len() int { return b.count }

// Add returns bindings that have one more. A key that is not valid is an error.
func (b *Bindings[T]) Add(key string, value T) (*Bindings[T], error) {
	tokens, err := b.method.tokens(key)
	if err != nil {
		return nil, err
	}
	return b.replace(tokens, append(slices.Clone(b.values(tokens)), value), 1)
}

// Remove returns bindings that lack the one with the key and the value, and true, or the same ones and false if they do
// not have it.
func (b *Bindings[T]) Remove(key string, value T) (*Bindings[T], bool) {
	tokens, err := b.method.tokens(key)
	if err != nil {
		return b, false
	}
	values := slices.Clone(b.values(tokens))
	i := slices.Index(values, value)
	if i < 0 {
		return b, false
	}
	next, err := b.replace(tokens, slices.Delete(values, i, i+1), -1)
	return next, err == nil
}

// values returns the values of a key.
func (b *Bindings[T]) values(tokens []string) []T {
	if n := b.tree.find(tokens); n != nil {
		return n.value
	}
	return nil
}

// replace returns bindings in which a key has other values, by which their number changes.
func (b *Bindings[T]) replace(tokens []string, values []T, change int) (*Bindings[T], error) {
	tree := &b.tree
	if tree.find(tokens) != nil {
		tree = tree.without(tokens)
	}
	if len(values) > 0 {
		var err error
		if tree, err = tree.with(tokens, values); err != nil {
			return nil, err
		}
	}
	return &Bindings[T]{b.method, *tree, b.count + change}, nil
}

// Matcher is the memory that a search takes. The zero value is ready. It is not safe for concurrent use.
type Matcher[T comparable] struct{ found collection[[]T] }

// AppendMatches appends the values of all bindings whose key matches the subject to dst, each binding's once, in no
// particular order. It does not keep the subject, and allocates only when dst or the matcher have no room.
func (m *Matcher[T]) AppendMatches(dst []T, b *Bindings[T], subject []byte) []T {
	if b.tree.root == nil {
		return dst
	}
	s := search[[]T, []byte]{syntax: b.tree.syntax(), text: subject, all: &m.found}
	s.below(b.tree.root, firstToken(s.syntax, subject))
	for _, n := range m.found.nodes {
		dst = append(dst, n.value...)
	}
	clear(m.found.nodes)
	m.found.nodes = m.found.nodes[:0]
	return dst
}
