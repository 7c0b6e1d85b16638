package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/postroad/postroad/cmd/postroad/command"
)

// memoryGroup is a control group of its own with a limit on memory, of version 1 or 2.
type memoryGroup struct {
	dir   string
	v2    bool
	limit uint64
}

// groupUse is what a control group says of itself.
type groupUse struct {
	Limit    uint64 `json:"limitOctets"`
	Peak     uint64 `json:"peakOctets"`
	OOMKills uint64 `json:"oomKills"`
}

// groupsRoot is where Linux systems have the control groups.
const groupsRoot = "/sys/fs/cgroup"

// newMemoryGroup makes a group. The limit is a number of octets, with KiB, MiB or GiB behind it or nothing.
func newMemoryGroup(limit string) (*memoryGroup, error) {
	g := &memoryGroup{}
	var err error
	if g.limit, err = parseOctets(limit); err != nil {
		return nil, command.UsageErrorf("--memory: %w", err)
	}
	name, file := fmt.Sprintf("postroad-bench-%d", os.Getpid()), "memory.max"
	if _, err := os.Stat(filepath.Join(groupsRoot, "cgroup.controllers")); err == nil {
		g.v2, g.dir = true, filepath.Join(groupsRoot, name)
	} else {
		g.dir, file = filepath.Join(groupsRoot, "memory", name), "memory.limit_in_bytes"
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("a control group cannot be made on this machine: %w", err)
	}
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(strconv.FormatUint(g.limit, 10)), 0); err != nil {
		g.remove()
		return nil, fmt.Errorf("a control group cannot be limited on this machine: %w", err)
	}
	return g, nil
}

// parseOctets reads a number of octets.
func parseOctets(s string) (uint64, error) {
	number, unit := s, uint64(1)
	for suffix, n := range map[string]uint64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if before, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = before, n
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no number of octets such as 256MiB", s)
	}
	return n * unit, nil
}

// command returns a command line that runs another one in the group.
func (g *memoryGroup) command(argv []string) []string {
	const enter = `echo $$ > "$0" && exec "$@"`
	return append([]string{"sh", "-c", enter, filepath.Join(g.dir, "cgroup.procs")}, argv...)
}

// use reads what the group's processes have used.
func (g *memoryGroup) use() *groupUse {
	peak, events := "memory.max_usage_in_bytes", "memory.oom_control"
	if g.v2 {
		peak, events = "memory.peak", "memory.events"
	}
	u := &groupUse{Limit: g.limit}
	if b, err := os.ReadFile(filepath.Join(g.dir, peak)); err == nil {
		u.Peak, _ = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	}
	b, err := os.ReadFile(filepath.Join(g.dir, events))
	if err != nil {
		return u
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			u.OOMKills, _ = strconv.ParseUint(strings.TrimSpace(n), 10, 64)
		}
	}
	return u
}

// remove removes the group, which has no processes any more.
func (g *memoryGroup) remove() { os.Remove(g.dir) }
