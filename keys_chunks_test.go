package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
)

// keyLog checks, of batches of updates, that no two with one key are in flight together or out of order.
type keyLog struct {
	t        *testing.T
	mu       sync.Mutex
	requests int
	largest  int
	inFlight map[int]bool
	last     map[int]int // by key: the data that was sent last
	refuse   func(in []windrow.Update[int, int]) ([]windrow.Outcome[string], error)
}

func (l *keyLog) batch(_ context.Context, in []windrow.Update[int, int]) ([]windrow.Outcome[string], error) {
	l.mu.Lock()
	l.requests++
	l.largest = max(l.largest, len(in))
	for _, u := range in {
		if l.inFlight[u.ID] {
			l.t.Errorf("two updates of %d at once", u.ID)
		}
		if u.Data < l.last[u.ID] {
			l.t.Errorf("update %d of %d came after %d", u.Data, u.ID, l.last[u.ID])
		}
		l.inFlight[u.ID], l.last[u.ID] = true, u.Data
	}
	l.mu.Unlock()
	time.Sleep(time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, u := range in {
		l.inFlight[u.ID] = false
	}
	if l.refuse != nil {
		return l.refuse(in)
	}
	return make([]windrow.Outcome[string], len(in)), nil
}

func (l *keyLog) processor(atOnce int, opts ...windrow.Option) *windrow.BatchProcessor[windrow.Update[int, int], string] {
	l.inFlight, l.last = map[int]bool{}, map[int]int{}
	p := windrow.NewUpdateProcessor(windrow.UpdateFunc(func(context.Context, int, int) (string, error) {
		l.t.Error("a single call")
		return "", nil
	}), opts...)
	p.Capabilities.MaxItems, p.Capabilities.BatchOfOne = atOnce, true
	p.Batch = l.batch
	return p
}

// many makes updates of n records, times of each, one round after the other or side by side.
func many(n, times int, sideBySide bool) []windrow.Update[int, int] {
	var all []windrow.Update[int, int]
	for i := range n * times {
		id, round := i%n, i/n
		if sideBySide {
			id, round = i/times, i%times
		}
		all = append(all, windrow.Update[int, int]{ID: id, Data: round})
	}
	return all
}

// streamed runs a stream to its end, and returns how many items succeeded.
func streamed[In, Out any](t *testing.T, p *windrow.BatchProcessor[In, Out], in []In) (succeeded int) {
	t.Helper()
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

// Later items of one key go in chunks as the first ones do, and never together with one of their key.
func TestLaterItemsOfOneKeyGoInChunks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		records, times, atOnce int
		options                []windrow.Option
		sideBySide             bool
		most                   int // requests
		mostStreamed           int // the same of a stream, whose window may end in the middle of a chunk
	}{
		{records: 1000, times: 2, atOnce: 25, most: 84},
		{records: 1000, times: 2, atOnce: 25, sideBySide: true, most: 84},
		{records: 1000, times: 5, atOnce: 25, most: 240},
		{records: 1000, times: 2, atOnce: 25, options: []windrow.Option{windrow.Concurrency(1)}, most: 80},
		{records: 1000, times: 2, atOnce: 25, options: []windrow.Option{windrow.Concurrency(16)}, most: 84},
		{records: 1000, times: 2, atOnce: 25, options: []windrow.Option{windrow.PreserveOrder()}, most: 80},
		{records: 100_000, times: 2, atOnce: 100, most: 2020, mostStreamed: 2120},
		{records: 20_000, times: 2, atOnce: 100, sideBySide: true, most: 420, mostStreamed: 470},
	} {
		for _, stream := range []bool{false, true} {
			if raceDetector && test.records > 1000 {
				continue // only the number of requests is of interest there
			}
			t.Run(fmt.Sprintf("%d records %d times, stream %v, side by side %v", test.records, test.times, stream, test.sideBySide), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := &keyLog{t: t}
					options := test.options
					if stream {
						options = append(slices.Clip(options), windrow.Linger(10*time.Millisecond)) // the source may be slow
					}
					p, in := l.processor(test.atOnce, options...), many(test.records, test.times, test.sideBySide)
					succeeded := 0
					if stream {
						succeeded = streamed(t, p, in)
					} else {
						res, err := p.Run(t.Context(), in)
						checkAccounts(t, len(in), res, err)
						succeeded = res.Stats().Succeeded
					}
					if succeeded != len(in) {
						t.Errorf("%d of %d succeeded", succeeded, len(in))
					}
					most := test.most
					if stream {
						most = max(most, test.mostStreamed)
					}
					if l.requests > most || l.largest > test.atOnce {
						t.Errorf("%d requests of up to %d items, want at most %d", l.requests, l.largest, most)
					}
				})
			})
		}
	}
}

