//go:build windows || plan9

package logging

import "errors"

// openSyslog fails: the system has no syslog.
func openSyslog(_, _ string) (output, error) {
	return nil, errors.New("outputFile syslog: this system has no syslog, use stderr, stdout or a file name")
}
