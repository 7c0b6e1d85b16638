package membership

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// headStart is how long an endpoint has for itself before the next one is dialed as well.
const headStart = 250 * time.Millisecond

// DialFirst dials endpoints in their order until one of them is reached. The next one begins when the one before has
// failed, or has been silent for a quarter of a second: a port that swallows packets, as UDP ports do where a firewall
// has no use for them, costs that and no more. What the others make nevertheless is given to drop. It returns when all
// have ended.
func DialFirst[T any](ctx context.Context, endpoints []Endpoint, dial func(context.Context, Endpoint) (T, error),
	drop func(T)) (T, error) {
	type attempt struct {
		made T
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan attempt)
	begun, over := 0, 0
	begin := func() {
		e := endpoints[begun]
		begun++
		go func() {
			made, err := dial(ctx, e)
			if err != nil {
				err = fmt.Errorf("%v: %w", e, err)
			}
			ended <- attempt{made, err}
		}()
	}
	var first T
	var problems []error
	reached := false
	next := time.NewTimer(0)
	defer next.Stop()
	for over < begun || !reached && ctx.Err() == nil && begun < len(endpoints) {
		select {
		case <-next.C:
			if !reached && ctx.Err() == nil && begun < len(endpoints) {
				begin()
				next.Reset(headStart)
			}
		case a := <-ended:
			over++
			switch {
			case a.err != nil:
				problems = append(problems, a.err)
				next.Reset(0)
			case reached:
				drop(a.made)
			default:
				first, reached = a.made, true
				cancel()
			}
		}
	}
	switch {
	case reached:
		return first, nil
	case len(endpoints) == 0:
		problems = append(problems, errors.New("there is no endpoint to dial"))
	case len(problems) == 0:
		problems = append(problems, context.Cause(ctx))
	}
	return first, errors.Join(problems...)
}
