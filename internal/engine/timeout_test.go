package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A call that ends with its attempt's time says so in many ways: a client may hand on its own context's error, or that of
// a context which it cancelled for it. The item's error is the timeout, never one that passes for the caller's own end;
// what says something else is kept, and what came in time is not touched.
func TestAttemptTimeoutIsTheErrorOfTheAttempt(t *testing.T) {
	t.Parallel()
	timeout, other := errors.New("the attempt took too long"), errors.New("connection reset")
	for _, test := range []struct {
		name string
		late bool
		err  error
		want error
	}{
		{"deadline", true, context.DeadlineExceeded, timeout},
		{"deadline of a client", true, fmt.Errorf("post: %w", context.DeadlineExceeded), timeout},
		{"cancelled by a client", true, context.Canceled, timeout},
		{"cancelled by a client, which says more", true, fmt.Errorf("post: %w", context.Canceled), timeout},
		{"another error", true, other, other},
		{"no error", true, nil, nil},
		{"cancelled in time", false, context.Canceled, context.Canceled},
		{"another error in time", false, other, other},
	} {
		for _, batch := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				call := func(ctx context.Context) error {
					if test.late {
						<-ctx.Done()
					}
					return test.err
				}
				cfg := config(2, nil)
				cfg.AttemptTimeout, cfg.TimeoutCause = time.Second, timeout
				cfg.Call = func(ctx context.Context, _ int) error { return call(ctx) }
				if batch {
					cfg.Call, cfg.ChunkItems = nil, 2
					cfg.Batch = func(ctx context.Context, items []int, _ *Answers) (int, error) { return len(items), call(ctx) }
				}
				var judged error
				expired := false
				cfg.Judge = func(a *Attempt, err error) Judgement {
					judged, expired = err, a.Expired()
					return Judgement{Class: Fatal}
				}
				cfg.Workers = 1
				_ = New(t.Context(), cfg).Wait()
				if judged != test.want || expired != (test.late && test.err != nil) {
					t.Errorf("%s, batch %t: error %v, expired %t, want %v", test.name, batch, judged, expired, test.want)
				}
			})
		}
	}
}
