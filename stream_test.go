package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// double is a call that takes a while and returns twice its input.
func double(d time.Duration) func(context.Context, int) (int, error) {
	return func(ctx context.Context, i int) (int, error) {
		select {
		case <-time.After(d):
			return 2 * i, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// count yields 0, 1, 2 … n-1, for ever when n is negative, and notes how far it came.
func count(n int, pulled *atomic.Int64) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := 0; i != n; i++ {
			if pulled != nil {
				pulled.Store(int64(i) + 1)
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

func TestStreamInOrderAndUnordered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		opts    []windrow.Option
		ordered bool
	}{
		{"default", nil, true},
		{"one at a time", []windrow.Option{windrow.PreserveOrder()}, true},
		{"window of 1", []windrow.Option{windrow.Window(1)}, true},
		{"window of 3", []windrow.Option{windrow.Window(3)}, true},
		{"window of 100", []windrow.Option{windrow.Window(100), windrow.Concurrency(3)}, true},
		{"with delays", []windrow.Option{windrow.BatchSize(7), windrow.BatchDelay(time.Second)}, true},
		{"unordered", []windrow.Option{windrow.Unordered()}, false},
		{"unordered, window of 65", []windrow.Option{windrow.Unordered(), windrow.Window(65)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 1000
				rng := rand.New(rand.NewPCG(1, 2))
				took := make([]time.Duration, n)
				for i := range took {
					took[i] = time.Duration(rng.IntN(20)) * time.Millisecond
				}
				p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
					time.Sleep(took[i])
					if i%100 == 7 {
						return 0, errors.New("refused")
					}
					if a, _ := clients.AttemptFrom(ctx); i%100 == 9 && a.Number < 3 {
						return 0, windrow.Transient(errors.New("not now"))
					}
					return 2 * i, nil
				}, tt.opts...)
				stream := p.Stream(t.Context(), count(n, nil))
				var order []int
				for res, err := range stream.All() {
					order = append(order, res.Index)
					if res.Index%100 == 7 {
						item, ok := errors.AsType[*windrow.ItemError](err)
						if !ok || item.Index != res.Index || res.State != windrow.Failed {
							t.Fatalf("item %d: %v, %v, want its own error", res.Index, res.State, err)
						}
						continue
					}
					if err != nil || res.State != windrow.Succeeded || res.Input != res.Index || res.Value != 2*res.Index {
						t.Fatalf("item %d: %+v, %v", res.Index, res, err)
					}
				}
				if got := slices.IsSorted(order); got != tt.ordered {
					t.Errorf("in order: %v, want %v", got, tt.ordered)
				}
				slices.Sort(order)
				if len(order) != n || order[0] != 0 || order[n-1] != n-1 || len(slices.Compact(order)) != n {
					t.Errorf("%d results, want each of %d once", len(order), n)
				}
				stats := stream.Stats()
				if diff := cmp.Diff([]int{n, n - 10, 10}, []int{stats.Total, stats.Succeeded, stats.Failed}); diff != "" {
					t.Errorf("counts (-want +got):\n%s", diff)
				}
				if stats.Requests != n+20 || stats.Retries != 20 || stats.Elapsed <= 0 {
					t.Errorf("stats %+v, want %d requests, 20 retries", stats, n+20)
				}
			})
		})
	}
}

// A slow head holds up the results behind it, and not the work.
func TestStreamDoesNotParkWorkersBehindASlowHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var done atomic.Int64
		p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				time.Sleep(time.Minute)
			} else {
				time.Sleep(time.Second)
			}
			done.Add(1)
			return 2 * i, nil
		}, windrow.Concurrency(10))
		for res := range p.Stream(t.Context(), count(200, nil)).All() {
			if res.Index == 0 && done.Load() != 200 {
				t.Errorf("%d of 200 calls had ended when the slow head had", done.Load())
			}
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v, want a minute: what its slow head takes", took)
		}
	})
}