// An item that fails does not keep the later ones of its key from being sent, nor the others of its chunk.
func TestLaterItemsOfOneKeyBesideFailures(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		for name, refuse := range map[string]func(in []windrow.Update[int, int]) ([]windrow.Outcome[string], error){
			"refused": func(in []windrow.Update[int, int]) ([]windrow.Outcome[string], error) {
				out := make([]windrow.Outcome[string], len(in))
				for k, u := range in {
					if u.ID%7 == 0 {
						out[k].Err = errServer
					}
				}
				return out, nil
			},
			"sent again": func() func(in []windrow.Update[int, int]) ([]windrow.Outcome[string], error) {
				var mu sync.Mutex
				tries := map[windrow.Update[int, int]]int{}
				return func(in []windrow.Update[int, int]) ([]windrow.Outcome[string], error) {
					mu.Lock()
					defer mu.Unlock()
					out := make([]windrow.Outcome[string], len(in))
					for k, u := range in {
						if tries[u]++; u.ID%7 == 0 && tries[u] < 3 {
							out[k].Err = windrow.Transient(errServer)
						}
					}
					return out, nil
				}
			}(),
		} {
			t.Run(fmt.Sprintf("%s, stream %v", name, stream), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := &keyLog{t: t, refuse: refuse}
					p, in := l.processor(10, fastRetries), many(70, 3, false)
					want, succeeded := len(in), 0
					if name == "refused" {
						want -= 30
					}
					if stream {
						succeeded = streamed(t, p, in)
					} else {
						res, err := p.Run(t.Context(), in)
						checkAccounts(t, len(in), res, err)
						succeeded = res.Stats().Succeeded
					}
					if succeeded != want {
						t.Errorf("%d of %d succeeded, want %d", succeeded, len(in), want)
					}
				})
			})
		}
	}
}

// reader is a client that reads records, and counts how often.
type reader struct {
	mu   sync.Mutex
	read map[int]int
	err  func(id, nth int) error
}

func (r *reader) Get(_ context.Context, id int) (string, error) {
	time.Sleep(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[id]++
	if r.err != nil {
		if err := r.err(id, r.read[id]); err != nil {
			return "", err
		}
	}
	return fmt.Sprint("record ", id), nil
}

// bulkReader reads many records with one request.
type bulkReader struct {
	*reader
	can windrow.Capabilities
}

func (r bulkReader) Capabilities() windrow.Capabilities { return r.can }

func (r bulkReader) GetBatch(ctx context.Context, ids []int) ([]windrow.Outcome[string], error) {
	out := make([]windrow.Outcome[string], len(ids))
	for k, id := range ids {
		out[k].Value, out[k].Err = r.Get(ctx, id)
	}
	return out, nil
}

// Equal reads are sent once, and all of them get what came of it.
func TestEqualReadsAreSentOnce(t *testing.T) {
	t.Parallel()
	in := slices.Concat([]int{1, 2, 1, 3, 3, 3}, slices.Repeat([]int{4, 1}, 50), []int{5, 2})
	missing := func(id, _ int) error {
		if id == 3 {
			return windrow.Permanent(windrow.ErrNotFound)
		}
		return nil
	}
	for _, test := range []struct {
		name    string
		err     func(id, nth int) error
		options []windrow.Option
		times   int // each record is read
		failed  int
	}{
		{name: "plain", times: 1},
		{name: "one worker", options: []windrow.Option{windrow.Concurrency(1)}, times: 1},
		{name: "in order", options: []windrow.Option{windrow.PreserveOrder()}, times: 1},
		{name: "in batches with delays", options: []windrow.Option{windrow.BatchSize(3), windrow.BatchDelay(time.Minute)}, times: 1},
		{name: "a canary", options: []windrow.Option{windrow.Canary(2)}, times: 1},
		{name: "missing", err: missing, times: 1, failed: 3},
		{name: "sent again", err: func(_, nth int) error {
			if nth == 1 {
				return windrow.Ambiguous(errServer)
			}
			return nil
		}, options: []windrow.Option{fastRetries}, times: 2},
	} {
		for _, kind := range []string{"single", "batch", "ordered batch"} {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, stream %v", test.name, kind, stream), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := &reader{read: map[int]int{}, err: test.err}
						var c windrow.Getter[int, string] = r
						switch kind {
						case "batch":
							c = bulkReader{r, windrow.Capabilities{}}
						case "ordered batch":
							c = bulkReader{r, windrow.Capabilities{Ordered: true}}
						}
						p := windrow.NewGetProcessor(c, test.options...)
						told := map[int]int{}
						p.OnResult = func(res windrow.Result[int, string]) { told[res.Index]++ }
						check := func(res windrow.Result[int, string]) {
							want, state := fmt.Sprint("record ", in[res.Index]), windrow.Succeeded
							if test.failed > 0 && in[res.Index] == 3 {
								want, state = "", windrow.Failed
								if !errors.Is(res.Err, windrow.ErrNotFound) {
									t.Errorf("item %d: %v", res.Index, res.Err)
								}
							}
							if res.Value != want || res.State != state || res.Attempts != test.times || res.Input != in[res.Index] {
								t.Errorf("item %d, of %d: %+v", res.Index, in[res.Index], res)
							}
						}
						if stream {
							n := 0
							for res, err := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
								if _, ok := errors.AsType[*windrow.StopError](err); ok {
									t.Fatal(err)
								}
								n++
								check(res)
							}
							if n != len(in) {
								t.Errorf("%d results for %d items", n, len(in))
							}
						} else {
							res, err := p.Run(t.Context(), in)
							checkAccounts(t, len(in), res, err)
							for item := range res.All() {
								check(item)
							}
							if got := res.Stats(); got.Failed != test.failed || got.Succeeded != len(in)-test.failed {
								t.Errorf("%+v", got)
							}
						}
						for i := range in {
							if told[i] != 1 {
								t.Errorf("OnResult was called %d times for item %d", told[i], i)
							}
						}
						if diff := cmp.Diff(map[int]int{1: test.times, 2: test.times, 3: test.times, 4: test.times, 5: test.times}, r.read); diff != "" && (!stream || test.name == "plain" || test.name == "missing") {
							t.Errorf("reads (-want +got):\n%s", diff)
						}
					})
				})
			}
		}
	}
}

