package windrow_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// What users of bulk endpoints complain of, by the numbers P-1 to P-19.

// P-2: "item-level 429 inside a 200 is ignored, items lost". They are sent again, and only they, as often as it takes.
func TestP2_ThrottledItemsOfAGoodAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			out := outcomes(c.ids)
			for k := 2; k < len(out); k++ { // the server takes two at a time
				out[k] = windrow.Outcome[string]{Err: &statusError{status: 429}}
			}
			return out, nil
		}
		s := createVerb.runBulk(t.Context(), f, ids(9), windrow.Concurrency(1))
		if diff := cmp.Diff(repeat(9, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{9, 7, 5, 3, 1}, f.sizes()); diff != "" {
			t.Errorf("items in each request (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(9, 1), s.attempts); diff != "" {
			t.Errorf("a throttled attempt was charged (-want +got):\n%s", diff)
		}
	})
}

// P-3: "UnprocessedItems dropped". What the server did not process is sent again with its first index, and what never
// gets through is there to be dealt with: the dead letters are the results that failed.
func TestP3_UnprocessedItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errUnprocessed := errors.New("not processed")
		f := newFake(t, func(*call) error { return windrow.Transient(errUnprocessed) })
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			out := outcomes(c.ids)
			for k, id := range c.ids {
				if id == "i7" || c.nth == 1 && k >= 5 {
					out[k] = windrow.Outcome[string]{Err: windrow.Transient(errUnprocessed)}
				}
			}
			return out, nil
		}
		res, err := windrow.CreateMany(t.Context(), bulkClient{client{fake: f}}, ids(10), fastRetries)
		checkAccounts(t, 10, res, err)
		if s := res.Stats(); s.Succeeded != 9 || s.Failed != 1 {
			t.Errorf("%+v", s)
		}
		var dead []string
		for r := range res.Failed() {
			dead = append(dead, fmt.Sprint(r.Index, " ", r.Input))
		}
		if diff := cmp.Diff([]string{"7 i7"}, dead); diff != "" || !errors.Is(err, errUnprocessed) {
			t.Errorf("dead letters (-want +got):\n%s error %v", diff, err)
		}
	})
}

// P-4: "batched 429s are not retried by the official SDK … how long should we wait?" The longest of what the items say,
// everybody, and then what was throttled goes in one request.
func TestP4_TheWaitIsTheLongestHint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			out := outcomes(c.ids)
			if c.at == 0 {
				for k, after := range []time.Duration{2 * time.Second, 20 * time.Second, 7 * time.Second} {
					out[k] = windrow.Outcome[string]{Err: &statusError{429, after}}
				}
			}
			return out, nil
		}
		s := createVerb.runBulk(t.Context(), f, ids(10), windrow.BatchSize(5), windrow.Concurrency(1))
		if s.err != nil {
			t.Fatal(s.err)
		}
		if diff := cmp.Diff([][]string{ids(5), ids(3), ids(10)[5:]}, f.requests()); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		for k, c := range f.calls[1:] {
			if c.at < 20*time.Second || c.at > 22*time.Second {
				t.Errorf("request %d left after %v, want the longest hint and a little jitter", k+1, c.at)
			}
		}
	})
}

// P-7: "unbounded or absurd backoff: waiting for 9.4e+116 ms". Delays are capped, hints too, and all of it by
// MaxThrottleWait.
func TestP7_NoAbsurdWaits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"no hint", &statusError{status: 429}},
		{"a hint without end", &statusError{429, math.MaxInt64}},
		{"lost for ever", windrow.Ambiguous(errServer)},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(*call) error { return tt.err })
			s := updateVerb.run(t.Context(), f, ids(100), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 50}))
			if s.stats.Succeeded > 0 || s.err == nil {
				t.Errorf("%s: %+v", tt.name, s.stats)
			}
			if took := time.Since(f.started); took > time.Hour {
				t.Errorf("%s: it took %v", tt.name, took)
			}
			for _, id := range []string{"i0", "i99"} {
				calls := f.of(id)
				for k := 1; k < len(calls); k++ {
					if gap := calls[k].at - calls[k-1].at; gap > 6*time.Minute {
						t.Errorf("%s: %s waited for %v", tt.name, id, gap)
					}
				}
			}
		})
	}
}

