package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of CPU times in /proc, USER_HZ, which Linux fixes at 100 for every architecture Go runs on.
const clockTick = 10 * time.Millisecond

// processCPU returns user and system time of a process, to a hundredth of a second.
func processCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, processError(pid, err)
	}
	return parseStat(pid, string(b))
}

// parseStat reads utime and stime from the line of /proc/PID/stat. The name of the program may contain anything, so
// fields are counted from the last parenthesis.
func parseStat(pid int, line string) (time.Duration, error) {
	i := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[i+1:])
	if i < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64) // field 14 of the line
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// processMemory returns the resident set of a process in octets.
func processMemory(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, processError(pid, err)
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm has an unknown form", pid)
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// resetPeak makes the largest resident set of a process start anew at what it is now.
func resetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return processError(pid, err)
	}
	return nil
}

// processPeak returns the largest resident set that a process has had since resetPeak, in octets.
func processPeak(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, processError(pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status does not say VmHWM (has the process ended?)", pid)
}

// processError explains why a process could not be read.
func processError(pid int, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat("/proc/self/stat"); err != nil {
			return fmt.Errorf("CPU and memory of process %d cannot be read: this system has no /proc", pid)
		}
		return fmt.Errorf("there is no process %d (has the router ended?)", pid)
	}
	return fmt.Errorf("reading process %d: %w", pid, err)
}

// processes are the routers' processes, measured together.
type processes []int

// cpu returns the CPU time of all of them.
func (p processes) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range p {
		d, err := processCPU(pid)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// memory returns the resident set of all of them in octets.
func (p processes) memory() (uint64, error) {
	var sum uint64
	for _, pid := range p {
		n, err := processMemory(pid)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// resetPeak lets the largest resident sets of all of them start anew.
func (p processes) resetPeak() error {
	for _, pid := range p {
		if err := resetPeak(pid); err != nil {
			return err
		}
	}
	return nil
}

// peak returns the sum of the largest resident sets since resetPeak.
func (p processes) peak() (uint64, error) {
	var sum uint64
	for _, pid := range p {
		n, err := processPeak(pid)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// ownCPU returns user and system time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