func TestA74AndF38MemoryIsBoundedByTheWindow(t *testing.T) {
	t.Parallel()
	for _, window := range []int{1, 2, 64, 100} {
		synctest.Test(t, func(t *testing.T) {
			var pulled atomic.Int64
			p := windrow.NewBatchProcessor(double(time.Millisecond), windrow.Window(window), windrow.Concurrency(8))
			for res := range p.Stream(t.Context(), count(1000, &pulled)).All() {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				// The item that the source holds in its hand is not in the window.
				if ahead := int(pulled.Load()) - 1 - res.Index; ahead > window {
					t.Fatalf("the source is %d items ahead, the window is %d", ahead, window)
				}
			}
		})
	}
}

func TestF37ASlowConsumerHoldsUpTheSourceAndLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pulled atomic.Int64
		p := windrow.NewBatchProcessor(double(0), windrow.Window(10))
		n := 0
		for range p.Stream(t.Context(), count(100, &pulled)).All() {
			if n == 5 {
				time.Sleep(time.Hour)
				synctest.Wait()
				if pulled.Load() > 5+10+2 {
					t.Errorf("%d items were pulled while the consumer slept at the sixth", pulled.Load())
				}
			}
			n++
		}
		if n != 100 {
			t.Errorf("%d results, want 100", n)
		}
	})
}

func TestStreamHandsASlowSourcesItemsOverAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		source := func(yield func(int, error) bool) {
			for i := range 5 {
				time.Sleep(time.Minute)
				if !yield(i, nil) {
					return
				}
			}
		}
		chunks := 0
		p := windrow.NewBatchProcessor[int, int](nil)
		p.Batch = func(_ context.Context, in []int) ([]windrow.Outcome[int], error) {
			chunks++
			return make([]windrow.Outcome[int], len(in)), nil
		}
		for res := range p.Stream(t.Context(), source).All() {
			if got, want := time.Since(start), time.Duration(res.Index+1)*time.Minute; got != want {
				t.Errorf("item %d came after %v, want %v", res.Index, got, want)
			}
		}
		if chunks != 5 {
			t.Errorf("%d chunks, want 5: nothing is held back to fill one", chunks)
		}
	})
}

func TestStreamLingerFillsChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		source := func(yield func(int, error) bool) {
			for i := range 25 {
				time.Sleep(time.Second)
				if !yield(i, nil) {
					return
				}
			}
			time.Sleep(time.Minute)
		}
		var sizes []int
		var at []time.Duration
		p := windrow.NewBatchProcessor[int, int](nil, windrow.Linger(15*time.Second), windrow.BatchSize(10))
		p.Batch = func(_ context.Context, in []int) ([]windrow.Outcome[int], error) {
			sizes, at = append(sizes, len(in)), append(at, time.Since(start))
			return make([]windrow.Outcome[int], len(in)), nil
		}
		n := 0
		for range p.Stream(t.Context(), source).All() {
			n++
		}
		// Two chunks are full after ten seconds each. The last five items wait for others, from 21 s to 36 s.
		if diff := cmp.Diff([]int{10, 10, 5}, sizes); diff != "" {
			t.Errorf("chunks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]time.Duration{10 * time.Second, 20 * time.Second, 36 * time.Second}, at); diff != "" {
			t.Errorf("times (-want +got):\n%s", diff)
		}
		if n != 25 {
			t.Errorf("%d results, want 25", n)
		}
	})
}

// With one call at a time a chunk holds what came while the one before was on its way.
func TestStreamChunksHoldWhatIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var chunks [][]int
		p := windrow.NewBatchProcessor[int, int](nil, windrow.Concurrency(1))
		p.Capabilities = windrow.Capabilities{MaxItems: 50, MaxBytes: 400}
		p.Size = func(i int) int { return 10 }
		p.Batch = func(_ context.Context, in []int) ([]windrow.Outcome[int], error) {
			time.Sleep(time.Second)
			chunks = append(chunks, slices.Clone(in))
			out := make([]windrow.Outcome[int], len(in))
			for k := range in {
				out[k].Value = 2 * in[k]
			}
			return out, nil
		}
		n := 0
		for res, err := range p.Stream(t.Context(), count(400, nil)).All() {
			if err != nil || res.Value != 2*res.Index || res.Index != n {
				t.Fatalf("result %d: %+v, %v", n, res, err)
			}
			n++
		}
		if n != 400 || len(chunks) > 12 {
			t.Errorf("%d results in %d chunks, want 400 in about 10", n, len(chunks))
		}
		for _, c := range chunks {
			if len(c) > 40 {
				t.Errorf("a chunk holds %d items of 10 bytes, MaxBytes is 400", len(c))
			}
		}
	})
}

