// Package version says which build of the program this is, and holds the command version.
package version
