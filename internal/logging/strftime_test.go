package logging

import (
	"testing"
	"time"
)

// Timestamps are what C's strftime and printf make of the same format in the C locale.
func TestTimestampFormat(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	morning := time.Date(2026, 1, 4, 0, 5, 9, 7_000_000, zone) // a Sunday
	evening := time.Date(2024, 12, 30, 13, 45, 0, 999_999_000, zone)
	tests := []struct {
		format, morning, evening string
	}{
		{DefaultTimestampFormat, "2026-01-04 00:05:09.007000 +0100", "2024-12-30 13:45:00.999999 +0100"},
		{"%c", "Sun Jan  4 00:05:09 2026", "Mon Dec 30 13:45:00 2024"},
		{"%a %A %b %B %h", "Sun Sunday Jan January Jan", "Mon Monday Dec December Dec"},
		{"%C %y %G %g %V %U %W", "20 26 2026 26 01 01 00", "20 24 2025 25 01 52 53"},
		{"%d/%e/%j/%u/%w", "04/ 4/004/7/0", "30/30/365/1/1"},
		{"%H|%k|%I|%l|%p|%P|%r", "00| 0|12|12|AM|am|12:05:09 AM", "13|13|01| 1|PM|pm|01:45:00 PM"},
		{"%D %F %R %T %x %X", "01/04/26 2026-01-04 00:05 00:05:09 01/04/26 00:05:09",
			"12/30/24 2024-12-30 13:45 13:45:00 12/30/24 13:45:00"},
		{"%s %Z%t%z", "1767481509 CET\t+0100", "1735562700 CET\t+0100"},
		{"%%06lu|%%lu|%%8lu|%%d|%f", "007000|7000|    7000|7000|007000", "999999|999999|  999999|999999|999999"},
		{"100%%%% %% x", "100% % x", "100% % x"},
		{"plain", "plain", "plain"},
	}
	for _, tt := range tests {
		f, err := parseTimeFormat(tt.format)
		if err != nil {
			t.Errorf("%q: %v", tt.format, err)
			continue
		}
		wantLine(t, string(f.append(nil, morning)), tt.morning)
		wantLine(t, string(f.append(nil, evening)), tt.evening)
	}
	for _, bad := range []string{"%", "%Q", "%n", "%Ey", "%-d", "a\x00b"} {
		if _, err := parseTimeFormat(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// UTC puts timestamps of lines and of entries into UTC.
func TestUTC(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 5*3600)
	l, out := open(t, Options{
		UTC: true, TimestampFormat: "%H:%M %z", Now: func() time.Time { return noon.In(zone) },
	})
	l.Module(Server).Info("x")
	wantLine(t, out.take(), "10:00 +0000 SERVER (info) x\n")
	if e := l.Recent(1)[0]; e.Time.Location() != time.UTC {
		t.Errorf("entry in %v", e.Time.Location())
	}
}