func TestF36BreakingOutEndsEverything(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		opts   []windrow.Option
		source func(pulled *atomic.Int64) iter.Seq2[int, error]
	}{
		{"endless source", nil, func(pulled *atomic.Int64) iter.Seq2[int, error] { return count(-1, pulled) }},
		{"endless source, unordered", []windrow.Option{windrow.Unordered()}, func(pulled *atomic.Int64) iter.Seq2[int, error] { return count(-1, pulled) }},
		{"small window", []windrow.Option{windrow.Window(2)}, func(pulled *atomic.Int64) iter.Seq2[int, error] { return count(-1, pulled) }},
		{"short source", nil, func(pulled *atomic.Int64) iter.Seq2[int, error] { return count(6, pulled) }},
	} {
		for _, how := range []string{"break", "panic", "cancel"} {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // it fails when a goroutine is left
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					var pulled, running atomic.Int64
					p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
						running.Add(1)
						defer running.Add(-1)
						return double(time.Second)(ctx, i)
					}, tt.opts...)
					stream := p.Stream(ctx, tt.source(&pulled))
					results, stopped := 0, 0
					func() {
						defer func() {
							if v := recover(); v != nil && v != "loop body" {
								panic(v)
							}
						}()
						for _, err := range stream.All() {
							if stop, ok := errors.AsType[*windrow.StopError](err); ok {
								stopped++
								if !errors.Is(stop, context.Canceled) || stop.Pulled != results {
									t.Errorf("stopped by %v after %d items, want a cancel after %d", stop.Cause, stop.Pulled, results)
								}
								continue
							}
							results++
							if results == 5 {
								switch how {
								case "break":
									return
								case "panic":
									panic("loop body")
								case "cancel":
									cancel()
								}
							}
						}
					}()
					if n := running.Load(); n != 0 {
						t.Errorf("%d calls are running when the range statement has ended", n)
					}
					s := stream.Stats()
					if sum := s.Succeeded + s.Failed + s.Skipped + s.NotAttempted + s.Unknown; sum != s.Total || s.Total < 5 {
						t.Errorf("the states add up to %d of %d", sum, s.Total)
					}
					complete := s.Succeeded == s.Total // the short source's items may all have ended before the cancel
					if how == "cancel" && (s.Total != results || stopped != 1 && !complete) {
						t.Errorf("%d results and %d stops for %d items", results, stopped, s.Total)
					}
					at := pulled.Load()
					time.Sleep(time.Hour)
					if pulled.Load() > at+1 {
						t.Errorf("the source goes on: %d, then %d items", at, pulled.Load())
					}
				})
			})
		}
	}
}

func TestF35CancelDoesNotWaitForABlockedSource(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"cancel", "break"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				free := make(chan struct{})
				ended := false
				source := func(yield func(int, error) bool) {
					defer func() { ended = true }()
					if !yield(0, nil) {
						return
					}
					<-free
					if yield(1, nil) {
						t.Error("an item was taken from a source whose stream had ended")
					}
				}
				start := time.Now()
				time.AfterFunc(time.Second, func() {
					if how == "cancel" {
						cancel()
					}
				})
				p := windrow.NewBatchProcessor(double(time.Millisecond))
				for _, err := range p.Stream(ctx, source).All() {
					if how == "break" {
						time.Sleep(time.Second)
						break
					}
					if stop, ok := errors.AsType[*windrow.StopError](err); ok && !errors.Is(stop, context.Canceled) {
						t.Errorf("stopped by %v, want the cancel", stop.Cause)
					}
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("the stream ended after %v, want at once", took)
				}
				close(free)
				synctest.Wait()
				if !ended {
					t.Error("the source has not ended, although it yielded")
				}
			})
		})
	}
}

