package windrow_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// PreserveOrder makes one call at a time, and sends nothing while an item waits for its retry, also where calls are
// fast and workers take several items at once.
func TestPreserveOrderWaitsForRetries(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			failing := []string{"i3", "i30", "i31", "i77"}
			f := newFake(t, func(c *call) error {
				if c.nth < 3 && slices.Contains(failing, c.id()) {
					return windrow.Transient(errServer)
				}
				return nil
			})
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				if c.nth < 3 && slices.ContainsFunc(failing, func(id string) bool { return slices.Contains(c.ids, id) }) {
					return nil, windrow.Transient(errServer)
				}
				return outcomes(c.ids), nil
			}
			run := createVerb.run
			if bulk {
				run = createVerb.runBulk
			}
			s := run(t.Context(), f, ids(100), windrow.PreserveOrder(), windrow.BatchSize(7), fastRetries)
			if s.err != nil {
				t.Fatal(s.err)
			}
			var got []string
			for _, c := range f.calls {
				for _, id := range c.ids {
					if len(got) == 0 || !slices.Contains(got[max(0, len(got)-7):], id) {
						got = append(got, id)
					}
				}
			}
			if diff := cmp.Diff(ids(100), got); diff != "" {
				t.Errorf("bulk %v (-want +got):\n%s", bulk, diff)
			}
			if f.most != 1 {
				t.Errorf("%d calls at once", f.most)
			}
		})
	}
}

// A worker that took several items at once because calls were fast shares them when they turn out to be slow.
func TestSlowCallsBehindFastOnes(t *testing.T) {
	t.Parallel()
	for _, slow := range []int{8, 16, 60} {
		synctest.Test(t, func(t *testing.T) {
			const fast, workers = 400, 8
			f := newFake(t, func(c *call) error {
				if len(c.id()) == 4 && c.id() >= fmt.Sprint("i", fast) {
					time.Sleep(time.Second)
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(fast+slow), windrow.Concurrency(workers))
			if s.err != nil {
				t.Fatal(s.err)
			}
			// The first slow call of each worker comes as a surprise.
			if took, most := time.Since(f.started), time.Duration(slow/workers+2)*time.Second; took > most {
				t.Errorf("%d calls of a second with %d workers took %v, want at most %v", slow, workers, took, most)
			}
		})
	}
}

// F42: each attempt of a chunk gets its items anew, whatever the client did with the slice before.
func TestF42FreshInputForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		in := ids(4)
		p := windrow.NewBatchProcessor[string, string](nil, fastRetries)
		p.Batch = func(_ context.Context, ids []string) ([]windrow.Outcome[string], error) {
			f.calls = append(f.calls, &call{ids: slices.Clone(ids)})
			out := outcomes(ids)
			for k := range ids {
				ids[k] = "scribble"
			}
			if len(f.calls) < 3 {
				return nil, windrow.Transient(errServer)
			}
			return out, nil
		}
		res, err := p.Run(t.Context(), in)
		summarize(t, 4, res, err)
		for _, c := range f.calls {
			if diff := cmp.Diff(ids(4), c.ids); diff != "" {
				t.Errorf("an attempt got other items (-want +got):\n%s", diff)
			}
		}
		if diff := cmp.Diff(ids(4), in); diff != "" {
			t.Errorf("the caller's slice was changed (-want +got):\n%s", diff)
		}
		for r := range res.All() {
			if r.Value != valueOf(r.Input) {
				t.Errorf("item %d has the value %q", r.Index, r.Value)
			}
		}
	})
}
