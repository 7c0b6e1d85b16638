package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Family returns processes and their descendants, so that a wrapper script does not hide the program.
func Family(all ...*Process) IDs {
	var ids IDs
	for _, p := range all {
		ids = append(ids, p.ID())
	}
	parents := Parents()
	for i := 0; i < len(ids); i++ {
		for child, parent := range parents {
			if parent == ids[i] {
				ids = append(ids, child)
			}
		}
	}
	return ids
}

// Parents maps every process of this machine to its parent.
func Parents() map[int]int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		line := string(b)
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) < 2 || err1 != nil {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			parents[pid] = parent
		}
	}
	return parents
}
