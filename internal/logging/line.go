package logging

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxText is the longest text of an event, with its attributes, in octets. What is longer is cut.
const MaxText = 4096

// appendText writes a message and its attributes as one line, without an end of line.
func appendText(b []byte, message string, attrs []slog.Attr) []byte {
	start := len(b)
	b = appendEscaped(b, message)
	for _, a := range attrs {
		b = appendAttr(b, "", a)
		if len(b)-start > MaxText {
			break
		}
	}
	if len(b)-start <= MaxText {
		return b
	}
	const mark = "…"
	cut := start + MaxText - len(mark)
	for cut > start && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return append(b[:cut], mark...)
}

// appendAttr writes " key=value"; a group writes each of its members as group.key.
func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, prefix, member)
		}
		return b
	}
	if a.Equal(slog.Attr{}) {
		return b
	}
	b = append(b, ' ')
	b = appendEscaped(b, prefix+a.Key)
	b = append(b, '=')
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	}
	s := limited(v.String())
	if needsQuotes(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// limited cuts a value before work is spent on what will be cut anyway. It leaves enough to see that it was too long.
func limited(s string) string {
	return s[:min(len(s), MaxText+1)]
}

// needsQuotes reports whether a value would not be read as one word.
func needsQuotes(s string) bool {
	if s == "" {
		return true
	}
	for _, r := range s {
		if r == ' ' || r == '=' || r == '"' || !printable(r) {
			return true
		}
	}
	return false
}

// printable reports whether a character may stand in a line of text.
func printable(r rune) bool {
	return r >= ' ' && r != 0x7f && (r < 0x80 || r >= 0xa0) && r != '\u2028' && r != '\u2029' && r != utf8.RuneError
}

// appendEscaped writes a text with control characters and octets that are not UTF-8 in Go's escapes.
func appendEscaped(b []byte, s string) []byte {
	s = limited(s)
	clean := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if printable(r) {
			i += size
			continue
		}
		b = append(b, s[clean:i]...)
		if r == utf8.RuneError && size == 1 {
			b = fmt.Appendf(b, `\x%02x`, s[i])
		} else {
			quoted := strconv.AppendQuoteRune(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		i += size
		clean = i
	}
	return append(b, s[clean:]...)
}

// appendJSON writes an event as one JSON object, without an end of line. Groups are flattened to group.key.
func appendJSON(b []byte, r *record, attrs []slog.Attr, e *effective) []byte {
	b = append(b, '{')
	if e.timestamp {
		b = append(b, `"time":"`...)
		b = r.time.AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
		b = append(b, `",`...)
	}
	b = append(b, `"level":"`...)
	b = append(b, r.level.String()...)
	b = append(b, `","module":"`...)
	b = append(b, r.module.String()...)
	b = append(b, `","msg":`...)
	b = appendJSONValue(b, limited(r.message))
	for _, a := range attrs {
		b = appendJSONAttr(b, "", a)
	}
	if e.source && r.file != "" {
		b = append(b, `,"source":`...)
		b = appendJSONValue(b, r.file+":"+strconv.Itoa(r.line))
	}
	return append(b, '}')
}

// appendJSONAttr writes one attribute with a comma before it.
func appendJSONAttr(b []byte, prefix string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendJSONAttr(b, prefix, member)
		}
		return b
	}
	if a.Equal(slog.Attr{}) {
		return b
	}
	b = append(b, ',')
	b = appendJSONValue(b, limited(prefix+a.Key))
	b = append(b, ':')
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		return append(b, v.String()...)
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return appendJSONValue(b, limited(err.Error()))
		}
		if text, err := json.Marshal(v.Any()); err == nil && len(text) <= MaxText {
			return append(b, text...)
		}
	case slog.KindFloat64:
		if text, err := json.Marshal(v.Float64()); err == nil {
			return append(b, text...)
		}
	}
	return appendJSONValue(b, limited(v.String()))
}

// appendJSONValue writes a string; octets that are not UTF-8 become U+FFFD.
func appendJSONValue(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string cannot fail
	return append(b, text...)
}
