package windrow_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

var errServer = errors.New("the server's error")

// ending is what a test of the table looks at.
type ending struct {
	State      windrow.State
	Attempts   int
	Calls      int
	LookUps    int
	Throttled  int           // throttles that the limiter saw
	ShutFor    time.Duration // how long it was shut
	OthersWait bool          // the other items were sent after that only
	Others     windrow.State
	Cause      error // what the cause of the run matches
}

// The table of what follows from an error: what becomes of an item, of the limiter and of the rest of the run, by the class of the
// item's error and by whether repeating it is harmless. An item meets the error once, or each time it is sent.
func TestRetryTable(t *testing.T) {
	t.Parallel()
	const (
		repeatable = iota
		notRepeatable
		foundLater    // not repeatable, but a look-up finds that it was applied
		notFoundLater // not repeatable, and a look-up finds that it was not applied
		repeatableFound
		repeatableNotFound
		read
		columns
	)
	const hint = 10 * time.Second
	classes := map[string]func(error) error{
		"permanent":    windrow.Permanent,
		"unrecognised": func(err error) error { return err },
		"transient":    windrow.Transient,
		"throttled":    func(err error) error { return windrow.Throttled(err, hint) },
		"too large":    func(err error) error { return windrow.TooLarge(err, 0) },
		"ambiguous":    windrow.Ambiguous,
		"fatal":        windrow.Fatal,
	}
	all := func(e ending) (row [columns]ending) {
		for i := range row {
			row[i] = e
		}
		return row
	}
	failed := func(attempts int) ending {
		return ending{State: windrow.Failed, Attempts: attempts, Calls: attempts, Others: windrow.Succeeded}
	}
	succeeded := func(attempts, calls, lookUps int) ending {
		return ending{State: windrow.Succeeded, Attempts: attempts, Calls: calls, LookUps: lookUps, Others: windrow.Succeeded}
	}
	unknown := func(attempts int) ending {
		return ending{State: windrow.Unknown, Attempts: attempts, Calls: attempts, Others: windrow.Succeeded}
	}
	throttled := succeeded(1, 2, 0)
	throttled.Throttled, throttled.OthersWait = 1, true
	fatal := ending{State: windrow.Failed, Attempts: 1, Calls: 1, Others: windrow.NotAttempted, Cause: windrow.ErrFatal}
	notApplied := func(lookUps int) ending {
		e := failed(3)
		e.LookUps = lookUps
		return e
	}
	// With MaxAttempts of 3.
	table := []struct {
		class string
		once  [columns]ending
		each  [columns]ending
	}{
		{class: "permanent", once: all(failed(1)), each: all(failed(1))},
		{class: "unrecognised", once: all(failed(1)), each: all(failed(1))},
		{class: "transient", once: all(succeeded(2, 2, 0)), each: all(failed(3))},
		{class: "throttled", once: all(throttled)}, // each: see TestThrottledForTooLong
		{class: "too large", once: all(failed(1)), each: all(failed(1))},
		{
			class: "ambiguous",
			once: [columns]ending{
				repeatable: succeeded(2, 2, 0), notRepeatable: unknown(1), foundLater: succeeded(1, 1, 1), notFoundLater: succeeded(2, 2, 1),
				repeatableFound: succeeded(2, 2, 0), repeatableNotFound: succeeded(2, 2, 0), read: succeeded(2, 2, 0),
			},
			each: [columns]ending{
				repeatable: unknown(3), notRepeatable: unknown(1), foundLater: succeeded(1, 1, 1), notFoundLater: notApplied(3),
				repeatableFound: succeeded(3, 3, 1), repeatableNotFound: notApplied(1), read: failed(3),
			},
		},
		{class: "fatal", once: all(fatal), each: all(fatal)},
	}
	found := func(string) (bool, error) { return true, nil }
	notFound := func(string) (bool, error) { return false, nil }
	verbs := []struct {
		verb
		column int
		lookUp func(string) (bool, error)
	}{
		{verb: doVerb, column: notRepeatable},
		{verb: doVerb.with("keys alone", windrow.Capabilities{IdempotencyKeys: true}), column: notRepeatable},
		{verb: doVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), column: repeatable},
		{verb: doVerb.with("found", windrow.Capabilities{}), column: foundLater, lookUp: found},
		{verb: doVerb.with("not found", windrow.Capabilities{}), column: notFoundLater, lookUp: notFound},
		{verb: createVerb, column: notRepeatable},
		{verb: createVerb.with("idempotency keys", windrow.Capabilities{IdempotencyKeys: true}), column: repeatable},
		{verb: createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true}), column: repeatable},
		{verb: createVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), column: repeatable},
		{verb: createVerb.with("found", windrow.Capabilities{}), column: foundLater, lookUp: found},
		{verb: createVerb.with("not found", windrow.Capabilities{}), column: notFoundLater, lookUp: notFound},
		{verb: createVerb.with("ids of the client, found", windrow.Capabilities{ClientIDs: true}), column: repeatableFound, lookUp: found},
		{verb: createVerb.with("ids of the client, not found", windrow.Capabilities{ClientIDs: true}), column: repeatableNotFound, lookUp: notFound},
		{verb: updateVerb, column: repeatable},
		{verb: updateVerb.with("found", windrow.Capabilities{}), column: repeatableFound, lookUp: found},
		{verb: updateVerb.with("not found", windrow.Capabilities{}), column: repeatableNotFound, lookUp: notFound},
		{verb: upsertVerb, column: repeatable},
		{verb: deleteVerb, column: repeatable},
		{verb: getVerb, column: read},
	}
	for _, v := range verbs {
		for _, row := range table {
			for _, each := range []bool{false, true} {
				want, name := row.once[v.column], v.name+"/"+row.class+" once"
				if each {
					want, name = row.each[v.column], v.name+"/"+row.class+" each time"
				}
				if want == (ending{}) {
					continue
				}
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var got ending
						err := classes[row.class](errServer)
						f := newFake(t, func(c *call) error {
							if c.id() == "i0" && (each || c.nth == 1) {
								return err
							}
							return nil
						})
						f.lookUp = v.lookUp
						l := windrow.NewLimiter(windrow.Concurrency(1))
						s := v.run(t.Context(), f, ids(4), windrow.WithLimiter(l), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{
							MaxAttempts: 3, Strategy: windrow.Constant(time.Second),
						}))
						stats := l.Stats()
						got = ending{
							State: s.states[0], Attempts: s.attempts[0], Calls: len(f.of("i0")), LookUps: len(f.lookUps),
							Throttled: stats.Throttled, ShutFor: stats.ThrottledFor, Others: s.states[1],
						}
						if want.Throttled > 0 { // jitter makes it a little longer than the hint
							if got.ShutFor < hint || got.ShutFor > 2*hint {
								t.Errorf("the limiter was shut for %v, want %v and a little", got.ShutFor, hint)
							}
							got.ShutFor = 0
						}
						for i, state := range s.states[1:] {
							if state != got.Others {
								t.Errorf("item %d is %v, item 1 is %v", i+1, state, got.Others)
							}
						}
						for i, c := range f.calls {
							switch {
							case c.id() == "i0" && i > 0 && c.at < time.Second:
								t.Errorf("the item is sent again after %v, want a second at least", c.at)
							case c.id() != "i0" && c.at >= hint:
								got.OthersWait = true
							case c.id() != "i0" && c.at > 0:
								t.Errorf("an item that never failed was sent after %v only", c.at)
							}
						}
						if s.cause != nil && errors.Is(s.cause, want.Cause) {
							got.Cause = want.Cause
						} else if s.cause != nil {
							t.Errorf("the run was stopped by %v", s.cause)
						}
						if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
							t.Errorf("(-want +got):\n%s", diff)
						}
						if got.State == windrow.Failed || got.State == windrow.Unknown {
							if !errors.Is(s.errs[0], errServer) {
								t.Errorf("the item's error is %v, want the server's in it", s.errs[0])
							}
						}
					})
				})
			}
		}
	}
}