func TestF34APanicOfTheSourceGoesOnToTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var results []int
		var ended atomic.Int64
		p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
			defer ended.Add(1)
			return double(time.Second)(ctx, i)
		})
		defer func() {
			e, ok := recover().(*windrow.PanicError)
			if !ok || e.Value != "source" || !strings.Contains(string(e.Stack), "TestF34") {
				t.Errorf("the caller saw %+v, want the source's panic with its stack", e)
			}
			if ended.Load() != 3 {
				t.Errorf("%d calls had ended, want the 3 in flight", ended.Load())
			}
			if diff := cmp.Diff([]int{0, 1, 2}, results); diff != "" {
				t.Errorf("results before the panic (-want +got):\n%s", diff)
			}
		}()
		for res := range p.Stream(t.Context(), func(yield func(int, error) bool) {
			for i := range 3 {
				yield(i, nil)
			}
			panic("source")
		}).All() {
			results = append(results, res.Index)
		}
		t.Error("the range statement ended without a panic")
	})
}

func TestStreamErrorOfTheSourceComesLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("page 4 is gone")
		source := func(yield func(int, error) bool) {
			for i := range 10 {
				if !yield(i, nil) {
					return
				}
			}
			if yield(0, broken) {
				t.Error("the source was asked to go on after its error")
			}
		}
		var errs []error
		n := 0
		stream := windrow.NewBatchProcessor(double(time.Second)).Stream(t.Context(), source)
		for _, err := range stream.All() {
			n++
			if err != nil {
				errs = append(errs, err)
			}
		}
		if n != 11 || len(errs) != 1 || !errors.Is(errs[0], broken) {
			t.Fatalf("%d pairs with errors %v, want 10 results and the source's error last", n, errs)
		}
		if stop, ok := errors.AsType[*windrow.StopError](errs[0]); !ok || stop.Pulled != 10 {
			t.Errorf("the last error is %v, want a StopError after 10 items", errs[0])
		}
		if s := stream.Stats(); s.Succeeded != 10 || s.Total != 10 {
			t.Errorf("stats %+v, want 10 successes", s)
		}
	})
}

func TestStreamStopsEarlyAndSaysSo(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for _, tt := range []struct {
		name string
		opts []windrow.Option
		err  error
		want error
	}{
		{"too many failures", []windrow.Option{windrow.MaxFailures(0)}, refused, windrow.ErrTooManyFailures},
		{"fatal", nil, windrow.Fatal(refused), windrow.ErrFatal},
		{"throttled for too long", nil, windrow.Throttled(refused, time.Hour), windrow.ErrThrottled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var pulled atomic.Int64
				p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
					time.Sleep(time.Second)
					if i >= 20 {
						return 0, tt.err
					}
					return i, nil
				}, append(tt.opts, windrow.Window(50))...)
				results, stops := 0, 0
				stream := p.Stream(t.Context(), count(-1, &pulled))
				for _, err := range stream.All() {
					if _, ok := errors.AsType[*windrow.StopError](err); ok {
						stops++
						if !errors.Is(err, tt.want) {
							t.Errorf("stopped by %v, want %v", err, tt.want)
						}
						continue
					}
					results++
				}
				s := stream.Stats()
				if stops != 1 || results != s.Total || s.Succeeded < 20 || s.NotAttempted == 0 {
					t.Errorf("%d stops, %d results, %+v", stops, results, s)
				}
			})
		})
	}
}

