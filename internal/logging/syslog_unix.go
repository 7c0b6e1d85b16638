//go:build !windows && !plan9

package logging

import (
	"fmt"
	"log/syslog"
)

// syslogOutput is the local syslog daemon, facility daemon as in Interconnect.
type syslogOutput struct{ w *syslog.Writer }

// openSyslog connects to the local daemon, or with a network to the one at an address.
func openSyslog(network, address string) (output, error) {
	w, err := syslog.Dial(network, address, syslog.LOG_DAEMON|syslog.LOG_INFO, "")
	if err != nil {
		return nil, fmt.Errorf("outputFile syslog: %w", err)
	}
	return syslogOutput{w}, nil
}

// write maps levels to severities; syslog has nothing below debug.
func (o syslogOutput) write(level Level, line []byte) error {
	text := string(line)
	switch level {
	case LevelTrace, LevelDebug:
		return o.w.Debug(text)
	case LevelInfo:
		return o.w.Info(text)
	case LevelNotice:
		return o.w.Notice(text)
	case LevelWarning:
		return o.w.Warning(text)
	case LevelError:
		return o.w.Err(text)
	}
	return o.w.Crit(text)
}

func (o syslogOutput) close() error { return o.w.Close() }
