package run

import (
	"errors"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/postroad/postroad/internal/logging"
)

// memoryShare is the part of the control group's memory that the Go runtime keeps to. The rest is for what it does not
// know of: the program itself, and what the kernel holds for the process.
const memoryShare = 0.9

// limitMemory sets the memory limit of the Go runtime from the process's control group, unless GOMEMLIMIT gives one, and
// logs what holds. A group that cannot be read is no reason not to start.
func limitMemory(log *logging.Logger) {
	_, err := memlimit.SetGoMemLimitWithOpts(memlimit.WithRatio(memoryShare))
	if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrCgroupsNotSupported) {
		log.Warningf("No memory limit was taken from the control group: %v", err)
	}
	limit := debug.SetMemoryLimit(-1)
	switch {
	case limit == math.MaxInt64:
		log.Infof("Memory limit: none, neither from the control group nor from GOMEMLIMIT")
	case os.Getenv("GOMEMLIMIT") != "":
		log.Noticef("Memory limit: %d octets, from GOMEMLIMIT", limit)
	default:
		log.Noticef("Memory limit: %d octets, from the control group", limit)
	}
}