func TestStreamRefusesBadInput(t *testing.T) {
	t.Parallel()
	var noContext context.Context
	p := windrow.NewBatchProcessor(double(0))
	used := p.Stream(t.Context(), count(1, nil))
	for range used.All() {
	}
	for _, tt := range []struct {
		name   string
		stream *windrow.ResultStream[int, int]
		want   string
	}{
		{"nil context", p.Stream(noContext, count(1, nil)), "context is nil"},
		{"nil source", p.Stream(t.Context(), nil), "needs a source"},
		{"nil sequence", p.Stream(t.Context(), windrow.FromSeq[int](nil)), "needs a source"},
		{"used twice", used, "ranged over once"},
		{"nil function", windrow.NewBatchProcessor[int, int](nil).Stream(t.Context(), count(1, nil)), "client is nil"},
		{"window", windrow.NewBatchProcessor(double(0), windrow.Window(0)).Stream(t.Context(), count(1, nil)), "Window (0)"},
		{"linger", windrow.NewBatchProcessor(double(0), windrow.Linger(-1)).Stream(t.Context(), count(1, nil)), "Linger (-1ns)"},
		{"duplicates", windrow.NewBatchProcessor(double(0), windrow.Duplicates(windrow.KeepLast)).Stream(t.Context(), count(1, nil)), "needs the whole input"},
	} {
		pairs := 0
		for _, err := range tt.stream.All() {
			pairs++
			if _, ok := errors.AsType[*windrow.StopError](err); !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, want one that says %q", tt.name, err, tt.want)
			}
		}
		if pairs != 1 {
			t.Errorf("%s: %d pairs, want the error alone", tt.name, pairs)
		}
	}
}

func TestStreamValidatesAndDryRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, dry := range []bool{false, true} {
			opts := []windrow.Option{windrow.Window(8)}
			if dry {
				opts = append(opts, windrow.DryRun())
			}
			var calls atomic.Int64
			p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
				calls.Add(1)
				return double(time.Millisecond)(ctx, i)
			}, opts...)
			p.Validate = func(i int) error {
				switch i % 10 {
				case 3:
					return &windrow.FieldError{Field: "n", Message: "ends in 3"}
				case 4:
					panic("validate")
				}
				return nil
			}
			n := 0
			stream := p.Stream(t.Context(), count(500, nil))
			for res, err := range stream.All() {
				want := windrow.Succeeded
				if dry {
					want = windrow.Skipped
				}
				if res.Index%10 == 3 || res.Index%10 == 4 {
					want = windrow.Failed
				}
				if res.Index != n || res.State != want || (err != nil) != (want == windrow.Failed) || want == windrow.Failed && res.Attempts != 0 {
					t.Fatalf("dry run %v: %+v, %v, want %v", dry, res, err, want)
				}
				n++
			}
			want := int64(400)
			if dry {
				want = 0
			}
			if calls.Load() != want || n != 500 {
				t.Errorf("dry run %v: %d calls, %d results", dry, calls.Load(), n)
			}
		}
	})
}

// Items with one key are never in flight together, and keep their order, while they are in the window together.
func TestStreamSerialisesEqualKeys(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]windrow.Option{{}, {windrow.Window(5)}, {windrow.Unordered()}, {windrow.Concurrency(3), windrow.Window(200)}} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			inFlight := map[string]bool{}
			last := map[string]int{}
			rng := rand.New(rand.NewPCG(3, 4))
			p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
				key := fmt.Sprint(i % 7)
				mu.Lock()
				a, _ := clients.AttemptFrom(ctx)
				if a.Key != key {
					t.Errorf("item %d has the key %q", i, a.Key)
				}
				if inFlight[key] {
					t.Errorf("two items with the key %s are in flight", key)
				}
				if a.Number == 1 && last[key] > i {
					t.Errorf("item %d was sent after item %d with its key", i, last[key])
				}
				inFlight[key], last[key] = true, i
				d := time.Duration(rng.IntN(10)) * time.Millisecond
				mu.Unlock()
				time.Sleep(d)
				mu.Lock()
				defer mu.Unlock()
				inFlight[key] = false
				if i%50 == 9 && a.Number < 2 {
					return 0, windrow.Transient(errors.New("not now"))
				}
				return 2 * i, nil
			}, opts...)
			p.Key = func(i int) string { return fmt.Sprint(i % 7) }
			n := 0
			for res, err := range p.Stream(t.Context(), count(700, nil)).All() {
				if err != nil || res.Value != 2*res.Input || res.Key != fmt.Sprint(res.Index%7) {
					t.Fatalf("%+v, %v", res, err)
				}
				n++
			}
			if n != 700 {
				t.Errorf("%d results, want 700", n)
			}
		})
	}
}