// fastRetries is a policy whose delays are a second.
var fastRetries = windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(time.Second)})

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

// The items of a good answer have their own errors, and only those are sent again that may be.
func TestItemErrorsInAGoodAnswer(t *testing.T) {
	t.Parallel()
	type ending struct {
		State    windrow.State
		Attempts int
		Calls    int
		LookUps  int
	}
	for _, test := range []struct {
		name string
		verb verb
		err  error // of item i2 the first time
		each bool
		look func(string) (bool, error)
		want ending
	}{
		{name: "permanent", verb: createVerb, err: errServer, want: ending{windrow.Failed, 1, 1, 0}},
		{name: "transient", verb: createVerb, err: windrow.Transient(errServer), want: ending{windrow.Succeeded, 2, 2, 0}},
		{name: "transient each time", verb: createVerb, err: windrow.Transient(errServer), each: true, want: ending{windrow.Failed, 3, 3, 0}},
		{name: "throttled", verb: createVerb, err: windrow.Throttled(errServer, time.Second), want: ending{windrow.Succeeded, 1, 2, 0}},
		{name: "too large beside others", verb: createVerb, err: windrow.TooLarge(errServer, 0), want: ending{windrow.Succeeded, 1, 2, 0}},
		{name: "too large", verb: createVerb, err: windrow.TooLarge(errServer, 0), each: true, want: ending{windrow.Failed, 1, 2, 0}},
		{name: "rolled back", verb: createVerb, err: windrow.ErrRolledBack, want: ending{windrow.Succeeded, 1, 2, 0}},
		{name: "rolled back each time", verb: createVerb, err: windrow.ErrRolledBack, each: true, want: ending{windrow.Failed, 3, 4, 0}},
		{name: "ambiguous", verb: createVerb, err: windrow.Ambiguous(errServer), want: ending{windrow.Unknown, 1, 1, 0}},
		{name: "ambiguous", verb: updateVerb, err: windrow.Ambiguous(errServer), want: ending{windrow.Succeeded, 2, 2, 0}},
		{name: "ambiguous each time", verb: updateVerb, err: windrow.Ambiguous(errServer), each: true, want: ending{windrow.Unknown, 3, 3, 0}},
		{name: "ambiguous each time", verb: getVerb, err: windrow.Ambiguous(errServer), each: true, want: ending{windrow.Failed, 3, 3, 0}},
		{name: "ambiguous, found", verb: createVerb, err: windrow.Ambiguous(errServer), look: func(string) (bool, error) { return true, nil }, want: ending{windrow.Succeeded, 1, 1, 1}},
		{name: "ambiguous, not found", verb: createVerb, err: windrow.Ambiguous(errServer), look: func(string) (bool, error) { return false, nil }, want: ending{windrow.Succeeded, 2, 2, 1}},
		{name: "skipped", verb: createVerb, err: clients.Skip(windrow.ReasonUnchanged), want: ending{windrow.Skipped, 1, 1, 0}},
		{name: "missing", verb: deleteVerb, err: windrow.ErrNotFound, want: ending{windrow.Skipped, 1, 1, 0}},
		{name: "fatal", verb: createVerb, err: windrow.Fatal(errServer), want: ending{windrow.Failed, 1, 1, 0}},
	} {
		t.Run(test.verb.name+"/"+test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				if test.each {
					f.script = func(*call) error { return test.err }
				}
				f.lookUp = test.look
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					out := outcomes(c.ids)
					if k := slices.Index(c.ids, "i2"); k >= 0 && (test.each || len(f.calls) == 1) {
						out[k] = windrow.Outcome[string]{Err: test.err}
					}
					return out, nil
				}
				s := test.verb.runBulk(t.Context(), f, ids(5), windrow.Concurrency(1), windrow.BatchSize(5), fastRetries)
				got := ending{s.states[2], s.attempts[2], len(f.of("i2")), len(f.lookUps)}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for i, state := range s.states {
					if i != 2 && (state != windrow.Succeeded || s.attempts[i] != 1 || len(f.of(fmt.Sprint("i", i))) != 1) {
						t.Errorf("item %d is %v after %d attempts", i, state, s.attempts[i])
					}
				}
				if stopped := errors.Is(s.cause, windrow.ErrFatal); stopped != (test.name == "fatal") {
					t.Errorf("the run was stopped by %v", s.cause)
				}
			})
		})
	}
}

