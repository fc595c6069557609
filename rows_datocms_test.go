package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windrow-go/windrow"
)

// Rows A1 to A17 of the acceptance table: what a guide to batch operations with DatoCMS does by hand to create records.
// The other rows of that guide are in rows_datocms_update_test.go.

// slow makes every call of a fake take that long.
func slow(d time.Duration) func(*call) error {
	return func(*call) error {
		time.Sleep(d)
		return nil
	}
}

// starts returns how many calls began at each instant, in order of time.
func starts(f *fake) []string {
	var at []time.Duration
	n := map[time.Duration]int{}
	for _, c := range f.calls {
		if n[c.at] == 0 {
			at = append(at, c.at)
		}
		n[c.at]++
	}
	slices.Sort(at)
	var all []string
	for _, d := range at {
		all = append(all, fmt.Sprintf("%v: %d", d, n[d]))
	}
	return all
}

// The four aims at once: parallel, within the limit, few requests, and every record there exactly once.
func TestA1_FourAims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			time.Sleep(3 * time.Second)
			return outcomes(c.ids), nil
		}
		c := bulkClient{client{f, windrow.Capabilities{MaxItems: 10}}}
		res, err := windrow.CreateMany(t.Context(), c, ids(200), windrow.Rate(2, time.Second), windrow.Concurrency(8))
		checkAccounts(t, 200, res, err)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.calls) != 20 {
			t.Errorf("%d requests for 200 records at 10 a request", len(f.calls))
		}
		if f.most < 4 {
			t.Errorf("%d requests at once: nothing is parallel", f.most)
		}
		for k, at := range starts(f) {
			if want := fmt.Sprintf("%v: 1", time.Duration(k)*time.Second/2); at != want {
				t.Errorf("requests at %s, want %s", at, want)
			}
		}
		created := map[string]int{}
		for _, c := range f.calls {
			for _, id := range c.ids {
				created[id]++
			}
		}
		for _, id := range ids(200) {
			if created[id] != 1 {
				t.Errorf("%s was created %d times", id, created[id])
			}
		}
	})
}

// However long each call takes, the results are in the order of the input.
func TestA2_CreatesEveryItemInInputOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*call) error { time.Sleep(rand.N(time.Second)); return nil })
		in := ids(300)
		res, err := windrow.CreateMany(t.Context(), client{fake: f}, in, windrow.Concurrency(32))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, id := range in {
			want = append(want, valueOf(id))
		}
		if diff := cmp.Diff(want, res.Values()); diff != "" {
			t.Errorf("values (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(in, res.Inputs()); diff != "" {
			t.Errorf("inputs (-want +got):\n%s", diff)
		}
		if slices.IsSorted(f.order()) {
			t.Error("the calls were made in order: nothing is tested")
		}
	})
}