// Of items that end together each lets go of its key: the next with it, later in the stream, is sent, or is known to be
// done where there is a journal.
func TestStreamOfFastCallsLetsGoOfKeys(t *testing.T) {
	t.Parallel()
	const keys, n = 5000, 15_000 // more keys than fit into the window
	for _, journal := range []*memory{nil, newMemory()} {
		synctest.Test(t, func(t *testing.T) {
			opts := []windrow.Option{windrow.Concurrency(4), windrow.Repeatable()}
			if journal != nil {
				opts = append(opts, windrow.WithJournal(journal))
			}
			p := windrow.NewBatchProcessor(func(_ context.Context, i int) (int, error) { return i, nil }, opts...)
			p.Key = func(i int) string { return fmt.Sprint(i % keys) }
			for res, err := range p.Stream(t.Context(), count(n, nil)).All() {
				want, why := windrow.Succeeded, windrow.NoReason
				if journal != nil && res.Index >= keys {
					want, why = windrow.Skipped, windrow.ReasonDoneBefore
				}
				if err != nil || res.State != want || res.Reason != why {
					t.Fatalf("item %d is %v (%v), want %v: %v", res.Index, res.State, res.Reason, want, err)
				}
			}
		})
	}
}

// A cancel in the middle leaves every pulled item with a result of its own.
func TestStreamCancelKeepsTheInvariant(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(200))*time.Millisecond)
			defer cancel()
			opts := []windrow.Option{windrow.Window(1 + rng.IntN(40)), windrow.Concurrency(1 + rng.IntN(9))}
			if rng.IntN(2) == 0 {
				opts = append(opts, windrow.Unordered())
			}
			var applied sync.Map
			p := windrow.NewBatchProcessor(func(ctx context.Context, i int) (int, error) {
				select {
				case <-time.After(time.Duration(1+i%13) * time.Millisecond):
					applied.Store(i, true)
					return 2 * i, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}, opts...)
			if rng.IntN(2) == 0 {
				p.Key = func(i int) string { return fmt.Sprint(i % 5) }
			}
			seen := map[int]bool{}
			stream := p.Stream(ctx, count(300, nil))
			for res, err := range stream.All() {
				if _, ok := errors.AsType[*windrow.StopError](err); ok {
					continue
				}
				if seen[res.Index] {
					t.Fatalf("seed %d: item %d twice", seed, res.Index)
				}
				seen[res.Index] = true
				_, was := applied.Load(res.Index)
				if was != (res.State == windrow.Succeeded) || res.State > windrow.Unknown {
					t.Fatalf("seed %d: item %d is %v, applied: %v", seed, res.Index, res.State, was)
				}
			}
			for i := range len(seen) {
				if !seen[i] {
					t.Fatalf("seed %d: no result for item %d of %d", seed, i, len(seen))
				}
			}
			if s := stream.Stats(); s.Total != len(seen) {
				t.Fatalf("seed %d: %d results, stats %+v", seed, len(seen), s)
			}
		})
	}
}