// An answer with another length belongs to nobody: all of the chunk may have been applied.
func TestF20WrongLength(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{createVerb, createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true}), updateVerb, deleteVerb, getVerb} {
		for _, length := range []int{0, 1, 3, 5, 9} {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(ids(length)), nil }
			s := v.runBulk(t.Context(), f, ids(4), windrow.BatchSize(4))
			want := windrow.Unknown
			if v.name == "get" {
				want = windrow.Failed
			}
			if diff := cmp.Diff(repeat(4, want), s.states); diff != "" {
				t.Errorf("%s, %d outcomes for 4 items (-want +got):\n%s", v.name, length, diff)
			}
			if len(f.calls) != 1 {
				t.Errorf("%s, %d outcomes for 4 items: %d calls", v.name, length, len(f.calls))
			}
			for _, err := range s.errs {
				if text := err.Error(); !strings.Contains(text, fmt.Sprint(length)) || !strings.Contains(text, "4") {
					t.Errorf("the error does not tell the lengths: %v", err)
				}
			}
		}
	}
}

// A short answer of a server that omits the tail says that the rest was not attempted: it is sent again at once, and
// costs the rest nothing, as long as each answer has something.
func TestOmitsTail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true})
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			return outcomes(c.ids[:min(len(c.ids), 3)]), nil
		}
		s := v.runBulk(t.Context(), f, ids(20), windrow.Concurrency(1), windrow.BatchSize(20), fastRetries)
		if diff := cmp.Diff(repeat(20, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeat(20, 1), s.attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{20, 17, 14, 11, 8, 5, 2}, f.sizes()); diff != "" {
			t.Errorf("sizes (-want +got):\n%s", diff)
		}
		if f.calls[len(f.calls)-1].at > 0 {
			t.Errorf("the last call was made after %v", f.calls[len(f.calls)-1].at)
		}
	})
}

// An item that is refused ends the answer: the ones behind it were not attempted.
func TestOmitsTailBehindAFailure(t *testing.T) {
	t.Parallel()
	v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true})
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		out := outcomes(c.ids)
		if k := slices.Index(c.ids, "i2"); k >= 0 {
			out = out[:k+1]
			out[k] = windrow.Outcome[string]{Err: errServer}
		}
		return out, nil
	}
	s := v.runBulk(t.Context(), f, ids(6), windrow.Concurrency(1), windrow.BatchSize(6), fastRetries)
	want := repeat(6, windrow.Succeeded)
	want[2] = windrow.Failed
	if diff := cmp.Diff(want, s.states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// A server that answers nothing at all, time and again, does not keep the run for ever.
func TestOmitsTailAlways(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("omits the tail", windrow.Capabilities{OmitsTail: true})
		f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
		f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, nil }
		s := v.runBulk(t.Context(), f, ids(4), windrow.BatchSize(4), fastRetries)
		if diff := cmp.Diff(repeat(4, windrow.Failed), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int{4, 4, 4}, f.sizes()); diff != "" {
			t.Errorf("sizes (-want +got):\n%s", diff)
		}
	})
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

