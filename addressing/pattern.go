package addressing

import (
	"fmt"
	"strings"
)

// wildcardAny stands for any number of tokens, none included. Like the wildcard for exactly one token it has its meaning
// only as a whole token: in "a#b" it is an ordinary octet.
const wildcardAny = "#"

// syntax says how texts and patterns are split into tokens and which token stands for exactly one.
type syntax struct {
	separators [2]byte // both mean the same
	one        string
}

// addressSyntax is that of addresses and of the patterns that the configuration names them by.
var addressSyntax = syntax{[2]byte{'.', '/'}, "*"}

// separator reports whether c separates tokens.
func (x *syntax) separator(c byte) bool { return c == x.separators[0] || c == x.separators[1] }

// join is the reverse of splitting, with one of the separators.
func (x *syntax) join(tokens []string) string { return strings.Join(tokens, string(x.separators[1:])) }

// maxTokens bounds the number of tokens in a pattern and with it the depth of a tree.
const maxTokens = 255

// NormalizePattern returns the pattern in the form in which the tree keeps it: separators at both ends removed, '/'
// between the tokens, "#.*" rewritten to "*.#" and "#.#" to "#", which match the same addresses. Two patterns that
// match the same tokens in the same order have the same normal form. A pattern without a token and one with more than
// 255 tokens are errors.
func NormalizePattern(pattern string) (string, error) {
	tokens, err := patternTokens(pattern)
	if err != nil {
		return "", err
	}
	return addressSyntax.join(tokens), nil
}

// PrefixPattern returns the pattern that stands for a configured prefix: the prefix and everything below it, "a/b/#"
// for "a/b". A prefix without a token is an error. Wildcards in it work as they do in a pattern.
func PrefixPattern(prefix string) (string, error) {
	trimmed := trimSeparators(prefix)
	if trimmed == "" {
		return "", fmt.Errorf("the prefix %q has no token: write how the addresses begin, \"orders\" for example", prefix)
	}
	return NormalizePattern(trimmed + "/" + wildcardAny)
}

// patternTokens returns the tokens of the normal form of a pattern of addresses.
func patternTokens(pattern string) ([]string, error) {
	return addressSyntax.tokens(trimSeparators(pattern))
}

// tokens returns the tokens of the normal form of a pattern.
func (x *syntax) tokens(s string) ([]string, error) {
	var tokens []string
	any := false // a "#" is held back until something other than a wildcard follows
	at := firstToken(x, s)
	if at == len(s) {
		return nil, fmt.Errorf("the pattern has no token: write a name, '%s' or '#'", x.one)
	}
	for at < len(s) {
		end, next := token(x, s, at)
		switch t := s[at:end]; {
		case t == wildcardAny:
			any = true
		case t == x.one:
			tokens = append(tokens, t)
		case any:
			tokens, any = append(tokens, wildcardAny, t), false
		default:
			tokens = append(tokens, t)
		}
		at = next
	}
	if any {
		tokens = append(tokens, wildcardAny)
	}
	if len(tokens) > maxTokens {
		return nil, fmt.Errorf("the pattern has %d tokens: at most %d are possible", len(tokens), maxTokens)
	}
	return tokens, nil
}

// firstToken returns where the first token begins: behind any separators at the start.
func firstToken[S ~string | ~[]byte](x *syntax, s S) int {
	at := 0
	for at < len(s) && x.separator(s[at]) {
		at++
	}
	return at
}

// token returns the end of the token at position at and the position of the next one. Two separators in a row have an
// empty token between them. A separator at the very end has none behind it.
func token[S ~string | ~[]byte](x *syntax, s S, at int) (end, next int) {
	for end = at; end < len(s) && !x.separator(s[end]); end++ {
	}
	if end == len(s) {
		return end, end
	}
	return end, end + 1
}