func TestStreamReportsProgressWithoutATotal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []windrow.Progress
		p := windrow.NewBatchProcessor(double(50*time.Millisecond), windrow.Concurrency(1),
			windrow.OnProgress(func(p windrow.Progress) { got = append(got, p) }))
		var results []int
		p.OnResult = func(res windrow.Result[int, int]) { results = append(results, res.Index) }
		for range p.Stream(t.Context(), count(20, nil)).All() {
		}
		if len(results) != 20 {
			t.Errorf("OnResult saw %d results, want 20", len(results))
		}
		last := got[len(got)-1]
		if len(got) < 5 || last.Total != -1 || last.Done != 20 || last.ETA != -1 || last.Percent() != -1 {
			t.Errorf("%d reports, the last %+v", len(got), last)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	for _, opts := range [][]windrow.Option{nil, {windrow.Unordered()}} {
		b.Run(fmt.Sprintf("unordered=%v", opts != nil), func(b *testing.B) {
			b.ReportAllocs()
			p := windrow.NewBatchProcessor(func(_ context.Context, i int) (int, error) { return i, nil }, opts...)
			source := count(b.N, nil)
			b.ResetTimer()
			for _, err := range p.Stream(b.Context(), source).All() {
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	runtime.GC()
}

// Items of a stream of batches that are not sent, or wait for another with their key, end too: also the last ones.
func TestStreamOfBatchesWithoutGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			time.Sleep(time.Second)
			return outcomes(c.ids), nil
		}
		p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, windrow.Capabilities{MaxItems: 3}}})
		p.Key = func(id string) string { return id }
		p.Validate = func(id string) error {
			if id == "bad" {
				return errServer
			}
			return nil
		}
		in := []string{"a", "a", "bad", "b", "a", "c", "bad", "bad"}
		var got []windrow.State
		for r := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
			got = append(got, r.State)
		}
		const ok, bad = windrow.Succeeded, windrow.Failed
		if diff := cmp.Diff([]windrow.State{ok, ok, bad, ok, ok, ok, bad, bad}, got); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if n := len(f.of("a")); n != 3 {
			t.Errorf("%d requests with a, want one after the other", n)
		}
	})
}

// A source that does not stop when it is told to feeds nothing more, and the caller hears of it.
func TestASourceThatGoesOnAfterItWasToldToStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		p := windrow.NewBatchProcessor(func(_ context.Context, i int) (int, error) {
			calls.Add(1)
			return i, nil
		})
		p.Key = func(i int) string {
			if i == 1 {
				panic("no key") // ends the stream
			}
			return ""
		}
		defer func() {
			e, ok := recover().(*windrow.PanicError)
			if !ok || !strings.Contains(fmt.Sprint(e.Value), "went on") || calls.Load() != 1 {
				t.Errorf("the caller saw %+v after %d calls, want that the source went on after one", e, calls.Load())
			}
		}()
		for range p.Stream(t.Context(), func(yield func(int, error) bool) {
			for i := range 4 {
				yield(i, nil)
			}
		}).All() {
		}
		t.Error("the range statement ended without a panic")
	})
}

// foreignContext is a context that package context does not know: it takes a goroutine to follow one.
type foreignContext struct {
	context.Context
	done chan struct{}
}

func (c foreignContext) Done() <-chan struct{} { return c.done }
func (c foreignContext) Err() error            { return nil }

// A run leaves nothing that waits for its caller's context. (synctest fails when a goroutine is left.)
func TestRunsLetGoOfTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := foreignContext{context.Background(), make(chan struct{})}
		p := windrow.NewBatchProcessor(func(_ context.Context, n int) (int, error) { return n, nil })
		for _, items := range [][]int{nil, {1, 2, 3}} {
			if _, err := p.Run(ctx, items); err != nil {
				t.Error(err)
			}
			for _, err := range p.Stream(ctx, windrow.FromSlice(items)).All() {
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// A sequence is pulled as the stream goes, need not end, and ends when the stream is left.
func TestFromSeq(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pulled, ended := 0, false
		endless := func(yield func(int) bool) {
			defer func() { ended = true }()
			for ; yield(pulled); pulled++ {
			}
		}
		p := windrow.NewBatchProcessor(double(time.Millisecond), windrow.Window(8))
		next := 0
		for r, err := range p.Stream(t.Context(), windrow.FromSeq(endless)).All() {
			if err != nil || r.Index != next || r.Input != next {
				t.Fatalf("%+v, %v, want item %d", r, err, next)
			}
			if next++; next == 100 {
				break
			}
		}
		synctest.Wait()
		if !ended || pulled > 120 {
			t.Errorf("the sequence has ended: %t, after %d items for a hundred", ended, pulled)
		}
	})
}
