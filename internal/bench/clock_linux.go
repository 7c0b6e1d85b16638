package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// setTimerSlack lets timers of this thread fire when they are due; Linux rounds by 50 µs otherwise.
func setTimerSlack() { unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) }

// preciseSleep sleeps in the kernel; a signal may end it early.
func preciseSleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	unix.Nanosleep(&t, nil)
}
