package windrow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// An error of the whole request, by its class: what becomes of a chunk.
func TestRetryChunk(t *testing.T) {
	t.Parallel()
	repeatableCreate := createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true})
	found := func(string) (bool, error) { return true, nil }
	notFound := func(string) (bool, error) { return false, nil }
	type ending struct {
		State    windrow.State
		Attempts int
		Sizes    []int // of the calls
		LookUps  int
	}
	for _, test := range []struct {
		name   string
		verb   verb
		err    error
		each   bool
		lookUp func(string) (bool, error)
		want   ending
	}{
		{name: "transient once", verb: createVerb, err: windrow.Transient(errServer), want: ending{windrow.Succeeded, 2, []int{8, 8}, 0}},
		{name: "transient each time", verb: createVerb, err: windrow.Transient(errServer), each: true, want: ending{windrow.Failed, 3, []int{8, 8, 8}, 0}},
		{name: "throttled once", verb: createVerb, err: windrow.Throttled(errServer, time.Second), want: ending{windrow.Succeeded, 1, []int{8, 8}, 0}},
		{name: "ambiguous once", verb: createVerb, err: windrow.Ambiguous(errServer), want: ending{windrow.Unknown, 1, []int{8}, 0}},
		{name: "ambiguous once", verb: repeatableCreate, err: windrow.Ambiguous(errServer), want: ending{windrow.Succeeded, 2, []int{8, 8}, 0}},
		{name: "ambiguous each time", verb: repeatableCreate, err: windrow.Ambiguous(errServer), each: true, want: ending{windrow.Unknown, 3, []int{8, 8, 8}, 0}},
		{name: "ambiguous each time", verb: getVerb, err: windrow.Ambiguous(errServer), each: true, want: ending{windrow.Failed, 3, []int{8, 8, 8}, 0}},
		{name: "ambiguous, found", verb: createVerb, err: windrow.Ambiguous(errServer), lookUp: found, want: ending{windrow.Succeeded, 1, []int{8}, 8}},
		{name: "ambiguous once, not found", verb: createVerb, err: windrow.Ambiguous(errServer), lookUp: notFound, want: ending{windrow.Succeeded, 2, []int{8, 1, 1, 1, 1, 1, 1, 1, 1}, 8}},
		{name: "permanent once", verb: allOrNothing, err: windrow.Permanent(errServer), want: ending{windrow.Succeeded, 1, []int{8, 4, 4}, 0}},
		{name: "permanent each time", verb: allOrNothing, err: windrow.Permanent(errServer), each: true, want: ending{windrow.Failed, 1, []int{8, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1}, 0}},
		{name: "too large once", verb: createVerb, err: windrow.TooLarge(errServer, 0), want: ending{windrow.Succeeded, 1, []int{8, 4, 4}, 0}},
		{name: "too large once, with a limit", verb: createVerb, err: windrow.TooLarge(errServer, 3), want: ending{windrow.Succeeded, 1, []int{8, 3, 3, 2}, 0}},
		{name: "too large each time", verb: createVerb, err: windrow.TooLarge(errServer, 0), each: true, want: ending{windrow.Failed, 1, []int{8, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1}, 0}},
		{name: "fatal", verb: createVerb, err: windrow.Fatal(errServer), each: true, want: ending{windrow.Failed, 1, []int{8}, 0}},
		{name: "missing", verb: deleteVerb, err: windrow.Permanent(windrow.ErrNotFound), each: true, want: ending{windrow.Skipped, 1, []int{8, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1}, 0}},
	} {
		t.Run(test.verb.name+"/"+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*call) error {
					if test.each {
						return test.err
					}
					return nil
				})
				f.lookUp = test.lookUp
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					if test.each || len(f.calls) == 1 {
						return nil, test.err
					}
					return outcomes(c.ids), nil
				}
				s := test.verb.runBulk(t.Context(), f, ids(8), windrow.Concurrency(1), windrow.BatchSize(8), fastRetries)
				got := ending{s.states[0], s.attempts[0], f.sizes(), len(f.lookUps)}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(repeat(8, got.State), s.states); diff != "" {
					t.Errorf("the items of the chunk differ: %v", s.states)
				}
				if diff := cmp.Diff(repeat(8, got.Attempts), s.attempts); diff != "" {
					t.Errorf("the items of the chunk differ in attempts: %v", s.attempts)
				}
			})
		})
	}
}

// allOrNothing is a create by a server that applies all items of a request or none, so that a refusal may be looked into.
var allOrNothing = createVerb.with("all or nothing", windrow.Capabilities{Atomicity: windrow.AtomicityAll})

