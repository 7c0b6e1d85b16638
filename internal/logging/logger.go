package logging

import (
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Logger reports the events of one module. It is safe for concurrent use. A method named after a level reports an event
// with attributes; the same with an f formats its message as [fmt.Sprintf] does.
type Logger struct {
	enabled   atomic.Uint32 // Levels
	effective atomic.Pointer[effective]
	counts    [levelCount]atomic.Uint64
	logs      *Logs
	module    Module
}

// record is one event on its way to an output. Its attributes travel beside it, so that the compiler sees that they are
// not kept and callers need no heap for them.
type record struct {
	time    time.Time
	module  Module
	level   Level
	message string
	file    string
	line    int
}

// buffers are lines in the making.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// Enabled reports whether events of a level are written. It costs one atomic load.
func (l *Logger) Enabled(level Level) bool { return Levels(l.enabled.Load()).Has(level) }

// Module returns the module.
func (l *Logger) Module() Module { return l.module }

// count counts an event and reports whether it is to be written.
func (l *Logger) count(level Level) bool {
	l.counts[level].Add(1)
	return Levels(l.enabled.Load()).Has(level)
}

// Log reports an event at a level that is a value.
func (l *Logger) Log(level Level, message string, attrs ...slog.Attr) {
	if level < levelCount && l.count(level) {
		l.write(level, message, attrs)
	}
}

// Trace reports the smallest step: every frame.
func (l *Logger) Trace(message string, attrs ...slog.Attr) {
	if l.count(LevelTrace) {
		l.write(LevelTrace, message, attrs)
	}
}

// Tracef reports the smallest step: every frame.
func (l *Logger) Tracef(format string, args ...any) {
	if l.count(LevelTrace) {
		l.write(LevelTrace, fmt.Sprintf(format, args...), nil)
	}
}

// Debug reports what a developer looks for.
func (l *Logger) Debug(message string, attrs ...slog.Attr) {
	if l.count(LevelDebug) {
		l.write(LevelDebug, message, attrs)
	}
}

// Debugf reports what a developer looks for.
func (l *Logger) Debugf(format string, args ...any) {
	if l.count(LevelDebug) {
		l.write(LevelDebug, fmt.Sprintf(format, args...), nil)
	}
}

// Info reports what went as it should.
func (l *Logger) Info(message string, attrs ...slog.Attr) {
	if l.count(LevelInfo) {
		l.write(LevelInfo, message, attrs)
	}
}

// Infof reports what went as it should.
func (l *Logger) Infof(format string, args ...any) {
	if l.count(LevelInfo) {
		l.write(LevelInfo, fmt.Sprintf(format, args...), nil)
	}
}

// Notice reports what an operator wants to see.
func (l *Logger) Notice(message string, attrs ...slog.Attr) {
	if l.count(LevelNotice) {
		l.write(LevelNotice, message, attrs)
	}
}

// Noticef reports what an operator wants to see.
func (l *Logger) Noticef(format string, args ...any) {
	if l.count(LevelNotice) {
		l.write(LevelNotice, fmt.Sprintf(format, args...), nil)
	}
}

// Warning reports what may become a problem.
func (l *Logger) Warning(message string, attrs ...slog.Attr) {
	if l.count(LevelWarning) {
		l.write(LevelWarning, message, attrs)
	}
}

// Warningf reports what may become a problem.
func (l *Logger) Warningf(format string, args ...any) {
	if l.count(LevelWarning) {
		l.write(LevelWarning, fmt.Sprintf(format, args...), nil)
	}
}

// Error reports what failed.
func (l *Logger) Error(message string, attrs ...slog.Attr) {
	if l.count(LevelError) {
		l.write(LevelError, message, attrs)
	}
}

// Errorf reports what failed.
func (l *Logger) Errorf(format string, args ...any) {
	if l.count(LevelError) {
		l.write(LevelError, fmt.Sprintf(format, args...), nil)
	}
}

// Critical reports what endangers the router.
func (l *Logger) Critical(message string, attrs ...slog.Attr) {
	if l.count(LevelCritical) {
		l.write(LevelCritical, message, attrs)
	}
}

// Criticalf reports what endangers the router.
func (l *Logger) Criticalf(format string, args ...any) {
	if l.count(LevelCritical) {
		l.write(LevelCritical, fmt.Sprintf(format, args...), nil)
	}
}

// write writes an event of the caller's caller.
func (l *Logger) write(level Level, message string, attrs []slog.Attr) {
	var pc [1]uintptr
	runtime.Callers(3, pc[:]) // not Callers, write, and the method of the level
	l.emit(level, l.logs.now(), pc[0], message, attrs)
}

// emit writes an event and keeps it in memory.
func (l *Logger) emit(level Level, now time.Time, pc uintptr, message string, attrs []slog.Attr) {
	if l.logs.utc {
		now = now.UTC()
	}
	r := record{time: now, module: l.module, level: level, message: message}
	r.file, r.line = source(pc)
	buffer := buffers.Get().(*[]byte)
	b := appendText((*buffer)[:0], message, attrs)
	text := string(b)
	l.logs.ring.add(Entry{Module: l.module, Level: level, Text: text, File: r.file, Line: r.line, Time: now})
	for {
		e := l.effective.Load()
		b = e.appendLine(b[:0], l.logs, &r, attrs, text)
		if e.sink.write(level, b) || l.effective.Load() == e { // closed for good if the settings are the same
			break
		}
	}
	*buffer = b
	buffers.Put(buffer)
}

// appendLine writes a whole line.
func (e *effective) appendLine(b []byte, logs *Logs, r *record, attrs []slog.Attr, text string) []byte {
	if logs.format == JSON {
		b = appendJSON(b, r, attrs, e)
		return append(b, '\n')
	}
	if e.timestamp {
		b = logs.timestamp.append(b, r.time)
		b = append(b, ' ')
	}
	b = append(b, r.module.String()...)
	b = append(b, " ("...)
	b = append(b, r.level.String()...)
	b = append(b, ") "...)
	b = append(b, text...)
	if e.source && r.file != "" {
		b = append(b, " ("...)
		b = append(b, r.file...)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(r.line), 10)
		b = append(b, ')')
	}
	return append(b, '\n')
}

// source returns the file, with the folder it is in, and the line of a program counter.
func source(pc uintptr) (file string, line int) {
	if pc == 0 {
		return "", 0
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if frame.File == "" {
		return "", 0
	}
	dir, base := path.Split(frame.File)
	return path.Join(path.Base(dir), base), frame.Line
}
