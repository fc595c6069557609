package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// Rows D1, D5 to D8, D16 to D24 and D26 to D30 of the acceptance table: what the bulk operations of the Bloomy SDK do,
// and what its documentation has its users write around them.

// todo is a record of the Bloomy API.
type todo struct {
	MeetingID int
	Title     string
}

// validateTodo is the documentation's validate_todos, for one item.
func validateTodo(t todo) error {
	var errs []error
	if t.Title == "" {
		errs = append(errs, &windrow.FieldError{Field: "title", Code: "required", Message: "Missing required field: title"})
	}
	if t.MeetingID == 0 {
		errs = append(errs, &windrow.FieldError{Field: "meeting_id", Code: "required", Message: "Missing required field: meeting_id"})
	}
	if len(t.Title) > 255 {
		errs = append(errs, &windrow.FieldError{Field: "title", Code: "too_long", Message: "Title too long (max 255 chars)"})
	}
	return errors.Join(errs...)
}

// Best effort, one item after the other: every outcome is kept.
func TestD1_SequentialBestEffort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second)
			if c.id() == "i0" || c.id() == "i3" {
				return errServer
			}
			return nil
		})
		s := createVerb.run(t.Context(), f, ids(5), windrow.PreserveOrder())
		if diff := cmp.Diff(ids(5), f.order()); diff != "" || f.most != 1 {
			t.Errorf("%d at once, calls (-want +got):\n%s", f.most, diff)
		}
		if s.stats.Succeeded != 3 || s.stats.Failed != 2 || s.stats.Elapsed != 5*time.Second {
			t.Errorf("%+v, want 3 and 2 in 5s", s.stats)
		}
	})
}

// apiError is an error with more than a text.
type apiError struct {
	Status int
	Body   string
}

func (e *apiError) Error() string   { return fmt.Sprint("HTTP ", e.Status) }
func (e *apiError) StatusCode() int { return e.Status }

// A failure has the index in the input, the input, and the error itself with all that it carries: the SDK keeps only
// its text.
func TestD5_D6_D7_Failures(t *testing.T) {
	t.Parallel()
	create := windrow.CreateFunc(func(_ context.Context, t todo) (int, error) {
		if t.MeetingID == 2 {
			return 0, fmt.Errorf("create todo: %w", &apiError{Status: 422, Body: "no such meeting"})
		}
		return 1, nil
	})
	in := []todo{{1, "a"}, {1, "b"}, {2, "c"}}
	res, err := windrow.CreateMany(t.Context(), create, in)
	failed := slices.Collect(res.All(windrow.Failed))
	if len(failed) != 1 || failed[0].Index != 2 || failed[0].Input != in[2] {
		t.Fatalf("failed: %+v, want the item with index 2", failed)
	}
	for name, e := range map[string]error{"the result's": failed[0].Err, "the run's": err} {
		if api, ok := errors.AsType[*apiError](e); !ok || api.Status != 422 || api.Body != "no such meeting" {
			t.Errorf("%s error %v has lost the API's", name, e)
		}
	}
	if got, want := failed[0].Err.Error(), "create todo: HTTP 422"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if failed[0].Kind != windrow.KindValidation {
		t.Errorf("kind %v, want %v", failed[0].Kind, windrow.KindValidation)
	}
}

// Nothing is rolled back, and nothing is given up.
func TestD8_NotTransactional(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var server []string
	f := newFake(t, func(c *call) error {
		if c.id() == "i1" {
			return errServer
		}
		mu.Lock()
		defer mu.Unlock()
		server = append(server, c.id())
		return nil
	})
	createVerb.run(t.Context(), f, ids(4))
	slices.Sort(server)
	if diff := cmp.Diff([]string{"i0", "i2", "i3"}, server); diff != "" {
		t.Errorf("on the server (-want +got):\n%s", diff)
	}
}

// Reading many is the same call as any other, in chunks where the client has a request for many, with as many quota
// units as the client says that a read costs.
func TestD16_GetManyInChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			out := outcomes(c.ids)
			for k, id := range c.ids {
				if id == "i120" {
					out[k] = windrow.Outcome[string]{Err: windrow.ErrNotFound}
				}
			}
			return out, nil
		}
		details := windrow.Capabilities{Cost: func(n int) int { return 5 * n }} // five requests for each meeting
		res, err := windrow.GetMany(t.Context(), bulkClient{client{f, details}}, ids(130), windrow.BatchSize(50), windrow.Rate(100, time.Second))
		checkAccounts(t, 130, res, err)
		sizes := f.sizes()
		slices.Sort(sizes)
		if diff := cmp.Diff([]int{30, 50, 50}, sizes); diff != "" {
			t.Errorf("chunks (-want +got):\n%s", diff)
		}
		if took := time.Since(f.started); took < 5*time.Second || took > 7*time.Second {
			t.Errorf("650 quota units at 100 a second took %v", took)
		}
		failed := slices.Collect(res.All(windrow.Failed))
		if len(failed) != 1 || failed[0].Index != 120 || failed[0].Input != "i120" || !errors.Is(failed[0].Err, windrow.ErrNotFound) {
			t.Errorf("failed: %+v, want i120 alone, with its id", failed)
		}
	})
}

