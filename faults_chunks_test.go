package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// bounded is a server whose requests may have so many items and so many bytes, and that throttles now and then. It counts
// the requests.
type bounded struct {
	started  time.Time
	items    int                                  // 0: no bound
	bytes    int                                  // 0: no bound
	names    bool                                 // it names the bound on items
	status   int                                  // of what is too large; 0: 413
	throttle func(at time.Duration) time.Duration // how long it asks to wait; 0: it takes the request
	inWindow int                                  // so many items in a second; 0: no bound

	mu       sync.Mutex
	requests int
	sizes    []int
	refused  int
	window   time.Duration
	used     int
}

func (s *bounded) serve(texts []string) error {
	time.Sleep(100 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	s.sizes = append(s.sizes, len(texts))
	at := time.Since(s.started)
	if s.throttle != nil {
		if after := s.throttle(at); after > 0 {
			return windrow.Throttled(errServer, after)
		}
	}
	if s.inWindow > 0 {
		if window := at.Truncate(time.Second); window != s.window {
			s.window, s.used = window, 0
		}
		if s.used+len(texts) > s.inWindow {
			return windrow.Throttled(errServer, time.Second)
		}
		s.used += len(texts)
	}
	bytes := 0
	for _, text := range texts {
		bytes += len(text)
	}
	if s.items > 0 && len(texts) > s.items || s.bytes > 0 && bytes > s.bytes {
		s.refused++
		if s.names {
			return windrow.TooLarge(errServer, s.items)
		}
		status := s.status
		if status == 0 {
			status = 413
		}
		return &statusError{status: status}
	}
	return nil
}

func (s *bounded) batch(_ context.Context, texts []string) ([]windrow.Outcome[string], error) {
	if err := s.serve(texts); err != nil {
		return nil, err
	}
	return make([]windrow.Outcome[string], len(texts)), nil
}

// largest returns the largest of the last n requests.
func (s *bounded) largest(n int) int { return slices.Max(s.sizes[max(0, len(s.sizes)-n):]) }

// chunkVerbs are the processors of the verbs that take texts, over a server.
var chunkVerbs = map[string]func(s *bounded, opts ...windrow.Option) *windrow.BatchProcessor[string, string]{
	"create": func(s *bounded, opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
		return batchOf(s, windrow.NewCreateProcessor(windrow.CreateFunc[string, string](s.single), opts...))
	},
	"upsert": func(s *bounded, opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
		return batchOf(s, windrow.NewUpsertProcessor(windrow.UpsertFunc[string, string](s.single), opts...))
	},
	"get": func(s *bounded, opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
		return batchOf(s, windrow.NewGetProcessor(windrow.GetFunc[string, string](s.single), opts...))
	},
	"do": func(s *bounded, opts ...windrow.Option) *windrow.BatchProcessor[string, string] {
		return batchOf(s, windrow.NewBatchProcessor(s.single, opts...))
	},
}

func batchOf(s *bounded, p *windrow.BatchProcessor[string, string]) *windrow.BatchProcessor[string, string] {
	s.started = time.Now()
	p.Batch = s.batch
	return p
}

func (s *bounded) single(_ context.Context, text string) (string, error) {
	return "", s.serve([]string{text})
}

// texts makes n texts of a size, and every so many of them larger.
func texts(n, size, every, larger int) []string {
	all := make([]string, n)
	for i := range all {
		length := size
		if every > 0 && i%every == every/2 {
			length = larger
		}
		name := fmt.Sprint(i, " ")
		all[i] = name + strings.Repeat("x", max(0, length-len(name)))
	}
	return all
}

// perform runs or streams, and returns how many items succeeded.
func perform(t *testing.T, p *windrow.BatchProcessor[string, string], stream bool, in []string) (succeeded int) {
	t.Helper()
	if !stream {
		res, err := p.Run(t.Context(), in)
		checkAccounts(t, len(in), res, err)
		return res.Stats().Succeeded
	}
	for _, err := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
		if _, ok := errors.AsType[*windrow.StopError](err); ok {
			t.Fatal(err)
		}
		if err == nil {
			succeeded++
		}
	}
	return succeeded
}

// each runs a case for Run and Stream.
func each(t *testing.T, name string, test func(t *testing.T, stream bool)) {
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("%s, stream %v", name, stream), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, stream) })
		})
	}
}

// F64: what a throttle says of one chunk says nothing of the others. 15 seconds of it cost hardly a request more.
func TestF64ThrottledForAWhile(t *testing.T) {
	t.Parallel()
	for verb, processor := range chunkVerbs {
		for _, from := range []time.Duration{0, 3 * time.Second} {
			each(t, fmt.Sprintf("%s, from %v", verb, from), func(t *testing.T, stream bool) {
				s := &bounded{throttle: func(at time.Duration) time.Duration {
					if at >= from && at < from+15*time.Second {
						return time.Second
					}
					return 0
				}}
				p := processor(s, windrow.Concurrency(4), windrow.BatchSize(50), windrow.Linger(time.Millisecond))
				in := texts(20_000, 10, 0, 0)
				if got := perform(t, p, stream, in); got != len(in) {
					t.Errorf("%d of %d succeeded", got, len(in))
				}
				if s.requests > 404*11/10 || s.largest(10) != 50 {
					t.Errorf("%d requests, want at most 1.1 x 404; the last ones have %d items", s.requests, s.largest(10))
				}
			})
		}
	}
}

