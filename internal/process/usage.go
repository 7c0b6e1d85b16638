package process

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

// cpuOf returns user and system time of a process, to a hundredth of a second.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, unreadable(pid, err)
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

// memoryOf returns the resident set of a process in octets.
func memoryOf(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, unreadable(pid, err)
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm has an unknown form", pid)
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}

// peakOf returns the largest resident set that a process has had since it was reset, in octets.
func peakOf(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, unreadable(pid, err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status does not say VmHWM (has the process ended?)", pid)
}

// unreadable explains why a process could not be read.
func unreadable(pid int, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat("/proc/self/stat"); err != nil {
			return fmt.Errorf("CPU and memory of process %d cannot be read: this system has no /proc", pid)
		}
		return fmt.Errorf("there is no process %d (has the router ended?)", pid)
	}
	return fmt.Errorf("reading process %d: %w", pid, err)
}

// IDs are processes that are measured together.
type IDs []int

// CPU returns user and system time of all of them, to a hundredth of a second.
func (p IDs) CPU() (time.Duration, error) { return sum(p, cpuOf) }

// Memory returns the resident set of all of them in octets.
func (p IDs) Memory() (uint64, error) { return sum(p, memoryOf) }

// Peak returns the sum of the largest resident sets since ResetPeak, or since the start, in octets.
func (p IDs) Peak() (uint64, error) { return sum(p, peakOf) }

// ResetPeak makes the largest resident sets start anew at what they are now.
func (p IDs) ResetPeak() error {
	for _, pid := range p {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return unreadable(pid, err)
		}
	}
	return nil
}

// sum adds up what is measured of each process.
func sum[T time.Duration | uint64](p IDs, measure func(pid int) (T, error)) (T, error) {
	var total T
	for _, pid := range p {
		n, err := measure(pid)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// OwnCPU returns user and system time of this process.
func OwnCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