// The defaults of the guide's loop: 20 creates in a batch, or as many as are asked for.
func TestA3_BatchSizeIs20(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []windrow.Option
		want []string
	}{
		{"default", nil, []string{"0s: 20", "1s: 20", "2s: 5"}},
		{"settable", []windrow.Option{windrow.BatchSize(15)}, []string{"0s: 15", "1s: 15", "2s: 15"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				opts := append(tt.opts, windrow.BatchDelay(time.Second), windrow.Concurrency(64))
				if _, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(45), opts...); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, starts(f)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Chunks hold the next items of the input. The last one may be short.
func TestA4_TheLastChunkMayBeShort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		items, size int
		want        []int
	}{{45, 20, []int{20, 20, 5}}, {40, 20, []int{20, 20}}, {3, 20, []int{3}}, {3, 1, []int{1, 1, 1}}, {0, 20, nil}} {
		t.Run(fmt.Sprintf("%d by %d", tt.items, tt.size), func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			p := windrow.NewCreateProcessor[string, string](bulkClient{client{fake: f}}, windrow.BatchSize(tt.size), windrow.PreserveOrder())
			p.Do = nil // the batch request serves single items, too
			res, err := p.Run(t.Context(), ids(tt.items))
			checkAccounts(t, tt.items, res, err)
			if diff := cmp.Diff(tt.want, f.sizes()); diff != "" {
				t.Errorf("items in the requests (-want +got):\n%s", diff)
			}
			var sent []string
			for _, c := range f.calls {
				sent = append(sent, c.ids...)
			}
			if diff := cmp.Diff(ids(tt.items), sent, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

// What all items have in common is the client's; an item's own fields extend and override it. The library hands every
// item over as it is, and changes none.
func TestA5_ItemFieldsExtendTheType(t *testing.T) {
	t.Parallel()
	type record = map[string]any
	common := record{"item_type": record{"type": "item_type", "id": "article"}, "status": "draft"}
	create := windrow.CreateFunc(func(_ context.Context, item record) (record, error) {
		body := maps.Clone(common)
		maps.Copy(body, item)
		return body, nil
	})
	in := []record{{"title": "one"}, {"title": "two", "status": "published"}}
	res, err := windrow.CreateMany(t.Context(), create, in)
	if err != nil {
		t.Fatal(err)
	}
	want := []record{
		{"item_type": common["item_type"], "title": "one", "status": "draft"},
		{"item_type": common["item_type"], "title": "two", "status": "published"},
	}
	if diff := cmp.Diff(want, res.Values()); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]record{{"title": "one"}, {"title": "two", "status": "published"}}, in); diff != "" {
		t.Errorf("input after the run (-want +got):\n%s", diff)
	}
}

// As with allSettled: one failure stops nothing, and there is one entry for each input, in order, either a value or
// an error.
func TestA6_AllSettled(t *testing.T) {
	t.Parallel()
	refused := errors.New("title is taken")
	f := newFake(t, func(c *call) error {
		if c.id() == "i1" || c.id() == "i3" {
			return refused
		}
		return nil
	})
	res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(5))
	checkAccounts(t, 5, res, err)
	type entry struct {
		State windrow.State
		Value string
		Err   error
	}
	var got []entry
	for r := range res.All() {
		got = append(got, entry{r.State, r.Value, r.Err})
	}
	want := []entry{
		{windrow.Succeeded, "value of i0", nil}, {windrow.Failed, "", refused}, {windrow.Succeeded, "value of i2", nil},
		{windrow.Failed, "", refused}, {windrow.Succeeded, "value of i4", nil},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// The delay begins when the last call of a batch has ended, and there is one between any two batches.
func TestA7_DelayBetweenBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.id() == "i7" { // one call is slow, and it fails
				time.Sleep(500 * time.Millisecond)
				return errServer
			}
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(50), windrow.BatchDelay(time.Second), windrow.Concurrency(20))
		checkAccounts(t, 50, res, err)
		want := []string{"0s: 20", "1.5s: 20", "2.6s: 10"}
		if diff := cmp.Diff(want, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// A retry belongs to its batch: the delay begins when it, too, has ended.
func TestA7_DelayBetweenBatchesWaitsForRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.id() == "i2" && c.nth == 1 {
				return windrow.Transient(errServer)
			}
			return nil
		})
		res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(6), windrow.BatchSize(3), windrow.BatchDelay(time.Second),
			windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(10 * time.Second)}))
		checkAccounts(t, 6, res, err)
		if diff := cmp.Diff([]string{"0s: 3", "10s: 1", "11s: 3"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// Items that never reach the client do not keep a batch waiting.
func TestA7_DelayBetweenBatchesOfValidItems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.BatchSize(2), windrow.BatchDelay(time.Second))
		p.Validate = func(id string) error {
			if slices.Contains([]string{"i0", "i1", "i2", "i6", "i7"}, id) {
				return errors.New("invalid")
			}
			return nil
		}
		res, err := p.Run(t.Context(), ids(8))
		checkAccounts(t, 8, res, err)
		if diff := cmp.Diff([]string{"0s: 2", "1s: 1"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if took := time.Since(f.started); took != time.Second {
			t.Errorf("it took %v, want 1s: there is no delay after the last batch", took)
		}
	})
}