// What the documentation calls retry_failed_items is Rerun: one result again, with the indexes of the first run.
func TestD17_RerunKeepsTheIndexes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		f := newFake(t, func(c *call) error {
			switch c.id() {
			case "i2", "i5":
				if down {
					return windrow.Transient(errServer)
				}
			case "i7":
				return windrow.Permanent(errServer)
			}
			return nil
		})
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, fastRetries)
		res, err := p.Run(t.Context(), ids(10))
		checkAccounts(t, 10, res, err)
		if s := res.Stats(); s.Failed != 3 {
			t.Fatalf("%+v, want 3 failed", s)
		}

		down = false
		again, err := p.Rerun(t.Context(), res)
		checkAccounts(t, 10, again, err)
		if n := len(f.of("i0")) + len(f.of("i7")); n != 2 {
			t.Errorf("%d calls for what succeeded or was refused, want one each", n)
		}
		want := []windrow.Result[string, string]{
			{Index: 1, Input: "i1", Value: "value of i1", State: windrow.Succeeded, Attempts: 1},
			{Index: 2, Input: "i2", Value: "value of i2", State: windrow.Succeeded, Attempts: 4},
			{Index: 5, Input: "i5", Value: "value of i5", State: windrow.Succeeded, Attempts: 4},
			{Index: 7, Input: "i7", State: windrow.Failed, Err: errServer, Kind: windrow.KindResource, Attempts: 1},
		}
		var got []windrow.Result[string, string]
		for _, w := range want {
			got = append(got, again.At(w.Index))
		}
		ignore := cmpopts.IgnoreFields(windrow.Result[string, string]{}, "Elapsed")
		if diff := cmp.Diff(want, got, cmpopts.EquateErrors(), ignore); diff != "" {
			t.Errorf("after Rerun (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(windrow.Failed, res.At(2).State); diff != "" {
			t.Errorf("the earlier result has changed (-want +got):\n%s", diff)
		}
		s := again.Stats()
		if s.Requests != 10+4+2 || s.Retries != 4 || s.Succeeded != 9 || s.Failed != 1 {
			t.Errorf("%+v, want the sums of both runs", s)
		}
	})
}

// What was refused is sent again when it was corrected, in its place.
func TestD17_CorrectKeepsTheIndex(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) error {
		if strings.HasPrefix(c.id(), "bad") {
			return &apiError{Status: 422}
		}
		return nil
	})
	in := []string{"a", "bad b", "c", "bad d"}
	p := windrow.NewCreateProcessor[string, string](client{fake: f})
	res, _ := p.Run(t.Context(), in)
	res.Correct(3, "good d")
	again, err := p.Rerun(t.Context(), res)
	checkAccounts(t, 4, again, err)
	var got []string
	for r := range again.All() {
		got = append(got, fmt.Sprint(r.Index, " ", r.State, " ", r.Input))
	}
	want := []string{"0 succeeded a", "1 failed bad b", "2 succeeded c", "3 succeeded good d"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after Rerun (-want +got):\n%s", diff)
	}
	if in[3] != "bad d" {
		t.Errorf("the caller's slice has %q", in[3])
	}
}

