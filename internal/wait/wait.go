package wait

import (
	"context"
	"fmt"
	"time"
)

// Cause returns why ctx ended, when it did, and err otherwise.
func Cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	return err
}

// Limit bounds a wait. The cause of the returned context says what was waited for and how long; a limit of 0 is none.
func Limit(ctx context.Context, limit time.Duration, format string, args ...any) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf(format+" (waited %v)", append(args, limit)...))
}

// Graceful returns a context that outlives an interrupt by a second, so that what is under way may end.
func Graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// Until waits for a moment, and reports whether it came before ctx ended.
func Until(ctx context.Context, at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