// F64: a server that counts each item of a request in its window, and takes all of them or none, never takes a whole
// chunk. It comes down, also for the next run, and no smaller than it has to.
func TestF64ChunkThatNeverPasses(t *testing.T) {
	t.Parallel()
	for verb, processor := range chunkVerbs {
		each(t, verb, func(t *testing.T, stream bool) {
			s := &bounded{inWindow: 20}
			p := processor(s, windrow.Concurrency(1), windrow.BatchSize(50), windrow.Linger(time.Millisecond))
			in := texts(600, 10, 0, 0)
			if got := perform(t, p, stream, in); got != len(in) {
				t.Errorf("%d of %d succeeded", got, len(in))
			}
			if got := s.largest(10); got > 20 || got < 6 {
				t.Errorf("the last requests have %d items, where 20 pass", got)
			}
			if s.requests > 300 {
				t.Errorf("%d requests for %d items, 20 of which pass at once", s.requests, len(in))
			}
			before := len(s.sizes)
			if got := perform(t, p, stream, in[:100]); got != 100 {
				t.Errorf("next run: %d of 100 succeeded", got)
			}
			if got := slices.Max(s.sizes[before:]); got > 25 {
				t.Errorf("the next run sent %d items at once, where 20 pass", got)
			}
		})
	}
}

// F65: a few large items are divided from the others, and teach a bound in bytes, not in items.
func TestF65AFewLargeItems(t *testing.T) {
	t.Parallel()
	for verb, processor := range chunkVerbs {
		for _, workers := range []int{0, 1, 4} {
			each(t, fmt.Sprintf("%s, %d workers", verb, workers), func(t *testing.T, stream bool) {
				in := texts(4212, 1024, 351, 100*1024)
				requests := func(declared bool) int {
					s := &bounded{bytes: 200_000}
					options := []windrow.Option{windrow.BatchSize(100), windrow.Linger(time.Millisecond)}
					if workers > 0 {
						options = append(options, windrow.Concurrency(workers))
					}
					p := processor(s, options...)
					p.Size = func(text string) int { return len(text) }
					if declared {
						p.Capabilities.MaxBytes = s.bytes
					}
					if got := perform(t, p, stream, in); got != len(in) {
						t.Errorf("%d of %d succeeded", got, len(in))
					}
					return s.requests
				}
				if got, floor := requests(false), requests(true); float64(got) > 1.3*float64(floor) {
					t.Errorf("%d requests, where it takes %d with MaxBytes", got, floor)
				}
			})
		}
	}
}

// F65: a bound in items is learned as such, whether the server names it or not, and whatever the bytes; what was learned
// serves the next run, also one at the same time.
func TestF65ABoundInItems(t *testing.T) {
	t.Parallel()
	for verb, processor := range chunkVerbs {
		for _, names := range []bool{false, true} {
			for _, larger := range []int{10, 5000} {
				each(t, fmt.Sprintf("%s, named %v, larger %d", verb, names, larger), func(t *testing.T, stream bool) {
					s := &bounded{items: 30, names: names}
					p := processor(s, windrow.Concurrency(2), windrow.BatchSize(100), windrow.Linger(time.Millisecond))
					in := texts(3000, 10, 7, larger)
					if got := perform(t, p, stream, in); got != len(in) {
						t.Errorf("%d of %d succeeded", got, len(in))
					}
					most, refused := 100*14/10, 12
					if names {
						most, refused = 100+8, 3
					}
					if s.requests > most || s.refused > refused {
						t.Errorf("%d requests, %d of them refused; want at most %d and %d", s.requests, s.refused, most, refused)
					}
					s.refused = 0
					var wg sync.WaitGroup
					for range 2 {
						wg.Go(func() { perform(t, p, stream, in[:600]) })
					}
					wg.Wait()
					if s.refused > 2 {
						t.Errorf("%d requests of the next runs were refused", s.refused)
					}
				})
			}
		}
	}
}

// F65: what was learned grows back when the server takes more.
func TestF65SizesGrowBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"items", "bytes", "window"} {
		if thin() {
			continue
		}
		each(t, kind, func(t *testing.T, stream bool) {
			s := &bounded{}
			switch kind {
			case "items":
				s.items = 20
			case "bytes":
				s.bytes = 20_000
			case "window":
				s.inWindow = 20
			}
			p := chunkVerbs["create"](s, windrow.Concurrency(1), windrow.BatchSize(100), windrow.Linger(time.Millisecond))
			perform(t, p, stream, texts(2000, 1000, 0, 0))
			if got := s.largest(5); got > 25 {
				t.Errorf("%d items at once, where 20 pass", got)
			}
			s.items, s.bytes, s.inWindow = 0, 0, 0
			in := texts(40_000, 1000, 0, 0)
			if got := perform(t, p, stream, in); got != len(in) {
				t.Errorf("%d of %d succeeded", got, len(in))
			}
			if got := s.largest(5); got < 90 {
				t.Errorf("%d items at once, although the server takes 100", got)
			}
		})
	}
}

