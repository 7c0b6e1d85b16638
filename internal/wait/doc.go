// Package wait bounds waits, so that an error says what was waited for, and tells why one has ended.
package wait