// Bad items are found before anything is sent, each with all that is wrong with it, and never reach the client.
func TestD18_ValidationWithSeveralErrors(t *testing.T) {
	t.Parallel()
	var sent []string
	var mu sync.Mutex
	p := windrow.NewCreateProcessor(windrow.CreateFunc(func(_ context.Context, t todo) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, t.Title)
		return t.Title, nil
	}))
	validated := 0
	p.Validate = func(t todo) error {
		mu.Lock()
		defer mu.Unlock()
		if len(sent) > 0 {
			panic("something was sent before all was validated")
		}
		validated++
		return validateTodo(t)
	}
	in := []todo{{1, "good"}, {}, {1, strings.Repeat("x", 256)}, {0, strings.Repeat("y", 300)}, {1, strings.Repeat("z", 255)}}
	res, err := p.Run(t.Context(), in)
	checkAccounts(t, 5, res, err)
	slices.Sort(sent)
	if diff := cmp.Diff([]string{"good", in[4].Title}, sent); diff != "" || validated != 5 {
		t.Errorf("%d validated, sent (-want +got):\n%s", validated, diff)
	}
	var got []string
	for r := range res.Failed() {
		var texts []string
		for _, field := range windrow.FieldErrors(r.Err) {
			texts = append(texts, field.Message)
		}
		got = append(got, fmt.Sprintf("Index %d: %s", r.Index, strings.Join(texts, ", ")))
		if r.Kind != windrow.KindValidation || r.Attempts != 0 {
			t.Errorf("item %d: kind %v, %d attempts, want %v and none", r.Index, r.Kind, r.Attempts, windrow.KindValidation)
		}
	}
	want := []string{
		"Index 1: Missing required field: title, Missing required field: meeting_id",
		"Index 2: Title too long (max 255 chars)",
		"Index 3: Missing required field: meeting_id, Title too long (max 255 chars)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("invalid (-want +got):\n%s", diff)
	}
}