// What the default classifier makes of an error.
func TestClassify(t *testing.T) {
	t.Parallel()
	type judged struct {
		Class    windrow.Class
		Kind     windrow.ErrorKind
		After    time.Duration
		MaxItems int
		BadItem  int
	}
	status := func(code int, after time.Duration) error {
		return fmt.Errorf("the SDK says: %w", &statusError{code, after})
	}
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	request := func(err error) error { return &url.Error{Op: "Post", URL: "https://api.example/items", Err: err} }
	fatal := judged{Class: windrow.ClassFatal}
	transient := judged{Class: windrow.ClassTransient}
	ambiguous := judged{Class: windrow.ClassAmbiguous}
	timeout := judged{Class: windrow.ClassAmbiguous, Kind: windrow.KindTimeout}
	for _, test := range []struct {
		name string
		err  error
		want judged
	}{
		{"unrecognised", errors.New("what?"), judged{}},
		{"nil in an interface", fmt.Errorf("nothing: %w", error(nil)), judged{}},

		{"marked permanent", windrow.Permanent(request(io.EOF)), judged{Kind: windrow.KindResource}},
		{"marked transient", windrow.Transient(status(500, 0)), transient},
		{"marked throttled", fmt.Errorf("deep: %w", windrow.Throttled(status(200, 0), time.Minute)), judged{Class: windrow.ClassThrottled, After: time.Minute}},
		{"marked too large", windrow.TooLarge(errServer, 30), judged{Class: windrow.ClassTooLarge, MaxItems: 30, Kind: windrow.KindValidation}},
		{"marked ambiguous", windrow.Ambiguous(dial), ambiguous},
		{"marked fatal", windrow.Fatal(status(404, 0)), fatal},
		{
			"classified", windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: 1, BadItem: 3, Kind: windrow.KindTimeout}),
			judged{Class: windrow.ClassTransient, After: 1, BadItem: 3, Kind: windrow.KindTimeout},
		},
		{"the outer mark counts", windrow.Transient(windrow.Fatal(errServer)), transient},
		{"joined", errors.Join(errServer, windrow.Fatal(errServer)), fatal},
		{"backoff permanent", backoff.Permanent(io.ErrUnexpectedEOF), judged{}},
		{"backoff permanent with a status", fmt.Errorf("%w", backoff.Permanent(&statusError{503, time.Second})), judged{}},
		{"skipped", clients.Skip(windrow.ReasonUnchanged), judged{}},
		{"not found", fmt.Errorf("no: %w", windrow.ErrNotFound), judged{Kind: windrow.KindResource}},
		{"exists", fmt.Errorf("no: %w", windrow.ErrAlreadyExists), judged{Kind: windrow.KindResource}},
		{"attempt timeout", fmt.Errorf("slow: %w", windrow.ErrAttemptTimeout), timeout},

		{"200 and an error", status(200, 0), ambiguous},
		{"302", status(302, 0), judged{Kind: windrow.KindValidation}},
		{"400", status(400, 0), judged{Kind: windrow.KindValidation}},
		{"401", status(401, 0), judged{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"403", status(403, 0), judged{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"404", status(404, 0), judged{Kind: windrow.KindResource}},
		{"405", status(405, 0), judged{Kind: windrow.KindResource}},
		{"407", status(407, 0), judged{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"408", status(408, 0), timeout},
		{"409", status(409, 0), judged{Kind: windrow.KindResource}},
		{"410", status(410, 0), judged{Kind: windrow.KindResource}},
		{"413", status(413, 0), judged{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"414", status(414, 0), judged{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"431", status(431, 0), judged{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"422", status(422, 0), judged{Kind: windrow.KindValidation}},
		{"423", status(423, 0), judged{Kind: windrow.KindResource}},
		{"425", status(425, 0), transient},
		{"429", status(429, 0), judged{Class: windrow.ClassThrottled}},
		{"429 and a hint", status(429, 7*time.Second), judged{Class: windrow.ClassThrottled, After: 7 * time.Second}},
		{"429 and a negative hint", status(429, -7*time.Second), judged{Class: windrow.ClassThrottled}},
		{"500", status(500, 0), ambiguous},
		{"502", status(502, 0), ambiguous},
		{"503", status(503, 0), ambiguous},
		{"503 and a hint", status(503, time.Second), judged{Class: windrow.ClassThrottled, After: time.Second}},
		{"504", status(504, 0), timeout},
		{"507", status(507, 0), ambiguous},
		{"no status", status(0, 0), judged{}},

		{"dial refused", request(dial), transient},
		{"no route", request(&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}), transient},
		{"dial timeout", request(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}), transient},
		{"name server down", request(&net.OpError{Op: "dial", Err: &net.DNSError{IsTemporary: true}}), transient},
		{"no such name", request(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), transient},
		{"reset", request(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), ambiguous},
		{"broken pipe", request(&net.OpError{Op: "write", Err: syscall.EPIPE}), ambiguous},
		{"closed", request(net.ErrClosed), ambiguous},
		{"half an answer", fmt.Errorf("decode: %w", io.ErrUnexpectedEOF), ambiguous},
		{"end of file", request(io.EOF), ambiguous},
		{"client timeout", request(os.ErrDeadlineExceeded), timeout},
		{"deadline", request(context.DeadlineExceeded), timeout},
		{"cancelled", request(context.Canceled), ambiguous},
		{"anything of net/http", request(errors.New("http2: server sent GOAWAY")), ambiguous},
		{"handshake timeout", request(errors.New("net/http: TLS handshake timeout")), transient},
		{"certificate", request(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), fatal},
		{"unknown authority", x509.UnknownAuthorityError{}, fatal},
		{"another name", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}, fatal},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, fatal},
		{"not TLS", request(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), fatal},
		{"HTTP on the TLS port", request(errors.New("http: server gave HTTP response to HTTPS client")), fatal},
		{"scheme", request(errors.New(`unsupported protocol scheme "htp"`)), fatal},
		{"no host", request(errors.New("http: no Host in request URL")), fatal},
		{"this item's URL", &url.Error{Op: "parse", URL: ":", Err: errors.New("missing protocol scheme")}, judged{}},
	} {
		c := windrow.Classify(test.err)
		got := judged{c.Class, c.Kind, c.After, c.MaxItems, c.BadItem}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// A marked error still is what it was, and marking nothing gives nothing.
func TestClassifiedKeepsTheError(t *testing.T) {
	t.Parallel()
	marks := map[string]func(error) error{
		"Permanent": windrow.Permanent, "Transient": windrow.Transient, "Ambiguous": windrow.Ambiguous, "Fatal": windrow.Fatal,
		"Throttled":  func(err error) error { return windrow.Throttled(err, time.Second) },
		"TooLarge":   func(err error) error { return windrow.TooLarge(err, 3) },
		"Classified": func(err error) error { return windrow.Classified(err, windrow.Classification{}) },
	}
	for name, mark := range marks {
		if err := mark(nil); err != nil {
			t.Errorf("%s(nil) = %v", name, err)
		}
		if err := mark(errServer); !errors.Is(err, errServer) || err.Error() != errServer.Error() {
			t.Errorf("%s changes the error to %v", name, err)
		}
	}
}

// The record that a transport keeps of the attempt overrules what the error alone would mean.
func TestClassifyWithTheRecord(t *testing.T) {
	t.Parallel()
	sent := func(a clients.Attempt) { a.Engage(); a.Sending() }
	answered := func(statuses ...int) func(clients.Attempt) {
		return func(a clients.Attempt) {
			a.Engage()
			for _, status := range statuses {
				a.Sending()
				a.Answered(status, true)
			}
		}
	}
	reset := &url.Error{Op: "Post", Err: syscall.ECONNRESET}
	refused := &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	plain := errors.New("the SDK's own")
	const (
		failed    = windrow.Failed
		unknown   = windrow.Unknown
		again     = windrow.Succeeded // it was sent again, and that succeeded
		throttled = windrow.Skipped   // in this table: the limiter was shut, and it was sent again
	)
	for _, test := range []struct {
		name   string
		record func(clients.Attempt)
		err    error
		want   windrow.State // of a create that must not be repeated blindly
	}{
		{"nothing recorded, reset", func(clients.Attempt) {}, reset, unknown},
		{"nothing recorded, refused", func(clients.Attempt) {}, refused, again},
		{"nothing recorded, unrecognised", func(clients.Attempt) {}, plain, failed},
		{"never left, reset", clients.Attempt.Engage, reset, again},
		{"never left, timeout", clients.Attempt.Engage, context.DeadlineExceeded, again},
		{"never left, unrecognised", clients.Attempt.Engage, plain, failed},
		{"left, reset", sent, reset, unknown},
		{"left, refused connection", sent, refused, unknown}, // of a second request, or a dial after a redirect
		{"left, unrecognised", sent, plain, unknown},
		{"left, 404 of another request", sent, &statusError{status: 404}, unknown},
		{"left, 429 of another request", sent, &statusError{status: 429}, unknown},
		{"200, unrecognised", answered(200), plain, unknown},
		{"200, half an answer", answered(200), io.ErrUnexpectedEOF, unknown},
		{"201, a second request refused", answered(201), refused, unknown},
		{"201, a second request throttled", answered(201, 429), &statusError{status: 429}, unknown},
		{"201, a second request not valid", answered(201, 422), &statusError{status: 422}, unknown},
		{"400, unrecognised", answered(400), plain, failed},
		{"401, unrecognised", answered(401), plain, failed},
		{"429, unrecognised", answered(429), plain, throttled},
		{"429", answered(429), &statusError{status: 429}, throttled},
		{"503 with a hint", answered(503), &statusError{503, time.Second}, throttled},
		{"500, then 503 with a hint", answered(500, 503), &statusError{503, time.Second}, unknown},
		{"503, unrecognised", answered(503), plain, unknown},
		{"500", answered(500), &statusError{status: 500}, unknown},
		{"425", answered(425), &statusError{status: 425}, again},
		{"302", answered(302), &statusError{status: 302}, failed},
		{"marks stand: transient", answered(200), windrow.Transient(plain), again},
		{"marks stand: throttled", sent, windrow.Throttled(plain, time.Second), throttled},
		{"marks stand: ambiguous", clients.Attempt.Engage, windrow.Ambiguous(plain), unknown},
		{"marks stand: permanent", sent, windrow.Permanent(plain), failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if c.nth > 1 {
						return nil
					}
					test.record(c.attempt)
					return test.err
				})
				s := createVerb.run(t.Context(), f, ids(1), fastRetries)
				got := s.states[0]
				if got == windrow.Succeeded && s.stats.Throttled > 0 {
					got = throttled
				}
				if got != test.want {
					t.Errorf("the item is %v after %d calls, want %v; %v", got, len(f.calls), test.want, s.errs[0])
				}
			})
		})
	}
}

