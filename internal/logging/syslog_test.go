//go:build !windows && !plan9

package logging

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Syslog gets each event at its severity, facility daemon, without a timestamp in the text.
func TestSyslog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "syslog")
	daemon, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	l, _ := open(t, Options{})
	l.dialLocal = func() (output, error) { return openSyslog("unixgram", path) }
	if err := l.Configure(map[Module]Settings{Server: {OutputFile: "syslog", Enable: "trace+"}}); err != nil {
		t.Fatal(err)
	}
	const daemonFacility = 3
	for level, severity := range []int{7, 7, 6, 5, 4, 3, 2} {
		l.Module(Server).Log(Level(level), "hello")
		if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1024)
		n, err := daemon.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got := string(b[:n])
		prefix := "<" + strconv.Itoa(daemonFacility*8+severity) + ">"
		want := ": SERVER (" + Level(level).String() + ") hello\n"
		if !strings.HasPrefix(got, prefix) || !strings.HasSuffix(got, want) {
			t.Errorf("%v: %q, want %s…%s", Level(level), got, prefix, want)
		}
	}
	l.dialLocal = func() (output, error) { return openSyslog("unixgram", path+".absent") }
	if err := l.Replace(nil); err != nil {
		t.Fatal(err)
	}
	err = l.Configure(map[Module]Settings{Server: {OutputFile: "syslog"}})
	if err == nil || !strings.Contains(err.Error(), "log SERVER: outputFile syslog") {
		t.Errorf("error %v, want one about syslog", err)
	}
}