// chunkOf serves chunks in which the bad items make the server refuse all.
func refusing(bad ...string) func(c *call) ([]windrow.Outcome[string], error) {
	return func(c *call) ([]windrow.Outcome[string], error) {
		for _, id := range bad {
			if slices.Contains(c.ids, id) {
				return nil, windrow.Permanent(errServer)
			}
		}
		return outcomes(c.ids), nil
	}
}

// F18: one bad record of an atomic chunk is found by halves, whichever it is.
func TestF18PoisonedChunk(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 200} {
		for bad := range n {
			f := newFake(t, func(c *call) error {
				if c.id() == fmt.Sprint("i", bad) {
					return windrow.Permanent(errServer)
				}
				return nil
			})
			f.batch = refusing(fmt.Sprint("i", bad))
			s := createVerb.with("200 at once", windrow.Capabilities{MaxItems: 200, Atomicity: windrow.AtomicityAll}).runBulk(t.Context(), f, ids(n), windrow.Concurrency(1))
			for i, state := range s.states {
				if (state == windrow.Failed) != (i == bad) || (state == windrow.Succeeded) != (i != bad) {
					t.Errorf("%d of %d is bad: item %d is %v", bad, n, i, state)
				}
			}
			if len(f.calls) > 17 {
				t.Errorf("%d of %d is bad: %d calls", bad, n, len(f.calls))
			}
			if diff := cmp.Diff(repeat(n, 1), s.attempts); diff != "" {
				t.Errorf("%d of %d is bad: attempts %v", bad, n, s.attempts)
			}
			if s.stats.Requests != len(f.calls) || s.stats.Retries != len(f.calls)-1 {
				t.Errorf("%d of %d is bad: %d calls, and the stats say %+v", bad, n, len(f.calls), s.stats)
			}
		}
	}
}

// Several bad records of one chunk.
func TestPoisonedChunkSeveral(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) error {
		if c.id() == "i0" || c.id() == "i13" || c.id() == "i14" || c.id() == "i49" {
			return windrow.Permanent(errServer)
		}
		return nil
	})
	f.batch = refusing("i0", "i13", "i14", "i49")
	s := allOrNothing.runBulk(t.Context(), f, ids(50), windrow.BatchSize(50))
	for i, state := range s.states {
		bad := slices.Contains([]int{0, 13, 14, 49}, i)
		if (state == windrow.Failed) != bad || (state == windrow.Succeeded) == bad {
			t.Errorf("item %d is %v", i, state)
		}
	}
}

// A server that names the bad record costs one more request for each.
func TestPoisonedChunkNamed(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		for _, bad := range []string{"i3", "i5", "i9"} {
			if k := slices.Index(c.ids, bad); k >= 0 {
				return nil, windrow.Classified(errServer, windrow.Classification{BadItem: k + 1})
			}
		}
		return outcomes(c.ids), nil
	}
	s := createVerb.runBulk(t.Context(), f, ids(10), windrow.BatchSize(10))
	if diff := cmp.Diff([]int{10, 9, 8, 7}, f.sizes()); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	for i, state := range s.states {
		bad := slices.Contains([]int{3, 5, 9}, i)
		if (state == windrow.Failed) != bad || (state == windrow.Succeeded) == bad {
			t.Errorf("item %d is %v", i, state)
		}
	}
	if diff := cmp.Diff(repeat(10, 1), s.attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

// A position that is not in the chunk names nobody.
func TestPoisonedChunkNamedWrongly(t *testing.T) {
	t.Parallel()
	for _, position := range []int{-1, 5, 99} {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			if len(c.ids) > 1 && slices.Contains(c.ids, "i2") {
				return nil, windrow.Classified(errServer, windrow.Classification{BadItem: position})
			}
			return outcomes(c.ids), nil
		}
		s := allOrNothing.runBulk(t.Context(), f, ids(4), windrow.BatchSize(4))
		if diff := cmp.Diff(repeat(4, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("position %d (-want +got):\n%s", position, diff)
		}
	}
}

// The size that the server allows is learned for the chunks to come.
func TestF17_P13_TooLargeLearnsTheCap(t *testing.T) {
	t.Parallel()
	for _, named := range []int{0, 30} {
		t.Run(fmt.Sprint(named), func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				if len(c.ids) > 30 {
					return nil, windrow.TooLarge(errServer, named)
				}
				return outcomes(c.ids), nil
			}
			s := createVerb.runBulk(t.Context(), f, ids(300), windrow.Concurrency(1), windrow.BatchSize(100))
			if diff := cmp.Diff(repeat(300, windrow.Succeeded), s.states); diff != "" {
				t.Errorf("states (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(repeat(300, 1), s.attempts); diff != "" {
				t.Errorf("attempts (-want +got):\n%s", diff)
			}
			want := append([]int{100, 30, 30, 30, 10}, repeat(6, 30)...)
			want = append(want, 20)
			if named == 0 {
				want = append([]int{100, 50}, repeat(12, 25)...)
			}
			if diff := cmp.Diff(want, f.sizes()); diff != "" {
				t.Errorf("sizes (-want +got):\n%s", diff)
			}
		})
	}
}