// Progress comes as a call with numbers, after each batch and at the end. Nothing is printed.
func TestA8_ProgressAfterEachBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		f := newFake(t, nil)
		// No batch begins in the instant of a tick, which might see a part of it.
		_, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(45), windrow.BatchDelay(1030*time.Millisecond),
			windrow.OnProgress(func(p windrow.Progress) { lines = append(lines, fmt.Sprintf("Processed %d/%d items", p.Done, p.Total)) }))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"Processed 20/45 items", "Processed 40/45 items", "Processed 45/45 items"}
		if diff := cmp.Diff(want, slices.Compact(lines)); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	})
}

// A library's output belongs to the program that uses it.
func TestA8_NothingIsPrinted(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, name := range files { // doc.go is a comment, which prints in its code
		if name == "doc.go" || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, filepath.Join("internal", "bench")) {
			continue
		}
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, printing := range []string{"fmt.Print", "os.Stdout", "os.Stderr", "log.Print", "println("} {
			if strings.Contains(string(code), printing) {
				t.Errorf("%s has %s", name, printing)
			}
		}
	}
}

// What the guide's BatchResult holds: what was created, what failed with its index, its input and its error, and how
// long it took, all at the end.
func TestA9_A10_A11_A12_TheResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		taken := errors.New("slug is taken")
		f := newFake(t, func(c *call) error {
			time.Sleep(250 * time.Millisecond)
			if c.id() == "i2" {
				return taken
			}
			return nil
		})
		res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(4), windrow.Concurrency(2))

		// A10: the values, and unlike in the guide each with its index.
		var created []string
		for r := range res.Succeeded() {
			created = append(created, fmt.Sprint(r.Index, " ", r.Value))
		}
		if diff := cmp.Diff([]string{"0 value of i0", "1 value of i1", "3 value of i3"}, created); diff != "" {
			t.Errorf("successful (-want +got):\n%s", diff)
		}
		// A11
		failed := slices.Collect(res.Failed())
		want := []windrow.Result[string, string]{{
			Index: 2, Input: "i2", State: windrow.Failed, Err: taken, Attempts: 1, Elapsed: 250 * time.Millisecond,
		}}
		if diff := cmp.Diff(want, failed, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("failed (-want +got):\n%s", diff)
		}
		if !errors.Is(err, taken) {
			t.Errorf("error %v, want one that matches %v", err, taken)
		}
		// A12
		if took := res.Stats().Elapsed; took != 500*time.Millisecond {
			t.Errorf("total time %v, want 500ms", took)
		}
	})
}

// The guide's constructor has two parameters. Here a delay is what one asks for: without it nobody waits for a batch.
func TestA13_DefaultsOfTheGuide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, slow(100*time.Millisecond))
		guide := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.BatchDelay(1000*time.Millisecond), windrow.Concurrency(20))
		if _, err := guide.Run(t.Context(), ids(60)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0s: 20", "1.1s: 20", "2.2s: 20"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}

		f = newFake(t, slow(100*time.Millisecond))
		if _, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(60), windrow.Concurrency(20)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0s: 20", "100ms: 20", "200ms: 20"}, starts(f)); diff != "" {
			t.Errorf("calls without a delay (-want +got):\n%s", diff)
		}
	})
}

// article is a record as a typed client returns it.
type article struct {
	ID    string
	Title string
}

// draft is an article that is to be created.
type draft struct{ Title string }

// Values come back as the client's own type, with the id that the server gave.
func TestA14_TypedRecords(t *testing.T) {
	t.Parallel()
	create := func(_ context.Context, d draft) (*article, error) {
		return &article{ID: "id-" + d.Title, Title: d.Title}, nil
	}
	res, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(create), []draft{{"a"}, {"b"}})
	if err != nil {
		t.Fatal(err)
	}
	var created []*article = res.Values()
	if diff := cmp.Diff([]*article{{"id-a", "a"}, {"id-b", "b"}}, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
}