func TestD19_Summary(t *testing.T) {
	t.Parallel()
	summary := func(res *windrow.BulkResult[todo, string]) string {
		var b strings.Builder
		if err := res.Summary(&b); err != nil {
			t.Error(err)
		}
		return b.String()
	}
	p := windrow.NewCreateProcessor(windrow.CreateFunc(func(_ context.Context, t todo) (string, error) {
		if t.MeetingID == 404 {
			return "", &apiError{Status: 404}
		}
		return t.Title, nil
	}))
	p.Validate = validateTodo
	res, _ := p.Run(t.Context(), []todo{{1, "a"}, {0, ""}, {404, "c"}})
	want := `Total: 3
Successful: 1 (33.3%)
Failed: 2
  Item 1: title: Missing required field: title; meeting_id: Missing required field: meeting_id
    Data: {MeetingID:0 Title:}
  Item 2: HTTP 404
    Data: {MeetingID:404 Title:c}
`
	if diff := cmp.Diff(want, summary(res)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}

	res, _ = p.Run(t.Context(), nil) // no division by zero
	if diff := cmp.Diff("Total: 0\nSuccessful: 0 (0.0%)\nFailed: 0\n", summary(res)); diff != "" {
		t.Errorf("summary of nothing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("Total: 0\nSuccessful: 0 (0.0%)\nFailed: 0\n", summary(new(windrow.BulkResult[todo, string]))); diff != "" {
		t.Errorf("summary of a zero result (-want +got):\n%s", diff)
	}
}

// Beside what succeeded and failed a summary tells what else became of the items, and what stopped the run.
func TestD19_SummaryOfAStoppedRun(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) error {
		switch c.id() {
		case "i0":
			return clients.Skip(windrow.ReasonUnchanged)
		case "i1":
			return windrow.Ambiguous(errors.New("connection reset"))
		case "i2":
			return windrow.Fatal(errors.New("the token has expired"))
		}
		return nil
	})
	res, _ := windrow.CreateMany(t.Context(), client{fake: f}, ids(5), windrow.PreserveOrder())
	var b strings.Builder
	if err := res.Summary(&b); err != nil {
		t.Fatal(err)
	}
	want := `Total: 5
Successful: 0 (0.0%)
Failed: 1
  1 of them were not refused by the server; Rerun tries them again
Skipped: 1
Unknown: 1
Not attempted: 2
Stopped: every further call would fail: the token has expired
  Item 1: connection reset
    Data: i1
  Item 2: the token has expired
    Data: i2
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	broken := errors.New("disk full")
	if err := res.Summary(writerFunc(func([]byte) (int, error) { return 0, broken })); !errors.Is(err, broken) {
		t.Errorf("error %v, want the writer's", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A million failures make no report that nobody reads.
func TestD19_SummaryIsBounded(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(*call) error { return errServer })
	res, _ := windrow.CreateMany(t.Context(), client{fake: f}, ids(150))
	var b strings.Builder
	if err := res.Summary(&b); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "Data:"); n != 100 || !strings.HasSuffix(b.String(), "  and 50 more\n") {
		t.Errorf("%d failures listed, ending in %q, want 100 and the number of the others", n, b.String()[b.Len()-40:])
	}
}

// Chunks with delays, and an eye on the server's headers: what the limiter does with what a transport tells it.
func TestD20_ChunksDelaysAndHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, nil)
		limiter := windrow.NewLimiter(windrow.Concurrency(100))
		var calls atomic.Int32
		f.script = func(*call) error {
			if calls.Add(1) == 100 { // the last of the second chunk: the headers say that the window is used up
				limiter.PauseUntil(time.Now().Add(30 * time.Second))
			}
			return nil
		}
		s := createVerb.run(t.Context(), f, ids(150), windrow.WithLimiter(limiter), windrow.BatchSize(50), windrow.BatchDelay(time.Second))
		if s.err != nil {
			t.Fatal(s.err)
		}
		if diff := cmp.Diff([]string{"0s: 50", "1s: 50", "31s: 50"}, starts(f)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// The documentation's loop over chunks of 50 with a second between gets two things wrong: its indexes are those of a
// chunk, and it sleeps after the last chunk when that is short.
func TestD21_ChunkedLoop(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		items int
		want  time.Duration
	}{{100, time.Second}, {120, 2 * time.Second}, {50, 0}, {49, 0}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if strings.HasSuffix(c.id(), "9") {
					return errServer
				}
				return nil
			})
			res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(tt.items), windrow.BatchSize(50), windrow.BatchDelay(time.Second))
			checkAccounts(t, tt.items, res, err)
			if took := res.Stats().Elapsed; took != tt.want {
				t.Errorf("%d items took %v, want %v", tt.items, took, tt.want)
			}
			// The totals are those of all chunks.
			if s := res.Stats(); s.Failed != tt.items/10 || s.Succeeded != tt.items-s.Failed {
				t.Errorf("%+v, want one of ten failed", s)
			}
			for r := range res.Failed() {
				if r.Input != fmt.Sprint("i", r.Index) {
					t.Errorf("failure %d is about %s", r.Index, r.Input)
				}
			}
		})
	}
}

// Concurrent, bounded, and with the results in the order of the input.
func TestD22_D23_D24_ConcurrentBoundedOrdered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := ids(20)
		f := newFake(t, func(c *call) error {
			time.Sleep(time.Second + time.Duration(20-slices.Index(in, c.id()))*time.Millisecond) // the later, the faster
			return nil
		})
		res, err := windrow.CreateMany(t.Context(), client{fake: f}, in, windrow.Concurrency(5)) // max_concurrent
		checkAccounts(t, 20, res, err)
		if f.most != 5 {
			t.Errorf("%d calls at once, want 5", f.most)
		}
		if took := res.Stats().Elapsed; took < 4*time.Second || took > 4100*time.Millisecond {
			t.Errorf("20 calls of a second took %v, want 4s", took)
		}
		for k, v := range res.Values() {
			if v != valueOf(in[k]) {
				t.Errorf("value %d is %s", k, v)
			}
		}
	})
}

// One result for both ways of working: but for times it is the same.
func TestD26_OneResultForSequentialAndConcurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := func(opts ...windrow.Option) []windrow.Result[string, string] {
			f := newFake(t, func(c *call) error {
				time.Sleep(time.Second)
				switch {
				case c.id() == "i3":
					return windrow.Permanent(errServer)
				case c.id() == "i4":
					return windrow.Ambiguous(errServer)
				case c.id() == "i5" && c.nth < 3:
					return windrow.Transient(errServer)
				}
				return nil
			})
			res, err := windrow.CreateMany(t.Context(), client{fake: f}, ids(10), append(opts, fastRetries)...)
			checkAccounts(t, 10, res, err)
			return slices.Collect(res.All())
		}
		sequential, concurrent := run(windrow.PreserveOrder()), run(windrow.Concurrency(10))
		ignore := cmpopts.IgnoreFields(windrow.Result[string, string]{}, "Elapsed")
		texts := cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if diff := cmp.Diff(sequential, concurrent, ignore, texts); diff != "" {
			t.Errorf("results (-sequential +concurrent):\n%s", diff)
		}
	})
}

// The documentation promises 50 to 60 % less time for 10 items, 70 to 80 % for 50 and 80 to 85 % for more, at the
// concurrency that it shows for each.
func TestD27_D28_ConcurrentIsFaster(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		items, concurrency int
		saved              float64
	}{{10, 5, 0.6}, {50, 10, 0.8}, {100, 10, 0.85}, {1000, 20, 0.85}} {
		synctest.Test(t, func(t *testing.T) {
			elapsed := func(opts ...windrow.Option) float64 {
				s := createVerb.run(t.Context(), newFake(t, slow(150*time.Millisecond)), ids(tt.items), opts...)
				return s.stats.Elapsed.Seconds()
			}
			sequential, concurrent := elapsed(windrow.PreserveOrder()), elapsed(windrow.Concurrency(tt.concurrency))
			if saved := 1 - concurrent/sequential; saved < tt.saved {
				t.Errorf("%d items: %.1f s one after the other, %.1f s with %d at once: saved %.0f%%, want %.0f%%",
					tt.items, sequential, concurrent, tt.concurrency, 100*saved, 100*tt.saved)
			}
		})
	}
}

// BenchmarkD27_SequentialAndConcurrent makes 50 calls of a millisecond, as the documentation compares its two clients.
func BenchmarkD27_SequentialAndConcurrent(b *testing.B) {
	create := windrow.CreateFunc(func(_ context.Context, t todo) (string, error) {
		time.Sleep(time.Millisecond)
		return t.Title, nil
	})
	todos := slices.Repeat([]todo{{123, "Todo"}}, 50)
	for _, bm := range []struct {
		name string
		opt  windrow.Option
	}{{"sequential", windrow.PreserveOrder()}, {"concurrent", windrow.Concurrency(10)}} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := windrow.CreateMany(context.Background(), create, todos, bm.opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Three bulk operations at once are still one account's: in the SDK each has a limit of its own, and the server sees
// three times as much.
func TestD29_SeveralProcessorsShareOneLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		account := windrow.NewLimiter(windrow.Concurrency(5), windrow.Rate(20, time.Second))
		f := newFake(t, slow(400*time.Millisecond))
		var wg sync.WaitGroup
		for k, v := range []verb{createVerb, updateVerb, getVerb} {
			wg.Go(func() {
				in := make([]string, 40)
				for i := range in {
					in[i] = fmt.Sprint(k, "-", i)
				}
				if s := v.run(t.Context(), f, in, windrow.WithLimiter(account)); s.err != nil {
					t.Error(s.err)
				}
			})
		}
		wg.Wait()
		if f.most != 5 {
			t.Errorf("%d calls at once, want the 5 that all of them share", f.most)
		}
		var made departures
		for _, c := range f.calls {
			made.times = append(made.times, f.started.Add(c.at))
		}
		if n := made.most(time.Second); n > 21 {
			t.Errorf("%d calls in one second, want 20 and the burst of one", n)
		}
		if took := time.Since(f.started); took < 9600*time.Millisecond || took > 10*time.Second {
			t.Errorf("120 calls of 0.4 s, 5 at once, took %v", took)
		}
	})
}

// The SDK's users look for a word in an error's text. Field errors say which field it is.
func TestD30_FieldErrorsReplaceReadingTexts(t *testing.T) {
	t.Parallel()
	title := &windrow.FieldError{Field: "title", Code: "too_long", Message: "at most 255 characters"}
	meeting := &windrow.FieldError{Field: "meeting_id", Code: "required"}
	p := windrow.NewCreateProcessor(windrow.CreateFunc(func(_ context.Context, t todo) (string, error) {
		if t.MeetingID == 0 { // as the server says it, wrapped as clients wrap
			return "", fmt.Errorf("create todo: %w", &rejection{fields: []error{title, fmt.Errorf("also: %w", meeting)}})
		}
		return t.Title, nil
	}))
	res, err := p.Run(t.Context(), []todo{{1, "a"}, {0, "b"}})
	if diff := cmp.Diff([]*windrow.FieldError{title, meeting}, windrow.FieldErrors(err)); diff != "" {
		t.Errorf("field errors of the run (-want +got):\n%s", diff)
	}
	for r := range res.Failed() {
		for _, field := range windrow.FieldErrors(r.Err) {
			if field.Field == "meeting_id" {
				corrected := r.Input
				corrected.MeetingID = 123
				res.Correct(r.Index, corrected)
			}
		}
	}
	if res, err = p.Rerun(t.Context(), res); err != nil || res.Stats().Succeeded != 2 {
		t.Errorf("after the correction: %+v, %v", res.Stats(), err)
	}
	for err, want := range map[*windrow.FieldError]string{
		title:                                "title: at most 255 characters",
		meeting:                              "meeting_id: required",
		{Message: "no such meeting"}:         "no such meeting",
		{Field: "title", Message: "is gone"}: "title: is gone",
	} {
		if err.Error() != want {
			t.Errorf("text %q, want %q", err.Error(), want)
		}
	}
	if got := windrow.FieldErrors(io.EOF); got != nil {
		t.Errorf("field errors of an error without any: %v", got)
	}
	if got := windrow.FieldErrors(nil); got != nil {
		t.Errorf("field errors of no error: %v", got)
	}
}

// rejection is an error of several.
type rejection struct{ fields []error }

func (e *rejection) Error() string   { return "rejected" }
func (e *rejection) Unwrap() []error { return e.fields }