// A limit that is not below the refused size cannot be right.
func TestTooLargeWithAnAbsurdCap(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		if len(c.ids) > 2 {
			return nil, windrow.TooLarge(errServer, 1000)
		}
		return outcomes(c.ids), nil
	}
	s := createVerb.runBulk(t.Context(), f, ids(8), windrow.Concurrency(1), windrow.BatchSize(8))
	if diff := cmp.Diff([]int{8, 4, 2, 2, 2, 2}, f.sizes()); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(repeat(8, windrow.Succeeded), s.states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// A chunk of one goes through Do where that is set, else through Batch.
func TestSingleItemGoesThroughDo(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{true, false} {
		for _, size := range []int{1, 3} {
			many, one := 0, 0
			p := windrow.NewBatchProcessor[string, string](nil, windrow.Concurrency(1), windrow.BatchSize(size))
			p.Batch = func(_ context.Context, ids []string) ([]windrow.Outcome[string], error) {
				many++
				return outcomes(ids), nil
			}
			if single {
				p.Do = func(_ context.Context, id string) (string, error) {
					one++
					return valueOf(id), nil
				}
			}
			res, err := p.Run(t.Context(), ids(4))
			s := summarize(t, 4, res, err)
			if diff := cmp.Diff([]any{valueOf("i0"), valueOf("i1"), valueOf("i2"), valueOf("i3")}, s.values); diff != "" {
				t.Errorf("with Do %v, chunks of %d: values (-want +got):\n%s", single, size, diff)
			}
			wantMany, wantOne := map[int]int{1: 4, 3: 2}[size], 0
			if single {
				wantMany, wantOne = map[int]int{1: 0, 3: 1}[size], map[int]int{1: 4, 3: 1}[size]
			}
			if many != wantMany || one != wantOne {
				t.Errorf("with Do %v, chunks of %d: %d calls of Batch and %d of Do, want %d and %d", single, size, many, one, wantMany, wantOne)
			}
		}
	}
}

// A chunk that a server throttles although it is the first request of a fresh window, twice, can never pass.
func TestThrottledChunkIsHalved(t *testing.T) {
	t.Parallel()
	for _, byItem := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				if len(c.ids) <= 3 {
					return outcomes(c.ids), nil
				}
				err := windrow.Throttled(errServer, time.Second)
				if byItem {
					return repeat(len(c.ids), windrow.Outcome[string]{Err: err}), nil
				}
				return nil, err
			}
			s := createVerb.runBulk(t.Context(), f, ids(20), windrow.Concurrency(1), windrow.BatchSize(10))
			if diff := cmp.Diff(repeat(20, windrow.Succeeded), s.states); diff != "" {
				t.Errorf("by item %v: states (-want +got):\n%s", byItem, diff)
			}
			if diff := cmp.Diff(repeat(20, 1), s.attempts); diff != "" {
				t.Errorf("by item %v: attempts (-want +got):\n%s", byItem, diff)
			}
			if len(f.calls) > 20 {
				t.Errorf("by item %v: %d calls: %v", byItem, len(f.calls), f.sizes())
			}
		})
	}
}