// A server that throttles for longer than MaxThrottleWait ends the run with what is left as NotAttempted, for an item
// as for a chunk, with hints and without.
func TestThrottledForTooLong(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		for _, hint := range []time.Duration{0, 10 * time.Second, 59 * time.Second, 61 * time.Second, time.Hour} {
			t.Run(fmt.Sprintf("bulk %v, hint %v", bulk, hint), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					err := windrow.Throttled(errServer, hint)
					f := newFake(t, func(*call) error { return err })
					f.batch = func(*call) ([]windrow.Outcome[string], error) { return nil, err }
					l := windrow.NewLimiter()
					run := createVerb.run
					if bulk {
						run = createVerb.runBulk
					}
					s := run(t.Context(), f, ids(10), windrow.WithLimiter(l), windrow.BatchSize(3), windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Minute}))
					if diff := cmp.Diff(repeat(10, windrow.NotAttempted), s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(repeat(10, 0), s.attempts); diff != "" {
						t.Errorf("attempts (-want +got):\n%s", diff)
					}
					if !errors.Is(s.cause, windrow.ErrThrottled) {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					elapsed := time.Since(f.started)
					if elapsed > 66*time.Second { // the tenth is for the jitter of the last pause
						t.Errorf("the run took %v", elapsed)
					}
					if hint > time.Minute && elapsed > 0 {
						t.Errorf("the run took %v although the hint was too long at once", elapsed)
					}
				})
			})
		}
	}
}

// As long as the server takes something now and then, throttling is no reason to stop.
func TestThrottledWithProgress(t *testing.T) {
	t.Parallel()
	for _, byItem := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			window := time.Now()
			taken := 0
			take := func() bool { // one in ten seconds
				if now := time.Now(); now.Sub(window) >= 10*time.Second {
					window, taken = now, 0
				}
				taken++
				return taken <= 1
			}
			err := windrow.Throttled(errServer, 10*time.Second)
			f := newFake(t, func(*call) error {
				if take() {
					return nil
				}
				return err
			})
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				out := outcomes(c.ids)
				for k := range out {
					if !take() {
						out[k] = windrow.Outcome[string]{Err: err}
					}
				}
				return out, nil
			}
			run := createVerb.run
			if byItem {
				run = createVerb.runBulk
			}
			s := run(t.Context(), f, ids(30), windrow.Concurrency(1), windrow.BatchSize(5), windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Minute}))
			if diff := cmp.Diff(repeat(30, windrow.Succeeded), s.states); diff != "" {
				t.Errorf("by item %v (-want +got):\n%s", byItem, diff)
			}
		})
	}
}

// When the retry budget is empty only retries wait. It refills by time and by success.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		budget  windrow.RetryBudget
		failing int // the first items fail once, and transiently
		items   int
		want    time.Duration // until the last retry
		stopped bool
	}{
		{name: "enough", budget: windrow.RetryBudget{Size: 10}, failing: 10, items: 20, want: time.Second},
		{name: "by time", budget: windrow.RetryBudget{Size: 1, PerSecond: 2}, failing: 9, items: 20, want: 5 * time.Second},
		{name: "no bound", budget: windrow.RetryBudget{Size: math.Inf(1)}, failing: 500, items: 500, want: time.Second},
		{name: "by success", budget: windrow.RetryBudget{Size: 1, PerSuccess: 1}, failing: 5, items: 20, want: time.Second},
		{name: "too slow", budget: windrow.RetryBudget{Size: 1, PerSecond: 0.001}, failing: 5, items: 20, stopped: true},
		{name: "never", budget: windrow.RetryBudget{Size: 1, PerSecond: 1e-12}, failing: 5, items: 20, stopped: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(c *call) error {
					if c.nth == 1 && slices.Contains(ids(test.failing), c.id()) {
						return windrow.Transient(errServer)
					}
					return nil
				})
				s := createVerb.run(t.Context(), f, ids(test.items), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{
					Strategy: windrow.Constant(time.Second), Budget: test.budget, MaxThrottleWait: time.Minute,
				}))
				if test.stopped {
					if !errors.Is(s.cause, windrow.ErrRetryBudget) {
						t.Errorf("the run was stopped by %v", s.cause)
					}
					for i, state := range s.states {
						if i >= test.failing && state != windrow.Succeeded {
							t.Errorf("item %d is %v: an empty budget is for retries only", i, state)
						}
					}
					return
				}
				if diff := cmp.Diff(repeat(test.items, windrow.Succeeded), s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if got := f.calls[len(f.calls)-1].at.Round(time.Millisecond); got != test.want {
					t.Errorf("the last call was made after %v, want %v", got, test.want)
				}
				for _, c := range f.calls {
					if c.nth == 1 && c.at > 0 {
						t.Errorf("a first call was made after %v", c.at)
					}
				}
			})
		})
	}
}

