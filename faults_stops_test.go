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

// Items that Validate refuses are not sent, so they count for MaxFailures, but for no share of failures and for no canary.
func TestRefusedItemsAreNoSentOnes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		option  windrow.Option
		refused []string // by Validate
		bad     string   // refused by the server
		failed  int
		sent    []string // the first items that are sent
		stopped bool
	}{
		{"a share", windrow.MaxFailureRate(0.4, 2), []string{"i0", "i1", "i2"}, "", 3, ids(10)[3:], false},
		{"a share of those sent", windrow.MaxFailureRate(0.4, 2), []string{"i0", "i1", "i2", "i3"}, "i5", 5, []string{"i4", "i5"}, true},
		{"a canary", windrow.Canary(2), []string{"i0", "i2"}, "", 2, []string{"i1", "i3"}, false},
		{"the second canary item", windrow.Canary(2), []string{"i0", "i2"}, "i3", 3, []string{"i1", "i3"}, true},
		{"an item after the canary", windrow.Canary(2), []string{"i0", "i2"}, "i4", 3, []string{"i1", "i3"}, false},
		{"a number", windrow.MaxFailures(1), []string{"i7", "i8"}, "i2", 3, nil, true},
	} {
		for _, kind := range []string{"run", "stream", "chunks"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						time.Sleep(time.Second)
						if slices.Contains(c.ids, tt.bad) {
							return errServer
						}
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						out := outcomes(c.ids)
						if k := slices.Index(c.ids, tt.bad); k >= 0 {
							out[k] = windrow.Outcome[string]{Err: errServer}
						}
						return out, nil
					}
					var c windrow.Creator[string, string] = client{f, windrow.Capabilities{}}
					if kind == "chunks" {
						c = bulkClient{client{f, windrow.Capabilities{MaxItems: 2}}}
					}
					p := windrow.NewCreateProcessor(c, tt.option, windrow.Concurrency(1))
					p.Validate = func(in string) error {
						if slices.Contains(tt.refused, in) {
							return errServer
						}
						return nil
					}
					var got windrow.RunStats
					var cause error
					if kind == "run" {
						res, err := p.Run(t.Context(), ids(10))
						got = res.Stats()
						if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
							cause = bulk.Cause
						}
					} else {
						s := p.Stream(t.Context(), windrow.FromSlice(ids(10)))
						for _, err := range s.All() {
							if stop, ok := errors.AsType[*windrow.StopError](err); ok {
								cause = stop
							}
						}
						got = s.Stats()
					}
					if stopped := errors.Is(cause, windrow.ErrTooManyFailures); stopped != tt.stopped || cause != nil && !stopped {
						t.Errorf("stopped by %v, want a stop: %t", cause, tt.stopped)
					}
					if !tt.stopped && (got.Failed != tt.failed || got.Succeeded != 10-tt.failed) {
						t.Errorf("%+v, want %d failed and the others succeeded", got, tt.failed)
					}
					var sent []string
					for _, c := range f.calls {
						sent = append(sent, c.ids...)
					}
					if first := sent[:min(len(sent), len(tt.sent))]; !slices.Equal(first, tt.sent) || tt.stopped && len(tt.sent) > 0 && len(sent) > len(tt.sent) {
						t.Errorf("sent %q, want %q first", sent, tt.sent)
					}
				})
			})
		}
	}
}