// P-10: "one bad item sinks the batch; want partial and transactional". Partial over an endpoint that is all or nothing:
// everything but the bad items gets through. TestA73_C14_AtomicIsAllOrNothing is the other half.
func TestP10_PartialOverAnAtomicEndpoint(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]int{{0}, {99}, {1, 2, 3}, {0, 50, 99}, {10, 20, 30, 40, 50, 60, 70, 80}} {
		var names []string
		for _, i := range bad {
			names = append(names, fmt.Sprint("i", i))
		}
		f := newFake(t, func(c *call) error {
			if slices.Contains(names, c.id()) {
				return windrow.Permanent(fmt.Errorf("%s is bad", c.id()))
			}
			return nil
		})
		f.batch = refusing(names...)
		all := windrow.Capabilities{Atomicity: windrow.AtomicityAll, MaxItems: 100}
		s := createVerb.with("all or nothing", all).runBulk(t.Context(), f, ids(100), windrow.Concurrency(1))
		for i, state := range s.states {
			if isBad := slices.Contains(bad, i); isBad != (state == windrow.Failed) || !isBad && state != windrow.Succeeded {
				t.Errorf("%v are bad: item %d is %v", bad, i, state)
			} else if isBad && s.errs[i].Error() != names[slices.Index(bad, i)]+" is bad" {
				t.Errorf("item %d has another's error: %v", i, s.errs[i])
			}
		}
		// F18: k bad ones of n cost about 2k log2(n/k) + 4k requests.
		k := float64(len(bad))
		if most := int(2*k*math.Log2(100/k) + 4*k + 1); len(f.calls) > most {
			t.Errorf("%v are bad: %d requests, want at most %d", bad, len(f.calls), most)
		}
	}
}

// P-13: "a batch of exactly one breaks". A last chunk of one goes through the single call where there is one, and is a
// batch of one elsewhere; its outcome is its own in both cases.
func TestP13_TheLastChunkOfOne(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 21; n++ {
		f := newFake(t, nil)
		s := createVerb.with("10 at once", windrow.Capabilities{MaxItems: 10}).runBulk(t.Context(), f, ids(n))
		if s.err != nil || s.values[n-1] != valueOf(fmt.Sprint("i", n-1)) {
			t.Errorf("%d items: the last has %v, error %v", n, s.values[n-1], s.err)
		}
		if want := (n + 9) / 10; len(f.calls) != want {
			t.Errorf("%d items: %d requests, want %d", n, len(f.calls), want)
		}
	}
}

// P-19: "retries a 413 for ever". A single item that is too large fails at once, and takes nobody with it.
func TestF17_P19_OneItemOverTheCapFailsAlone(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		f := newFake(t, func(c *call) error {
			if c.id() == "i3" {
				return &statusError{status: 413}
			}
			return nil
		})
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			if slices.Contains(c.ids, "i3") {
				return nil, &statusError{status: 413}
			}
			return outcomes(c.ids), nil
		}
		run := createVerb.run
		if bulk {
			run = createVerb.runBulk
		}
		s := run(t.Context(), f, ids(8), windrow.Concurrency(1))
		want := repeat(8, windrow.Succeeded)
		want[3] = windrow.Failed
		if diff := cmp.Diff(want, s.states); diff != "" {
			t.Errorf("bulk %t: states (-want +got):\n%s", bulk, diff)
		}
		if n := len(f.of("i3")); n > 4 || s.attempts[3] != 1 {
			t.Errorf("bulk %t: the large one was sent %d times, %d attempts", bulk, n, s.attempts[3])
		}
	}
}