// A budget that only successes refill waits for those that are under way.
func TestRetryBudgetWaitsForSuccesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.nth == 1 && slices.Contains(ids(4), c.id()) {
				return windrow.Transient(errServer)
			}
			time.Sleep(2 * time.Second)
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(20), windrow.Concurrency(2), windrow.Retry(windrow.RetryPolicy{
			Strategy: windrow.Constant(time.Second), Budget: windrow.RetryBudget{Size: 1, PerSuccess: 0.5},
		}))
		if diff := cmp.Diff(repeat(20, windrow.Succeeded), s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s; %v", diff, s.cause)
		}
	})
}

// How long the strategies wait before each attempt.
func TestStrategies(t *testing.T) {
	t.Parallel()
	const many = 40
	for _, test := range []struct {
		name     string
		strategy windrow.Strategy
		least    func(n int) time.Duration // before the n-th repetition
		most     func(n int) time.Duration
	}{
		{"immediate", windrow.Constant(0), func(int) time.Duration { return 0 }, func(int) time.Duration { return 0 }},
		{"constant", windrow.Constant(3 * time.Second), func(int) time.Duration { return 3 * time.Second }, func(int) time.Duration { return 3 * time.Second }},
		{"constant, negative", windrow.Constant(-time.Second), func(int) time.Duration { return 0 }, func(int) time.Duration { return 0 }},
		{
			"custom", windrow.Custom(func(n int) time.Duration { return time.Duration(n*n) * time.Second }),
			func(n int) time.Duration { return time.Duration(n*n) * time.Second }, func(n int) time.Duration { return time.Duration(n*n) * time.Second },
		},
		{
			"exponential", windrow.Exponential(time.Second, 20*time.Second),
			func(int) time.Duration { return 0 }, func(n int) time.Duration { return min(time.Second<<min(n-1, 10), 20*time.Second) },
		},
		{
			"exponential by default", windrow.Exponential(0, 0),
			func(int) time.Duration { return 0 }, func(n int) time.Duration { return min(500*time.Millisecond<<min(n-1, 10), 30*time.Second) },
		},
		{
			"the limit is below the first", windrow.Exponential(time.Minute, time.Second),
			func(int) time.Duration { return 0 }, func(int) time.Duration { return time.Second },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sum, most time.Duration
				f := newFake(t, func(*call) error { return windrow.Transient(errServer) })
				createVerb.run(t.Context(), f, ids(1), windrow.Retry(windrow.RetryPolicy{
					MaxAttempts: many, Strategy: test.strategy, Budget: windrow.RetryBudget{Size: math.Inf(1)},
				}))
				if len(f.calls) != many {
					t.Fatalf("%d calls, want %d", len(f.calls), many)
				}
				for n := 1; n < many; n++ {
					d := f.calls[n].at - f.calls[n-1].at
					if d < test.least(n) || d > test.most(n)+time.Microsecond {
						t.Errorf("%v before repetition %d, want between %v and %v", d, n, test.least(n), test.most(n))
					}
					sum += d
					most += test.most(n)
				}
				if test.least(1) == 0 && test.most(1) > 0 && (sum < most/4 || sum > most*3/4) {
					t.Errorf("the delays add up to %v of at most %v: that is no full jitter", sum, most)
				}
			})
		})
	}
}

// The hint of an error that is no throttle is waited for, too, when it is longer than the delay.
func TestHintOfATransientError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.nth == 1 {
				return windrow.Classified(errServer, windrow.Classification{Class: windrow.ClassTransient, After: time.Minute})
			}
			return nil
		})
		createVerb.run(t.Context(), f, ids(1), fastRetries)
		if got := f.calls[1].at; got != time.Minute {
			t.Errorf("the item was sent again after %v, want a minute", got)
		}
	})
}

// A strategy that stops ends the item's attempts, but not the look-up of what became of them.
func TestStrategyStops(t *testing.T) {
	t.Parallel()
	never := windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Custom(func(n int) time.Duration {
		if n < 3 {
			return time.Second
		}
		return -1
	})})
	for _, test := range []struct {
		name    string
		verb    verb
		err     error
		found   *bool
		want    windrow.State
		calls   int
		lookUps int
	}{
		{name: "transient", verb: createVerb, err: windrow.Transient(errServer), want: windrow.Failed, calls: 3},
		{name: "ambiguous", verb: updateVerb, err: windrow.Ambiguous(errServer), want: windrow.Unknown, calls: 3},
		{name: "ambiguous read", verb: getVerb, err: windrow.Ambiguous(errServer), want: windrow.Failed, calls: 3},
		{name: "ambiguous, found", verb: updateVerb, err: windrow.Ambiguous(errServer), found: new(true), want: windrow.Succeeded, calls: 3, lookUps: 1},
		{name: "ambiguous, not found", verb: updateVerb, err: windrow.Ambiguous(errServer), found: new(false), want: windrow.Failed, calls: 3, lookUps: 1},
		{name: "once, found", verb: createVerb, err: windrow.Ambiguous(errServer), found: new(true), want: windrow.Succeeded, calls: 1, lookUps: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(*call) error { return test.err })
				if test.found != nil {
					f.lookUp = func(string) (bool, error) { return *test.found, nil }
				}
				s := test.verb.run(t.Context(), f, ids(1), never)
				if s.states[0] != test.want || len(f.calls) != test.calls || len(f.lookUps) != test.lookUps {
					t.Errorf("%v after %d calls and %d look-ups, want %v after %d and %d", s.states[0], len(f.calls), len(f.lookUps), test.want, test.calls, test.lookUps)
				}
			})
		})
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

