package logging

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DefaultTimestampFormat is Interconnect's: strftime, then printf with the microseconds, hence the doubled percent.
const DefaultTimestampFormat = "%Y-%m-%d %H:%M:%S.%%06lu %z"

// timeStep is one piece of a compiled timestamp format.
type timeStep struct {
	literal string // written as it is, if verb is 0
	verb    byte   // a conversion of strftime, or microseconds
	width   int    // of microseconds, in digits
	pad     byte   // of microseconds
}

// timeFormat is a compiled timestamp format.
type timeFormat []timeStep

const microseconds byte = 1 // no letter of strftime

// composed are the conversions that stand for others, in the C locale.
var composed = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y", 'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'h': "%b", 'r': "%I:%M:%S %p", 'R': "%H:%M",
	'T': "%H:%M:%S", 'x': "%m/%d/%y", 'X': "%H:%M:%S", 't': "\t",
}

// simple are the conversions that appendVerb knows.
const simple = "aAbBCdegGHIjklmMpPsSuUVwWyYzZ"

// parseTimeFormat compiles a timestampFormat attribute: the conversions of C's strftime in the C locale; after %% a
// printf conversion such as 06lu for the microseconds, or %% again for a percent sign. %f also means six digits of
// microseconds. A timestamp contains no end of line, so %n is refused.
func parseTimeFormat(format string) (timeFormat, error) {
	var out timeFormat
	bad := func(at string) error {
		return fmt.Errorf("timestampFormat %q: %q is no conversion of strftime, nor %%%%06lu for microseconds", format, at)
	}
	for rest := format; rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		if before != "" {
			out = append(out, timeStep{literal: before})
		}
		if !found {
			break
		}
		if after == "" {
			return nil, bad("%")
		}
		verb := after[0]
		rest = after[1:]
		switch {
		case verb == '%':
			var step timeStep
			step, rest = parseMicroseconds(rest)
			out = append(out, step)
		case verb == 'f':
			out = append(out, timeStep{verb: microseconds, width: 6, pad: '0'})
		case composed[verb] != "":
			steps, err := parseTimeFormat(composed[verb])
			if err != nil {
				return nil, err
			}
			out = append(out, steps...)
		case strings.IndexByte(simple, verb) >= 0:
			out = append(out, timeStep{verb: verb})
		default:
			return nil, bad("%" + string(rune(verb)))
		}
	}
	for _, step := range out {
		if strings.ContainsFunc(step.literal, func(r rune) bool { return r < ' ' && r != '\t' }) {
			return nil, fmt.Errorf("timestampFormat %q: a timestamp cannot contain control characters", format)
		}
	}
	return out, nil
}

// parseMicroseconds reads what stands after %%: flags, width, length and conversion of printf, or a second %%.
func parseMicroseconds(rest string) (timeStep, string) {
	if after, found := strings.CutPrefix(rest, "%%"); found {
		return timeStep{literal: "%"}, after
	}
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	after := strings.TrimLeft(rest[len(digits):], "l")
	if after == "" || (after[0] != 'u' && after[0] != 'd') {
		return timeStep{literal: "%"}, rest
	}
	width, err := strconv.Atoi(digits)
	if err != nil || width > 20 {
		width = 0
	}
	pad := byte(' ')
	if strings.HasPrefix(digits, "0") {
		pad = '0'
	}
	return timeStep{verb: microseconds, width: width, pad: pad}, after[1:]
}

// append writes a time.
func (f timeFormat) append(b []byte, t time.Time) []byte {
	for _, step := range f {
		switch step.verb {
		case 0:
			b = append(b, step.literal...)
		case microseconds:
			b = appendPadded(b, t.Nanosecond()/1000, step.width, step.pad)
		default:
			b = appendVerb(b, t, step.verb)
		}
	}
	return b
}

// layouts are the conversions that package time has a word for.
var layouts = [128]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'p': "PM", 'P': "pm", 'z': "-0700", 'Z': "MST",
}

// appendVerb writes one conversion of strftime in the C locale.
func appendVerb(b []byte, t time.Time, verb byte) []byte {
	switch verb {
	case 'Y':
		return strconv.AppendInt(b, int64(t.Year()), 10)
	case 'C':
		return appendPadded(b, t.Year()/100, 2, '0')
	case 'y':
		return appendPadded(b, t.Year()%100, 2, '0')
	case 'm':
		return appendPadded(b, int(t.Month()), 2, '0')
	case 'd':
		return appendPadded(b, t.Day(), 2, '0')
	case 'e':
		return appendPadded(b, t.Day(), 2, ' ')
	case 'H':
		return appendPadded(b, t.Hour(), 2, '0')
	case 'k':
		return appendPadded(b, t.Hour(), 2, ' ')
	case 'I':
		return appendPadded(b, (t.Hour()+11)%12+1, 2, '0')
	case 'l':
		return appendPadded(b, (t.Hour()+11)%12+1, 2, ' ')
	case 'M':
		return appendPadded(b, t.Minute(), 2, '0')
	case 'S':
		return appendPadded(b, t.Second(), 2, '0')
	case 's':
		return strconv.AppendInt(b, t.Unix(), 10)
	case 'j':
		return appendPadded(b, t.YearDay(), 3, '0')
	case 'u':
		return appendPadded(b, (int(t.Weekday())+6)%7+1, 1, '0')
	case 'w':
		return appendPadded(b, int(t.Weekday()), 1, '0')
	case 'U': // week of the year, the first Sunday begins week 1
		return appendPadded(b, (t.YearDay()+6-int(t.Weekday()))/7, 2, '0')
	case 'W': // week of the year, the first Monday begins week 1
		return appendPadded(b, (t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2, '0')
	case 'G', 'g', 'V':
		year, week := t.ISOWeek()
		switch verb {
		case 'G':
			return strconv.AppendInt(b, int64(year), 10)
		case 'g':
			return appendPadded(b, year%100, 2, '0')
		}
		return appendPadded(b, week, 2, '0')
	}
	return t.AppendFormat(b, layouts[verb])
}

// appendPadded writes a number that is not negative.
func appendPadded(b []byte, n, width int, pad byte) []byte {
	var digits [20]byte
	s := strconv.AppendInt(digits[:0], int64(n), 10)
	for range width - len(s) {
		b = append(b, pad)
	}
	return append(b, s...)
}
