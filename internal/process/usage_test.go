package process

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestProcessTimesAreReadPastAnyProgramName(t *testing.T) {
	t.Parallel()
	line := "4711 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18"
	d, err := parseStat(4711, line)
	if err != nil || d != 2*time.Second {
		t.Errorf("%v, error %v", d, err)
	}
	for _, bad := range []string{"", "1 (x) R 1", "1 (x) R 1 2 3 4 5 6 7 8 9 10 a b 13"} {
		if _, err := parseStat(1, bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestProcessesAreMeasuredOrMissed(t *testing.T) {
	t.Parallel()
	own := IDs{os.Getpid()}
	cpu, err1 := own.CPU()
	memory, err2 := own.Memory()
	if err1 != nil || err2 != nil || cpu < 0 || memory < 1<<20 {
		t.Errorf("CPU %v (%v), memory %d (%v)", cpu, err1, memory, err2)
	}
	if _, err := (IDs{1 << 30}).CPU(); err == nil || !strings.Contains(err.Error(), "no process") {
		t.Errorf("error is %v", err)
	}
}