// 404 and "already exists", by what happened to the item before.
func TestNotFoundAndAlreadyExists(t *testing.T) {
	t.Parallel()
	yes, no := func(string) (bool, error) { return true, nil }, func(string) (bool, error) { return false, nil }
	keys := createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true})
	notFound, exists := error(&statusError{status: 404}), error(&statusError{status: 409})
	lost, unsent := windrow.Ambiguous(errServer), windrow.Transient(errServer)
	for _, test := range []struct {
		name    string
		verb    verb
		answers []error
		lookUp  func(string) (bool, error)
		want    windrow.State
		reason  windrow.Reason
		lookUps int
	}{
		{name: "F8 delete, not there", verb: deleteVerb, answers: []error{notFound}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "F8 delete, lost, not there any more", verb: deleteVerb, answers: []error{lost, notFound}, want: windrow.Succeeded},
		{name: "F8 delete, never sent, not there", verb: deleteVerb, answers: []error{unsent, notFound}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "F8 delete, throttled, not there", verb: deleteVerb, answers: []error{windrow.Throttled(errServer, 1), notFound}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "F8 delete, gone", verb: deleteVerb, answers: []error{&statusError{status: 410}}, want: windrow.Skipped, reason: windrow.ReasonNotFound},
		{name: "update, not there", verb: updateVerb, answers: []error{notFound}, want: windrow.Failed},
		{name: "get, not there", verb: getVerb, answers: []error{notFound}, want: windrow.Failed},
		{name: "create, exists", verb: keys, answers: []error{exists}, want: windrow.Failed},
		{name: "create, exists, could be looked up", verb: keys, answers: []error{exists}, lookUp: yes, want: windrow.Failed},
		{name: "F7 create, lost, exists", verb: keys, answers: []error{lost, exists}, want: windrow.Unknown},
		{name: "F7 create, lost, exists, its own", verb: keys, answers: []error{lost, exists}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "F7 create, lost, exists, another's", verb: keys, answers: []error{lost, exists}, lookUp: no, want: windrow.Failed, lookUps: 1},
		{name: "F7 create, lost, 422", verb: keys, answers: []error{lost, &statusError{status: 422}}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "F7 create, lost, marked", verb: keys, answers: []error{lost, windrow.Permanent(windrow.ErrAlreadyExists)}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "F7 create, never sent, exists", verb: keys, answers: []error{unsent, exists}, lookUp: yes, want: windrow.Failed},
		{name: "F7 do, lost, exists", verb: doVerb.with("repeatable", windrow.Capabilities{}, windrow.Repeatable()), answers: []error{lost, exists}, want: windrow.Unknown},
		{name: "create, lost, refused", verb: keys, answers: []error{lost, errServer}, want: windrow.Unknown},
		{name: "create, lost, refused, its own", verb: keys, answers: []error{lost, errServer}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "create, lost, refused, not there", verb: keys, answers: []error{lost, errServer}, lookUp: no, want: windrow.Failed, lookUps: 1},
		{name: "create, lost, marked permanent", verb: keys, answers: []error{lost, windrow.Permanent(errServer)}, want: windrow.Failed},
		{name: "create, lost, 405", verb: keys, answers: []error{lost, &statusError{status: 405}}, want: windrow.Failed},
		{name: "create, refused", verb: keys, answers: []error{errServer}, want: windrow.Failed},
		{name: "create, lost, fatal", verb: keys, answers: []error{lost, windrow.Fatal(errServer)}, want: windrow.Unknown},
		{name: "get, lost, fatal", verb: getVerb, answers: []error{lost, windrow.Fatal(errServer)}, want: windrow.Failed},
		{name: "create, lost, then never sent", verb: keys, answers: []error{lost, unsent, unsent}, want: windrow.Unknown},
		{name: "create, lost, then never sent, found", verb: keys, answers: []error{lost, unsent, unsent}, lookUp: yes, want: windrow.Succeeded, lookUps: 1},
		{name: "skipped", verb: keys, answers: []error{lost, clients.Skip(windrow.ReasonAlreadyExists)}, want: windrow.Skipped, reason: windrow.ReasonAlreadyExists},
	} {
		for _, bulk := range []bool{false, true} {
			name := test.verb.name + "/" + test.name
			if bulk {
				name += "/bulk"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error {
						if c.nth <= len(test.answers) {
							return test.answers[c.nth-1]
						}
						return nil
					})
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						if c.nth <= len(test.answers) {
							return repeat(len(c.ids), windrow.Outcome[string]{Err: test.answers[c.nth-1]}), nil
						}
						return outcomes(c.ids), nil
					}
					f.lookUp = test.lookUp
					run := test.verb.run
					n := 1
					if bulk {
						run, n = test.verb.runBulk, 2
					}
					s := run(t.Context(), f, ids(n), fastRetries, windrow.Concurrency(1))
					if diff := cmp.Diff(repeat(n, test.want), s.states); diff != "" {
						t.Errorf("states (-want +got):\n%s; %v", diff, s.errs)
					}
					if s.reasons[0] != test.reason {
						t.Errorf("the reason is %v, want %v", s.reasons[0], test.reason)
					}
					if len(f.lookUps) != n*test.lookUps {
						t.Errorf("%d look-ups, want %d", len(f.lookUps), n*test.lookUps)
					}
				})
			})
		}
	}
}