// Chunks are no larger than the client's MaxItems and MaxBytes; an item that is over the bytes goes alone.
func TestChunkLimits(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	p := windrow.NewCreateProcessor(bulkClient{client{f, windrow.Capabilities{MaxItems: 4, MaxBytes: 10}}}, windrow.Concurrency(1))
	p.Do = nil
	p.Size = func(id string) int { return map[string]int{"i3": 11, "i5": 6, "i6": 5}[id] + 1 }
	res, err := p.Run(t.Context(), ids(12))
	summarize(t, 12, res, err)
	var got [][]string
	for _, c := range f.calls {
		got = append(got, c.ids)
	}
	want := [][]string{{"i0", "i1", "i2"}, {"i3"}, {"i4", "i5"}, {"i6", "i7", "i8", "i9"}, {"i10", "i11"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The items of a chunk have their own histories: one that has used up its attempts does not hold the others up.
func TestChunkOfDifferentHistories(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true, ClientIDs: true})
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			out := outcomes(c.ids)
			for k := range out {
				out[k] = windrow.Outcome[string]{Err: windrow.Transient(errServer)}
			}
			if len(f.calls)%2 == 1 { // every other answer has nothing for the last two
				out = out[:max(1, len(out)-2)]
			}
			return out, nil
		}
		f.script = func(*call) error { return windrow.Transient(errServer) }
		s := v.runBulk(t.Context(), f, ids(5), windrow.Concurrency(1), windrow.BatchSize(5), fastRetries)
		if diff := cmp.Diff(repeat(5, windrow.Failed), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(5, 3), s.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}

// Each item of a chunk has its own backoff: a strategy that has had enough of one goes on with the others.
func TestChunkOfDifferentPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		made := 0
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, windrow.Transient(errServer) }
		f.script = func(*call) error { return nil }
		s := createVerb.runBulk(t.Context(), f, ids(3), windrow.Concurrency(1), windrow.BatchSize(3), windrow.Retry(windrow.RetryPolicy{
			MaxAttempts: 10, Strategy: func() backoff.BackOff {
				made++
				return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), uint64(made))
			},
		}))
		if diff := cmp.Diff([]windrow.State{windrow.Failed, windrow.Failed, windrow.Succeeded}, s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{3, 3, 2, 1}, f.sizes()); diff != "" {
			t.Errorf("sizes (-want +got):\n%s", diff)
		}
	})
}