// The index is that in the whole input, whatever became of the item: in which batch or chunk it was, whether it was
// validated away, retried, or bisected.
func TestA15_AbsoluteIndex(t *testing.T) {
	t.Parallel()
	in := ids(45)
	bad := func(id string) bool { return id == "i3" || id == "i21" || id == "i44" }
	for _, tt := range []struct {
		name string
		run  func(t *testing.T) (*windrow.BulkResult[string, string], error)
	}{
		{"batches with a delay", func(t *testing.T) (*windrow.BulkResult[string, string], error) {
			f := newFake(t, func(c *call) error {
				if bad(c.id()) {
					return errServer
				}
				return nil
			})
			return windrow.CreateMany(t.Context(), client{fake: f}, in, windrow.BatchDelay(time.Second))
		}},
		{"native chunks", func(t *testing.T) (*windrow.BulkResult[string, string], error) {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				out := outcomes(c.ids)
				for k, id := range c.ids {
					if bad(id) {
						out[k] = windrow.Outcome[string]{Err: errServer}
					}
				}
				return out, nil
			}
			return windrow.CreateMany(t.Context(), bulkClient{client{fake: f}}, in, windrow.BatchSize(20))
		}},
		{"bisected chunks", func(t *testing.T) (*windrow.BulkResult[string, string], error) {
			f := newFake(t, nil)
			f.batch = func(c *call) ([]windrow.Outcome[string], error) {
				if slices.ContainsFunc(c.ids, bad) {
					return nil, errServer
				}
				return outcomes(c.ids), nil
			}
			p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, windrow.Capabilities{Atomicity: windrow.AtomicityAll}}}, windrow.BatchSize(20))
			p.Do = nil
			return p.Run(t.Context(), in)
		}},
		{"validation", func(t *testing.T) (*windrow.BulkResult[string, string], error) {
			p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil)})
			p.Validate = func(id string) error {
				if bad(id) {
					return errServer
				}
				return nil
			}
			return p.Run(t.Context(), in)
		}},
		{"retries", func(t *testing.T) (*windrow.BulkResult[string, string], error) {
			f := newFake(t, func(c *call) error {
				if bad(c.id()) {
					return windrow.Transient(errServer)
				}
				return nil
			})
			return windrow.CreateMany(t.Context(), client{fake: f}, in, fastRetries)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				res, err := tt.run(t)
				checkAccounts(t, 45, res, err)
				var got, fromError []string
				for r := range res.Failed() {
					got = append(got, fmt.Sprint(r.Index, " ", r.Input))
				}
				if diff := cmp.Diff([]string{"3 i3", "21 i21", "44 i44"}, got); diff != "" {
					t.Errorf("failed (-want +got):\n%s", diff)
				}
				if bulk, ok := errors.AsType[*windrow.BulkError](err); ok {
					for _, item := range bulk.Items() {
						fromError = append(fromError, fmt.Sprint(item.Index, " ", in[item.Index]))
					}
				}
				if diff := cmp.Diff(got, fromError); diff != "" {
					t.Errorf("in the error (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The guide's Progress: 20/45 (44%). It divides by zero for no items; here nothing to do is done.
func TestA16_ProgressAndPercent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ done, total, want int }{
		{0, 45, 0}, {20, 45, 44}, {40, 45, 89}, {45, 45, 100}, {1, 3, 33}, {2, 3, 67}, {1, 200, 1}, {1, 201, 0},
		{0, 0, 100}, {5, -1, -1}, {0, -1, -1},
	} {
		if got := (windrow.Progress{Done: tt.done, Total: tt.total}).Percent(); got != tt.want {
			t.Errorf("%d/%d is %d%%, want %d%%", tt.done, tt.total, got, tt.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var last windrow.Progress
		calls := 0
		_, err := windrow.CreateMany(t.Context(), client{fake: newFake(t, nil)}, nil,
			windrow.OnProgress(func(p windrow.Progress) { last = p; calls++ }))
		if err != nil || calls == 0 || last.Percent() != 100 || last.Total != 0 || last.ETA != 0 {
			t.Errorf("no items: %d calls, the last %+v, error %v, want one of 0/0 (100%%)", calls, last, err)
		}
	})
}

// There is no delay after the last batch, full or not.
func TestA17_NoTrailingDelay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		items int
		want  time.Duration
	}{{0, 0}, {1, 0}, {19, 0}, {20, 0}, {21, time.Second}, {40, time.Second}, {41, 2 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			if _, err := windrow.CreateMany(t.Context(), client{fake: newFake(t, nil)}, ids(tt.items), windrow.BatchDelay(time.Second)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != tt.want {
				t.Errorf("%d items took %v, want %v", tt.items, took, tt.want)
			}
		})
	}
}