// named is an id whose text does not tell it from others.
type named struct{ n int }

func (named) String() string { return "the same" }

// Ids whose texts are equal are not the same record.
func TestReadsOfDifferentIDsWithOneText(t *testing.T) {
	t.Parallel()
	get := windrow.GetFunc(func(_ context.Context, id named) (int, error) { return id.n, nil })
	in := []named{{1}, {2}, {2}, {1}, {3}}
	res, err := windrow.GetMany(t.Context(), get, in)
	checkAccounts(t, len(in), res, err)
	for r := range res.All() {
		if r.Value != in[r.Index].n {
			t.Errorf("item %d: %d, want %d", r.Index, r.Value, in[r.Index].n)
		}
	}
	p := windrow.NewGetProcessor(get)
	for r, err := range p.Stream(t.Context(), windrow.FromSlice(in)).All() {
		if err != nil || r.Value != in[r.Index].n {
			t.Errorf("stream, item %d: %d, want %d; %v", r.Index, r.Value, in[r.Index].n, err)
		}
	}
}

// Equal reads that were not sent are sent by a Rerun, once.
func TestRerunOfEqualReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		r := &reader{read: map[int]int{}, err: func(int, int) error {
			if down {
				return windrow.Ambiguous(errServer)
			}
			return nil
		}}
		p := windrow.NewGetProcessor(windrow.Getter[int, string](r), fastRetries)
		in := []int{1, 2, 1, 1, 2}
		res, err := p.Run(t.Context(), in)
		checkAccounts(t, len(in), res, err)
		if got := res.Stats(); got.Failed != len(in) {
			t.Errorf("%+v", got)
		}
		down, r.read = false, map[int]int{}
		again, err := p.Rerun(t.Context(), res)
		checkAccounts(t, len(in), again, err)
		if got := again.Stats(); got.Succeeded != len(in) || r.read[1] != 1 || r.read[2] != 1 {
			t.Errorf("%+v, reads %v", got, r.read)
		}
		for item := range again.All() {
			if item.Value != fmt.Sprint("record ", item.Input) {
				t.Errorf("item %d: %q", item.Index, item.Value)
			}
		}
	})
}

// Equal reads are of the batch of the one that is sent: no other begins before its delay.
func TestEqualReadsDoNotShortenABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, at := time.Now(), map[int]time.Duration{}
		get := func(_ context.Context, id int) (int, error) {
			at[id] = time.Since(began)
			return id, nil
		}
		_, err := windrow.GetMany(t.Context(), windrow.GetFunc(get), []int{1, 1, 1, 2, 3, 4, 5},
			windrow.Concurrency(1), windrow.BatchSize(2), windrow.BatchDelay(time.Minute))
		want := map[int]time.Duration{1: 0, 2: 0, 3: time.Minute, 4: time.Minute, 5: 2 * time.Minute}
		if diff := cmp.Diff(want, at); diff != "" || err != nil {
			t.Errorf("read at (-want +got):\n%s error %v", diff, err)
		}
	})
}
