package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/Azure/go-amqp"
)

// limitWait bounds a wait. The cause of the returned context says what was waited for and how long; a limit of 0 is
// none.
func limitWait(ctx context.Context, limit time.Duration, format string, args ...any) (context.Context, context.CancelFunc) {
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf(format+" (waited %v)", append(args, limit)...))
}

// graceful returns a context that outlives an interrupt by a second, so that what is under way may end.
func graceful(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// explainAMQP turns errors of go-amqp into the words of the peer.
func explainAMQP(err error) error {
	var conn *amqp.ConnError
	var link *amqp.LinkError
	var session *amqp.SessionError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &link) && link.RemoteErr != nil:
		return fmt.Errorf("the router detached the link: %s", orNoReason(link.RemoteErr))
	case errors.As(err, &session) && session.RemoteErr != nil:
		return fmt.Errorf("the router ended the session: %s", orNoReason(session.RemoteErr))
	case errors.As(err, &conn) && conn.RemoteErr != nil:
		return fmt.Errorf("the router closed the connection: %s", orNoReason(conn.RemoteErr))
	case errors.As(err, &conn):
		return fmt.Errorf("the connection was lost: %w", err)
	}
	return err
}

// sleepUntil waits for a moment; false when ctx ended first.
func sleepUntil(ctx context.Context, at time.Time) bool {
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

// interruptedAfter is the error of work that was ended by a signal.
func interruptedAfter(n, total int, verb string) error {
	if total > 0 {
		return fmt.Errorf("interrupted: %d of %d messages %s", n, total, verb)
	}
	return fmt.Errorf("interrupted: %s %s", countOf(uint64(n), "message"), verb)
}

// countOf renders a number with its noun.
func countOf(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// linkName returns a name for a link that no other client uses.
func linkName(verb string) string { return fmt.Sprintf("postroad-%s-%08x", verb, rand.Uint32()) }