// A create that only an idempotency key makes harmless: the key of a chunk belongs to exactly its items, so a chunk
// that may have been applied is sent again as a whole, or not at all.
func TestChunkWithAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	lost, unsent, throttled := windrow.Ambiguous(errServer), windrow.Transient(errServer), windrow.Throttled(errServer, time.Second)
	yes, no := func(string) (bool, error) { return true, nil }, func(string) (bool, error) { return false, nil }
	type ending struct {
		State    windrow.State
		Attempts int
		Sizes    []int
		LookUps  int
	}
	for _, test := range []struct {
		name     string
		answers  []error // of the chunk; then it succeeds
		items    error   // or of an item, of the first answer without an error
		lookUp   func(string) (bool, error)
		strategy windrow.Strategy
		want     ending
	}{
		{name: "never sent, throttled, refused", answers: []error{unsent, throttled, errServer}, want: ending{windrow.Unknown, 2, []int{4, 4, 4}, 0}},
		{name: "refused, found", answers: []error{errServer}, lookUp: yes, want: ending{windrow.Succeeded, 0, []int{4}, 4}},
		{name: "refused, not found", answers: []error{errServer}, lookUp: no, want: ending{windrow.Succeeded, 1, []int{4, 1, 1, 1, 1}, 4}},
		{name: "never sent, throttled, refused as such", answers: []error{unsent, throttled, &statusError{status: 405}}, want: ending{windrow.Succeeded, 2, []int{4, 4, 4, 2, 2}, 0}},
		{name: "never sent, too large", answers: []error{unsent, windrow.TooLarge(errServer, 3)}, want: ending{windrow.Succeeded, 2, []int{4, 4, 3, 1}, 0}},
		{name: "lost", answers: []error{lost}, want: ending{windrow.Succeeded, 2, []int{4, 4}, 0}},
		{name: "lost each time", answers: []error{lost, lost, lost}, want: ending{windrow.Unknown, 3, []int{4, 4, 4}, 0}},
		{name: "lost each time, found", answers: []error{lost, lost, lost}, lookUp: yes, want: ending{windrow.Succeeded, 3, []int{4, 4, 4}, 4}},
		{name: "lost each time, not found", answers: []error{lost, lost, lost}, lookUp: no, want: ending{windrow.Failed, 3, []int{4, 4, 4}, 4}},
		{name: "lost, never sent", answers: []error{lost, unsent}, want: ending{windrow.Succeeded, 3, []int{4, 4, 4}, 0}},
		{name: "lost, never sent, never sent", answers: []error{lost, unsent, unsent}, want: ending{windrow.Unknown, 3, []int{4, 4, 4}, 0}},
		{name: "lost, throttled", answers: []error{lost, throttled, throttled, throttled, throttled}, want: ending{windrow.Succeeded, 2, []int{4, 4, 4, 4, 4, 4}, 0}},
		{name: "lost, refused", answers: []error{lost, errServer}, want: ending{windrow.Unknown, 2, []int{4, 4}, 0}},
		{name: "lost, refused, found", answers: []error{lost, errServer}, lookUp: yes, want: ending{windrow.Succeeded, 2, []int{4, 4}, 4}},
		{name: "lost, refused, not found", answers: []error{lost, errServer}, lookUp: no, want: ending{windrow.Succeeded, 3, []int{4, 4, 1, 1, 1, 1}, 4}},
		{name: "lost, exists, not found", answers: []error{lost, &statusError{status: 409}}, lookUp: no, want: ending{windrow.Succeeded, 3, []int{4, 4, 1, 1, 1, 1}, 4}},
		{name: "lost, too large", answers: []error{lost, windrow.TooLarge(errServer, 2)}, want: ending{windrow.Unknown, 2, []int{4, 4}, 0}},
		{name: "lost, too large, not found", answers: []error{lost, windrow.TooLarge(errServer, 2)}, lookUp: no, want: ending{windrow.Succeeded, 3, []int{4, 4, 1, 1, 1, 1}, 4}},
		{name: "lost, fatal", answers: []error{lost, windrow.Fatal(errServer)}, lookUp: yes, want: ending{windrow.Unknown, 2, []int{4, 4}, 0}},
		{
			name: "lost, and the strategy has enough", answers: []error{lost}, strategy: windrow.Custom(func(int) time.Duration { return -1 }),
			want: ending{windrow.Unknown, 1, []int{4}, 0},
		},
		{
			name: "lost, and the strategy has enough, found", answers: []error{lost}, strategy: windrow.Custom(func(int) time.Duration { return -1 }), lookUp: yes,
			want: ending{windrow.Succeeded, 1, []int{4}, 4},
		},
		{name: "item lost", items: lost, want: ending{windrow.Unknown, 1, []int{4}, 0}},
		{name: "item lost, found", items: lost, lookUp: yes, want: ending{windrow.Succeeded, 1, []int{4}, 1}},
		{name: "item lost, not found", items: lost, lookUp: no, want: ending{windrow.Succeeded, 2, []int{4, 1}, 1}},
		{name: "item never sent", items: unsent, want: ending{windrow.Succeeded, 2, []int{4, 1}, 0}},
		{name: "item throttled", items: throttled, want: ending{windrow.Succeeded, 1, []int{4, 1}, 0}},
		{name: "lost, item lost", answers: []error{lost}, items: lost, want: ending{windrow.Unknown, 2, []int{4, 4}, 0}},
		{name: "lost, item never sent", answers: []error{lost}, items: unsent, want: ending{windrow.Unknown, 2, []int{4, 4}, 0}},
		{name: "lost, item never sent, not found", answers: []error{lost}, items: unsent, lookUp: no, want: ending{windrow.Succeeded, 3, []int{4, 4, 1}, 1}},
		{name: "lost, item throttled", answers: []error{lost}, items: throttled, want: ending{windrow.Unknown, 1, []int{4, 4}, 0}},
		{name: "lost, item throttled, found", answers: []error{lost}, items: throttled, lookUp: yes, want: ending{windrow.Succeeded, 1, []int{4, 4}, 1}},
		{name: "lost, item refused", answers: []error{lost}, items: errServer, want: ending{windrow.Unknown, 2, []int{4, 4}, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				keys := map[string][]string{}
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					key := c.attempt.IdempotencyKey()
					if before, ok := keys[key]; ok && !slices.Equal(before, c.ids) {
						t.Errorf("%v and %v have the same key", before, c.ids)
					}
					keys[key] = c.ids
					if n := len(f.calls); n <= len(test.answers) {
						return nil, test.answers[n-1]
					}
					out := outcomes(c.ids)
					if len(f.calls) == len(test.answers)+1 && test.items != nil {
						out[2] = windrow.Outcome[string]{Err: test.items}
					}
					return out, nil
				}
				f.lookUp = test.lookUp
				strategy := test.strategy
				if strategy == nil {
					strategy = windrow.Constant(time.Second)
				}
				s := createVerb.with("idempotency keys", windrow.Capabilities{IdempotencyKeys: true}).runBulk(t.Context(), f, ids(4), windrow.Concurrency(1),
					windrow.BatchSize(4), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: strategy}))
				got := ending{s.states[2], s.attempts[2], f.sizes(), len(f.lookUps)}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s; %v", diff, s.errs[2])
				}
				for i, state := range s.states {
					if test.items == nil && state != got.State || test.items != nil && i != 2 && state != windrow.Succeeded {
						t.Errorf("item %d is %v", i, state)
					}
				}
				sent := map[string]string{}
				for key, ids := range keys {
					members := strings.Join(ids, " ")
					if sent[members] != "" {
						t.Errorf("%v were sent with two keys", ids)
					}
					sent[members] = key
				}
			})
		})
	}
}
