package addressing

import (
	"errors"
	"fmt"
	"strings"
)

// The wildcards of a pattern. They have their meaning only as a whole token: in "a*b" the star is an ordinary octet.
const (
	wildcardOne = "*" // exactly one token
	wildcardAny = "#" // any number of tokens, none included
)

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
	return strings.Join(tokens, "/"), nil
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

// patternTokens returns the tokens of the normal form of a pattern.
func patternTokens(pattern string) ([]string, error) {
	s := trimSeparators(pattern)
	if s == "" {
		return nil, errors.New("the pattern has no token: write a name, '*' or '#'")
	}
	var tokens []string
	any := false // a "#" is held back until something other than a wildcard follows
	for at := 0; at < len(s); {
		end, next := token(s, at)
		switch t := s[at:end]; {
		case t == wildcardAny:
			any = true
		case t == wildcardOne:
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
func firstToken[S ~string | ~[]byte](s S) int {
	at := 0
	for at < len(s) && separator(s[at]) {
		at++
	}
	return at
}

// token returns the end of the token at position at and the position of the next one. Two separators in a row have an
// empty token between them. A separator at the very end has none behind it.
func token[S ~string | ~[]byte](s S, at int) (end, next int) {
	for end = at; end < len(s) && !separator(s[end]); end++ {
	}
	if end == len(s) {
		return end, end
	}
	return end, end + 1
}
