// Package output is the form of the commands' results: the flag --output, JSON, and numbers with their nouns.
package output
