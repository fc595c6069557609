package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// F45: what is done with equal keys. Two items with one key are never in flight together.
func TestF45Duplicates(t *testing.T) {
	t.Parallel()
	in := []string{"a1", "b1", "a2", "c1", "b2", "a3"}
	key := func(id string) string { return id[:1] }
	const s, d = windrow.Succeeded, windrow.Skipped
	for _, test := range []struct {
		name    string
		options []windrow.Option
		want    []windrow.State
		calls   []string
	}{
		{"by default", nil, nil, nil},
		{"reject", []windrow.Option{windrow.Duplicates(windrow.RejectDuplicates)}, nil, nil},
		{"first", []windrow.Option{windrow.Duplicates(windrow.KeepFirst)}, []windrow.State{s, s, d, s, d, d}, []string{"a1", "b1", "c1"}},
		{"last", []windrow.Option{windrow.Duplicates(windrow.KeepLast)}, []windrow.State{d, d, d, s, s, s}, []string{"a3", "b2", "c1"}},
		{"all", []windrow.Option{windrow.Duplicates(windrow.KeepAllInOrder)}, []windrow.State{s, s, s, s, s, s}, []string{"a1", "a2", "a3", "b1", "b2", "c1"}},
	} {
		for _, bulk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bulk %v", test.name, bulk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						time.Sleep(time.Second)
						if c.nth == 1 { // an item that waits for its retry still holds its key
							return windrow.Transient(errServer)
						}
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						seen := map[string]bool{}
						for _, id := range c.ids {
							if seen[key(id)] {
								t.Errorf("two items with one key in one chunk: %v", c.ids)
							}
							seen[key(id)] = true
						}
						if err := f.script(c); err != nil {
							return nil, err
						}
						return outcomes(c.ids), nil
					}
					var c windrow.Creator[string, string] = client{f, windrow.Capabilities{}}
					if bulk {
						c = bulkClient{client{f, windrow.Capabilities{}}}
					}
					p := windrow.NewCreateProcessor(c, append(test.options, windrow.Concurrency(8), fastRetries)...)
					p.Key = key
					res, err := p.Run(t.Context(), in)
					got := summarize(t, len(in), res, err)
					if test.want == nil {
						e, ok := errors.AsType[*windrow.DuplicateKeyError](got.cause)
						if !ok || !errors.Is(got.cause, windrow.ErrDuplicateKey) || !namesTwo(e, "a", 0, 2) {
							t.Errorf("the run was stopped by %v", got.cause)
						}
						if len(f.calls) > 0 {
							t.Errorf("%d calls", len(f.calls))
						}
						return
					}
					if diff := cmp.Diff(test.want, got.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					for i, state := range got.states {
						if state == d && got.reasons[i] != windrow.ReasonDuplicate {
							t.Errorf("item %d was skipped since %v", i, got.reasons[i])
						}
					}
					checkKeys(t, f, key)
					sent := map[string]bool{}
					for _, c := range f.calls {
						for _, id := range c.ids {
							sent[id] = true
						}
					}
					if diff := cmp.Diff(test.calls, slices.Sorted(maps.Keys(sent))); diff != "" {
						t.Errorf("sent (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// F45: updates, deletes and reads of one id are made one after the other, in their order, without a Key.
func TestF45SameIDWithoutKey(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		for _, order := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				got := map[string][]int{}
				var all []int
				inFlight := map[string]bool{}
				update := func(u windrow.Update[string, int]) string {
					mu.Lock()
					if inFlight[u.ID] {
						t.Errorf("two updates of %s at once", u.ID)
					}
					inFlight[u.ID] = true
					mu.Unlock()
					time.Sleep(time.Duration(10-u.Data) * time.Second)
					mu.Lock()
					defer mu.Unlock()
					inFlight[u.ID] = false
					got[u.ID] = append(got[u.ID], u.Data)
					all = append(all, u.Data)
					return ""
				}
				options := []windrow.Option{windrow.Concurrency(8)}
				if bulk {
					options = append(options, windrow.BatchSize(3))
				}
				if order {
					options = append(options, windrow.PreserveOrder())
				}
				p := windrow.NewUpdateProcessor(windrow.UpdateFunc(func(_ context.Context, id string, data int) (string, error) {
					return update(windrow.Update[string, int]{ID: id, Data: data}), nil
				}), options...)
				if bulk {
					p.Batch = func(_ context.Context, in []windrow.Update[string, int]) ([]windrow.Outcome[string], error) {
						for _, u := range in {
							update(u)
						}
						return make([]windrow.Outcome[string], len(in)), nil
					}
				}
				var in []windrow.Update[string, int]
				for n, id := range []string{"a", "b", "a", "a", "c", "b", "d", "e"} {
					in = append(in, windrow.Update[string, int]{ID: id, Data: n})
				}
				res, err := p.Run(t.Context(), in)
				summarize(t, len(in), res, err)
				want := map[string][]int{"a": {0, 2, 3}, "b": {1, 5}, "c": {4}, "d": {6}, "e": {7}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("bulk %v, in order %v (-want +got):\n%s", bulk, order, diff)
				}
				if order {
					if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7}, all); diff != "" {
						t.Errorf("bulk %v: PreserveOrder (-want +got):\n%s", bulk, diff)
					}
				}
			})
		}
	}
}

// checkKeys checks that no two calls for items with one key overlapped, and that those items were sent in the order of
// their ids.
func checkKeys(t *testing.T, f *fake, key func(string) string) {
	t.Helper()
	last := map[string]*call{}
	names := map[string]string{}
	for _, c := range f.calls {
		for _, id := range c.ids {
			k := key(id)
			if before := last[k]; before != nil && before.end > c.at {
				t.Errorf("%s was sent after %v, and another with its key ended after %v", id, c.at, before.end)
			}
			if names[k] > id {
				t.Errorf("%s was sent after %s", id, names[k])
			}
			last[k], names[k] = c, id
		}
	}
}
