package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

var errTooLarge = errors.New("too large")

// chunked is a run of n items in chunks, of which one call is made at a time.
func chunked(n, chunk int, batch func(items []int, answers *Answers) error) *Config {
	cfg := config(n, nil)
	cfg.Call, cfg.ChunkItems, cfg.Workers, cfg.Gate = nil, chunk, 1, openGate(1)
	cfg.Batch = func(_ context.Context, items []int, answers *Answers) (int, error) {
		if err := batch(slices.Clone(items), answers); err != nil {
			return 0, err
		}
		return len(items), nil
	}
	judge := cfg.Judge
	cfg.Judge = func(a *Attempt, err error) Judgement {
		if err == errTooLarge {
			return Judgement{Class: TooLarge}
		}
		return judge(a, err)
	}
	return cfg
}

// inAnyOrder sorts requests: which comes first does not matter.
func inAnyOrder(requests [][]int) [][]int {
	return slices.SortedFunc(slices.Values(requests), slices.Compare)
}

// A chunk that is refused for one item that no one names goes on in halves: it takes no more requests than halves need,
// and none of the others pays for it.
func TestARefusedChunkIsHalved(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		n, bad int
		want   [][]int
	}{
		{8, 5, [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3}, {4, 5, 6, 7}, {4, 5}, {6, 7}, {4}, {5}}},
		{5, 4, [][]int{{0, 1, 2, 3, 4}, {0, 1}, {2, 3, 4}, {2}, {3, 4}, {3}, {4}}},
		{2, 0, [][]int{{0, 1}, {0}, {1}}},
		{1, 0, [][]int{{0}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent [][]int
			cfg := chunked(test.n, test.n, func(items []int, _ *Answers) error {
				sent = append(sent, items)
				if slices.Contains(items, test.bad) {
					return errRefused
				}
				return nil
			})
			cfg.AllOrNothing = true // else the refusal says nothing of the others
			if err := New(t.Context(), cfg).Wait(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(inAnyOrder(test.want), inAnyOrder(sent)); diff != "" {
				t.Errorf("%d items, one is bad: requests (-want +got):\n%s", test.n, diff)
			}
			for i, slot := range cfg.Table.Slots {
				want := Succeeded
				if i == test.bad {
					want = Failed
				}
				if slot.State != want || slot.Attempts != 1 {
					t.Errorf("%d items: item %d is %+v, want state %d after one attempt", test.n, i, slot, want)
				}
			}
		})
	}
}

// What may be sent again as it was only keeps its size, though the server has said since that it takes less: what an
// attempt left for the next one, and a chunk of which the answer was lost. What may be divided is.
func TestAChunkThatIsWholeKeepsItsSize(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		traits Traits
		handle string
		want   [][]int
	}{
		{"harmless", Traits{Repeatable: true}, "", [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {4, 5}, {6, 7}, {0, 1}, {2, 3}}},
		{"as a whole only", Traits{Repeatable: true, WholeOnly: true}, "", [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {4, 5}, {6, 7}, {0, 1, 2, 3}}},
		{"a job", Traits{}, "job", [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {4, 5}, {6, 7}, {0, 1, 2, 3}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent [][]int
			cfg := chunked(8, 4, nil)
			cfg.Traits = test.traits
			cfg.Batch = func(ctx context.Context, items []int, _ *Answers) (int, error) {
				sent = append(sent, slices.Clone(items))
				switch len(sent) {
				case 1:
					if test.handle != "" {
						ctx.(*Attempt).SetHandle(test.handle)
					}
					return 0, errLost
				case 2:
					return 0, errTooLarge
				}
				return len(items), nil
			}
			if err := New(t.Context(), cfg).Wait(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(inAnyOrder(test.want), inAnyOrder(sent)); diff != "" {
				t.Errorf("%s: requests (-want +got):\n%s", test.name, diff)
			}
			if diff := cmp.Diff(all(8, Succeeded), states(cfg.Table)); diff != "" {
				t.Errorf("%s: states (-want +got):\n%s", test.name, diff)
			}
		})
	}
}