// A whole chunk that was lost and is refused at the second time because its items exist: each is looked up, and what
// is not there is sent again.
func TestF7ChunkExists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := createVerb.with("ids of the client", windrow.Capabilities{ClientIDs: true, Atomicity: windrow.AtomicityAll})
		applied := []string{"i0", "i1", "i2"}
		f := newFake(t, func(c *call) error {
			if c.id() == "i5" {
				return &statusError{status: 409}
			}
			return nil
		})
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			if c.nth == 1 {
				return nil, windrow.Ambiguous(errServer)
			}
			return nil, &statusError{status: 409}
		}
		f.lookUp = func(id string) (bool, error) { return slices.Contains(applied, id), nil }
		s := v.runBulk(t.Context(), f, ids(6), windrow.Concurrency(1), fastRetries)
		want := repeat(6, windrow.Succeeded)
		want[5] = windrow.Failed
		if diff := cmp.Diff(want, s.states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		for _, id := range applied {
			if len(f.of(id)) != 2 {
				t.Errorf("%s was sent %d times", id, len(f.of(id)))
			}
		}
	})
}

// A look-up that fails is repeated, and leaves the item Unknown in the end.
func TestLookUpFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		err    error
		times  int // how often it fails
		found  bool
		want   windrow.State
		calls  int
		looks  int
		stops  bool
		shut   bool
		panics bool
	}{
		{name: "transient, found", err: windrow.Transient(errServer), times: 2, found: true, want: windrow.Succeeded, calls: 1, looks: 3},
		{name: "transient, not found", err: windrow.Transient(errServer), times: 1, want: windrow.Succeeded, calls: 2, looks: 2},
		{name: "ambiguous, found", err: windrow.Ambiguous(errServer), times: 1, found: true, want: windrow.Succeeded, calls: 1, looks: 2},
		{name: "transient for good", err: windrow.Transient(errServer), times: 99, want: windrow.Unknown, calls: 1, looks: 3},
		{name: "permanent", err: errServer, times: 1, want: windrow.Unknown, calls: 1, looks: 1},
		{name: "too large", err: windrow.TooLarge(errServer, 0), times: 99, want: windrow.Unknown, calls: 1, looks: 1},
		{name: "throttled", err: windrow.Throttled(errServer, time.Second), times: 5, found: true, want: windrow.Succeeded, calls: 1, looks: 6, shut: true},
		{name: "fatal", err: windrow.Fatal(errServer), times: 1, want: windrow.Unknown, calls: 1, looks: 1, stops: true},
		{name: "panic", err: errServer, times: 1, panics: true, want: windrow.Unknown, calls: 1, looks: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lost := errors.New("the answer was lost")
				f := newFake(t, func(c *call) error {
					if c.nth == 1 {
						return windrow.Ambiguous(lost)
					}
					return nil
				})
				looks := 0
				f.lookUp = func(string) (bool, error) {
					if looks++; looks <= test.times {
						if test.panics {
							panic("the look-up")
						}
						return false, test.err
					}
					return test.found, nil
				}
				l := windrow.NewLimiter(windrow.Concurrency(1))
				s := createVerb.run(t.Context(), f, ids(1), windrow.WithLimiter(l), fastRetries)
				if s.states[0] != test.want || len(f.calls) != test.calls || looks != test.looks {
					t.Errorf("%v after %d calls and %d look-ups, want %v after %d and %d", s.states[0], len(f.calls), looks, test.want, test.calls, test.looks)
				}
				if errors.Is(s.cause, windrow.ErrFatal) != test.stops {
					t.Errorf("the run was stopped by %v", s.cause)
				}
				if (l.Stats().Throttled > 0) != test.shut {
					t.Errorf("the limiter saw %d throttles", l.Stats().Throttled)
				}
				if test.want == windrow.Unknown && !errors.Is(s.errs[0], lost) {
					t.Errorf("the item's error is %v, want the first one in it", s.errs[0])
				}
				if s.stats.Requests != len(f.calls)+looks {
					t.Errorf("%d calls and %d look-ups, and the stats say %d", len(f.calls), looks, s.stats.Requests)
				}
			})
		})
	}
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

// What another run left Unknown is sent again only where that is harmless for one item.
func TestRerunUnknown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		verb   verb
		bulk   bool
		lookUp func(string) (bool, error)
		want   windrow.State
		calls  int
	}{
		{name: "once", verb: createVerb, want: windrow.Unknown},
		{name: "once, found", verb: createVerb, lookUp: func(string) (bool, error) { return true, nil }, want: windrow.Succeeded},
		{name: "once, not found", verb: createVerb, lookUp: func(string) (bool, error) { return false, nil }, want: windrow.Succeeded, calls: 2},
		{name: "harmless", verb: updateVerb, want: windrow.Succeeded, calls: 2},
		{name: "keys", verb: createVerb.with("keys", windrow.Capabilities{IdempotencyKeys: true}), want: windrow.Succeeded, calls: 2},
		{name: "keys of chunks", verb: createVerb.with("keys", windrow.Capabilities{IdempotencyKeys: true}), bulk: true, want: windrow.Unknown},
		{name: "ids", verb: createVerb.with("ids", windrow.Capabilities{ClientIDs: true}), bulk: true, want: windrow.Succeeded, calls: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				healed := false
				f := newFake(t, func(*call) error {
					if healed {
						return nil
					}
					return windrow.Ambiguous(errServer)
				})
				f.batch = func(c *call) ([]windrow.Outcome[string], error) { return nil, f.script(c) }
				o := test.verb.start(test.verb, f, test.bulk, []windrow.Option{windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1})})
				if s := o.run(t.Context(), ids(2)); s.states[0] != windrow.Unknown || s.states[1] != windrow.Unknown {
					t.Fatalf("states %v", s.states)
				}
				healed, f.lookUp = true, test.lookUp
				calls := len(f.calls)
				s := o.rerun(t.Context())
				if diff := cmp.Diff(repeat(2, test.want), s.states); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if n := len(f.calls) - calls; n != test.calls {
					t.Errorf("%d calls, want %d", n, test.calls)
				}
			})
		})
	}
}
