package windrow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F38: errors of a million items stay readable: the error names one, the summary a hundred.
func TestF38ManyFailures(t *testing.T) {
	t.Parallel()
	p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, errServer })
	res, err := p.Run(t.Context(), make([]int, 100_000))
	s := summarize(t, 100_000, res, err)
	if s.stats.Failed != 100_000 {
		t.Errorf("%+v", s.stats)
	}
	if n := len(err.Error()); n > 300 {
		t.Errorf("the text of the error is %d bytes long", n)
	}
	var b strings.Builder
	if err := res.Summary(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n > 210 {
		t.Errorf("the summary has %d lines", n)
	}
}

// F39: one item's error never cancels its neighbours.
func TestF39NoSiblingIsCancelled(t *testing.T) {
	t.Parallel()
	for _, first := range []error{errServer, windrow.Ambiguous(errServer), windrow.TooLarge(errServer, 0), windrow.Throttled(errServer, 0)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.id() == "i0" && c.nth == 1 {
					return first
				}
				select {
				case <-time.After(time.Minute):
					return nil
				case <-c.ctx.Done():
					t.Errorf("%s was cancelled: %v", c.id(), context.Cause(c.ctx))
					return c.ctx.Err()
				}
			})
			s := createVerb.run(t.Context(), f, ids(8), windrow.Concurrency(8))
			for i, state := range s.states[1:] {
				if state != windrow.Succeeded {
					t.Errorf("item %d is %v", i+1, state)
				}
			}
		})
	}
}

// MaxFailures and its siblings do not cancel calls in flight either: their answers count.
func TestMaxFailuresLetsCallsEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		option windrow.Option
		failed int // items that fail, one a second, before the run stops
	}{
		{"MaxFailures(0)", windrow.MaxFailures(0), 1},
		{"MaxFailures(0)", windrow.MaxFailures(0), 1},
		{"MaxFailures(2)", windrow.MaxFailures(2), 3},
		{"MaxFailureRate(0.5, 4)", windrow.MaxFailureRate(0.5, 4), 4},
		{"MaxFailureRate(0, 2)", windrow.MaxFailureRate(0, 2), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if i := slices.Index(ids(6), c.id()); i >= 0 {
						time.Sleep(time.Duration(i+1) * time.Second)
						return errServer
					}
					time.Sleep(time.Hour)
					return c.ctx.Err()
				})
				s := createVerb.run(t.Context(), f, ids(40), windrow.Concurrency(10), test.option)
				// Ten are in flight: those that fail, and the others, each of whose answers is waited for.
				if !errors.Is(s.cause, windrow.ErrTooManyFailures) {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				sent := 10 + test.failed - 1 // whoever fails before makes room for another
				if len(f.calls) != sent {
					t.Errorf("%d calls, want %d", len(f.calls), sent)
				}
				if s.stats.Failed != 6 || s.stats.Succeeded != sent-6 || s.stats.NotAttempted != 40-sent {
					t.Errorf("%+v, want 6 failed, %d succeeded, %d not attempted", s.stats, sent-6, 40-sent)
				}
			})
		})
	}
}

// An item of which nobody knows how it ended counts as one that failed.
func TestMaxFailuresStopsAtAnUnknownItem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*call) error { return windrow.Ambiguous(errServer) })
		s := createVerb.run(t.Context(), f, ids(5), windrow.PreserveOrder(), windrow.MaxFailures(0))
		if !errors.Is(s.cause, windrow.ErrTooManyFailures) || s.stats.Unknown != 1 || s.stats.NotAttempted != 4 || len(f.calls) != 1 {
			t.Errorf("stopped by %v after %d calls: %+v", s.cause, len(f.calls), s.stats)
		}
	})
}
