//go:build !linux

package bench

import "time"

func setTimerSlack() {}

func preciseSleep(d time.Duration) { time.Sleep(d) }