// F66: a request that names many ids is too large by its address or its header, as others are by their body.
func TestF66ListsOfIDs(t *testing.T) {
	t.Parallel()
	for _, status := range []int{413, 414, 431} {
		for verb, processor := range chunkVerbs {
			each(t, fmt.Sprintf("%d, %s", status, verb), func(t *testing.T, stream bool) {
				s := &bounded{bytes: 2000, status: status}
				p := processor(s, windrow.Concurrency(2), windrow.BatchSize(100), windrow.Linger(time.Millisecond))
				in := append(texts(3000, 36, 0, 0), strings.Repeat("y", 3000))
				if got := perform(t, p, stream, in); got != len(in)-1 {
					t.Errorf("%d of %d succeeded", got, len(in))
				}
				if s.requests > 100 {
					t.Errorf("%d requests, where 55 ids pass at once", s.requests)
				}
			})
		}
		each(t, fmt.Sprintf("%d, delete", status), func(t *testing.T, _ bool) {
			s := &bounded{bytes: 2000, status: status, started: time.Now()}
			p := windrow.NewDeleteProcessor(windrow.DeleteFunc(func(_ context.Context, id string) error { return s.serve([]string{id}) }), windrow.BatchSize(100))
			p.Batch = func(_ context.Context, ids []string) ([]windrow.Outcome[struct{}], error) {
				if err := s.serve(ids); err != nil {
					return nil, err
				}
				return make([]windrow.Outcome[struct{}], len(ids)), nil
			}
			res, err := p.Run(t.Context(), texts(1000, 36, 0, 0))
			checkAccounts(t, 1000, res, err)
			if res.Stats().Succeeded != 1000 || s.requests > 60 {
				t.Errorf("%+v, %d requests", res.Stats(), s.requests)
			}
		})
	}
}

// F66: a look-up of many items that is too large is divided as a request is, and what passes is remembered; only of one that
// is too large by itself nobody knows.
func TestF66LookUpsOfManyItems(t *testing.T) {
	t.Parallel()
	statuses := map[string]error{
		"413": &statusError{status: 413}, "414": &statusError{status: 414}, "431": &statusError{status: 431},
		"said so": windrow.TooLarge(errServer, 0), "named": windrow.TooLarge(errServer, 10),
	}
	for name, tooLarge := range statuses {
		for _, workers := range []int{1, 4} {
			for _, chunk := range []int{1, 50} { // the writes that are lost: single ones or chunks
				for _, journal := range []bool{false, true} {
					each(t, fmt.Sprintf("%s, %d workers, chunks of %d, journal %t", name, workers, chunk, journal), func(t *testing.T, stream bool) {
						const items, most, never = 100, 10, "i7"
						// One worker: 50, 25 and 12 are refused, and three look-ups more until the item is alone. Four workers are
						// refused with 50, 50, four times 25 and four times 12 before they hear of each other, and may learn that 3
						// are the most: 100 / 3.
						mayRefuse, mayAsk := 6, 28
						if workers > 1 {
							mayRefuse, mayAsk = 13, 13+34
						}
						f := newFake(t, func(*call) error { return lostAnswer })
						f.batch = func(*call) ([]windrow.Outcome[string], error) { return nil, lostAnswer }
						opts := []windrow.Option{fastRetries, windrow.Concurrency(workers), windrow.BatchSize(50), windrow.Linger(time.Millisecond)}
						if journal {
							opts = append(opts, windrow.WithJournal(newMemory()))
						}
						caps := windrow.Capabilities{MaxItems: 50}
						var c windrow.Creator[string, string] = client{f, caps}
						if chunk > 1 {
							c = bulkClient{client{f, caps}}
						} else {
							opts = append(opts, windrow.SingleCalls)
						}
						p := windrow.NewCreateProcessor(c, opts...)
						p.Key = byItself
						var mu sync.Mutex
						var sizes []int
						refused := 0
						p.ReconcileBatch = func(_ context.Context, in []string) ([]windrow.Outcome[string], error) {
							time.Sleep(time.Duration(len(in)) * time.Millisecond)
							mu.Lock()
							defer mu.Unlock()
							sizes = append(sizes, len(in))
							if len(in) > most || slices.Contains(in, never) {
								refused++
								return nil, tooLarge
							}
							return outcomes(in), nil
						}
						all, _ := results(t, p, stream, ids(items))
						for _, r := range all {
							want := windrow.Succeeded
							if r.Input == never {
								want = windrow.Unknown
							}
							if r.State != want {
								t.Errorf("%s is %v, want %v: %v", r.Input, r.State, want, r.Err)
							}
						}
						if refused > mayRefuse || len(sizes) > mayAsk {
							t.Errorf("%d of %d look-ups were refused: %v", refused, len(sizes), sizes)
						}
					})
				}
			}
		}
	}
}
