package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWaitThatIsTooLongSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := Limit(t.Context(), time.Second, "no answer from %s", "london")
		defer cancel()
		other := errors.New("other")
		if err := Cause(ctx, other); err != other {
			t.Errorf("before the limit the error is %v", err)
		}
		<-ctx.Done()
		if err := Cause(ctx, other); err.Error() != "no answer from london (waited 1s)" {
			t.Errorf("the error is %v", err)
		}
		if err := Cause(ctx, nil); err != nil {
			t.Errorf("what went well has the error %v", err)
		}
	})
}

func TestALimitOfZeroIsNone(t *testing.T) {
	t.Parallel()
	ctx, cancel := Limit(t.Context(), 0, "nothing")
	defer cancel()
	if at, limited := ctx.Deadline(); limited {
		t.Errorf("the deadline is %v", at)
	}
}

func TestAGracefulEndComesASecondLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		interrupted, interrupt := context.WithCancel(t.Context())
		ctx, cancel := Graceful(interrupted)
		defer cancel()
		began := time.Now()
		interrupt()
		<-ctx.Done()
		if d := time.Since(began); d != time.Second {
			t.Errorf("it ended after %v", d)
		}
	})
}

func TestUntilReportsWhetherTheMomentCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if !Until(ctx, time.Now().Add(time.Second)) || !Until(ctx, time.Now()) {
			t.Error("a moment before the end did not come")
		}
		if Until(ctx, time.Now().Add(time.Hour)) || Until(ctx, time.Now()) {
			t.Error("a moment after the end came")
		}
	})
}
