package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// nilClient is a client whose methods must not be called on a nil pointer.
type nilClient struct{ f *fake }

func (c *nilClient) Create(ctx context.Context, id string) (string, error)    { return c.f.do(ctx, id) }
func (c *nilClient) Update(ctx context.Context, id, _ string) (string, error) { return c.f.do(ctx, id) }
func (c *nilClient) Upsert(ctx context.Context, id string) (string, error)    { return c.f.do(ctx, id) }
func (c *nilClient) Delete(ctx context.Context, id string) error {
	_, err := c.f.do(ctx, id)
	return err
}
func (c *nilClient) Get(ctx context.Context, id string) (string, error) { return c.f.do(ctx, id) }
func (c *nilClient) Capabilities() windrow.Capabilities                 { panic("called on a nil client") }

func TestANilClientIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var none *nilClient
	in, up := ids(2), updates(ids(2))
	type run func(t *testing.T) error
	checked := func(t *testing.T, text string, err error) error {
		if text != windrow.ErrNilClient.Error() {
			t.Errorf("cause %q, want %q", text, windrow.ErrNilClient)
		}
		return err
	}
	for name, run := range map[string]run{
		"create, nil interface": func(t *testing.T) error {
			res, err := windrow.CreateMany[string, string](ctx, nil, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"create, nil pointer": func(t *testing.T) error {
			res, err := windrow.CreateMany[string, string](ctx, none, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"create, nil function": func(t *testing.T) error {
			res, err := windrow.CreateMany(ctx, windrow.CreateFunc[string, string](nil), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"create, nil variadic function": func(t *testing.T) error {
			res, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.Variadic[string, string, int](nil)), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"create, nil function with a response": func(t *testing.T) error {
			res, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.WithResponse[string, string, int](nil)), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"create, nil function without an output": func(t *testing.T) error {
			res, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.NoOutput[string](nil)), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"update, nil interface": func(t *testing.T) error {
			res, err := windrow.UpdateMany[string, string, string](ctx, nil, up)
			return checked(t, refused(t, 2, res, err), err)
		},
		"update, nil pointer": func(t *testing.T) error {
			res, err := windrow.UpdateMany[string, string, string](ctx, none, up)
			return checked(t, refused(t, 2, res, err), err)
		},
		"update, nil function": func(t *testing.T) error {
			res, err := windrow.UpdateMany(ctx, windrow.UpdateFunc[string, string, string](nil), up)
			return checked(t, refused(t, 2, res, err), err)
		},
		"upsert, nil interface": func(t *testing.T) error {
			res, err := windrow.UpsertMany[string, string](ctx, nil, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"upsert, nil pointer": func(t *testing.T) error {
			res, err := windrow.UpsertMany[string, string](ctx, none, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"upsert, nil function": func(t *testing.T) error {
			res, err := windrow.UpsertMany(ctx, windrow.UpsertFunc[string, string](nil), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"delete, nil interface": func(t *testing.T) error {
			res, err := windrow.DeleteMany(ctx, nil, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"delete, nil pointer": func(t *testing.T) error {
			res, err := windrow.DeleteMany[string](ctx, none, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"delete, nil function": func(t *testing.T) error {
			res, err := windrow.DeleteMany(ctx, windrow.DeleteFunc[string](nil), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"get, nil interface": func(t *testing.T) error {
			res, err := windrow.GetMany[string, string](ctx, nil, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"get, nil pointer": func(t *testing.T) error {
			res, err := windrow.GetMany[string, string](ctx, none, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"get, nil function": func(t *testing.T) error {
			res, err := windrow.GetMany(ctx, windrow.GetFunc[string, string](nil), in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"a processor of nothing": func(t *testing.T) error {
			res, err := windrow.NewBatchProcessor[string, string](nil).Run(ctx, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"a zero processor": func(t *testing.T) error {
			res, err := new(windrow.BatchProcessor[string, string]).Run(ctx, in)
			return checked(t, refused(t, 2, res, err), err)
		},
		"no items": func(t *testing.T) error {
			res, err := windrow.CreateMany[string, string](ctx, nil, nil)
			return checked(t, refused(t, 0, res, err), err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := run(t); !errors.Is(err, windrow.ErrNilClient) {
				t.Errorf("error %v, want one that matches %v", err, windrow.ErrNilClient)
			}
		})
	}
}

// valueClient is a client that is a struct: never nil.
type valueClient struct{}

func (valueClient) Get(_ context.Context, id int) (int, error) { return id * id, nil }

func TestAClientMayBeAnyValue(t *testing.T) {
	t.Parallel()
	res, err := windrow.GetMany(t.Context(), valueClient{}, []int{1, 2, 3})
	if diff := cmp.Diff([]int{1, 4, 9}, res.Values()); diff != "" || err != nil {
		t.Errorf("error %v, values (-want +got):\n%s", err, diff)
	}
}

// A function that runs outside of an attempt finds an Attempt that does nothing.
func TestNoAttempt(t *testing.T) {
	t.Parallel()
	a, ok := clients.AttemptFrom(t.Context())
	if ok || a.Key != "" || a.IdempotencyKey() != "" || a.IdempotencyKeyFor("x") != "" || a.RunID() != "" || a.Limiter() != nil {
		t.Errorf("%+v, %t, want nothing", a, ok)
	}
	a.Engage()
	a.Sending()
	a.Answered(200, true)
}

// The name of a run is that of its Rerun, and of no other.
func TestRunID(t *testing.T) {
	t.Parallel()
	var seen []string
	p := windrow.NewBatchProcessor(func(ctx context.Context, in int) (int, error) {
		a, _ := clients.AttemptFrom(ctx)
		seen = append(seen, a.RunID())
		return 0, errors.New("refused")
	}, windrow.PreserveOrder())
	res, _ := p.Run(t.Context(), []int{1, 2})
	res.Correct(0, 3)
	_, _ = p.Rerun(t.Context(), res)
	_, _ = p.Run(t.Context(), []int{1})
	if len(seen) != 4 || seen[0] == "" || seen[0] != seen[1] || seen[0] != seen[2] || seen[0] == seen[3] {
		t.Errorf("the runs are %q", seen)
	}
}

// sdk is what a typical SDK looks like.
type sdk struct{}

type callOption func()

type response struct{ Status int }

func (sdk) CreateArticle(_ context.Context, d draft) (*article, error) {
	return &article{ID: "1", Title: d.Title}, nil
}

func (sdk) CreateVariadic(_ context.Context, d draft, opts ...callOption) (*article, error) {
	return &article{ID: fmt.Sprint(len(opts)), Title: d.Title}, nil
}

func (sdk) CreateWithResponse(_ context.Context, d draft) (*article, *response, error) {
	return &article{ID: "1", Title: d.Title}, &response{Status: 201}, nil
}

func (sdk) UpdateArticle(_ context.Context, id int, d draft) (*article, error) {
	return &article{ID: fmt.Sprint(id), Title: d.Title}, nil
}

func (sdk) DeleteArticle(_ context.Context, id int) error {
	if id == 404 {
		return windrow.ErrNotFound
	}
	return nil
}

func (sdk) GetArticle(_ context.Context, id int) (*article, error) {
	return &article{ID: fmt.Sprint(id)}, nil
}

func (sdk) Publish(_ context.Context, id int) error { return nil }

// The call sites of design.md 3.1 and 3.2: no type has to be written.
func TestTypesAreInferred(t *testing.T) {
	t.Parallel()
	ctx, api, drafts := t.Context(), sdk{}, []draft{{"a"}, {"b"}}
	check := func(n int, err error) {
		t.Helper()
		if err != nil || n != 2 {
			t.Errorf("%d succeeded, error %v", n, err)
		}
	}
	{
		res, err := windrow.CreateMany(ctx, windrow.CreateFunc(api.CreateArticle), drafts, windrow.Concurrency(16))
		check(res.Stats().Succeeded, err)
	}
	{
		res, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.Variadic(api.CreateVariadic)), drafts)
		check(res.Stats().Succeeded, err)
		if res.Values()[0].ID != "0" {
			t.Errorf("%s call options were passed", res.Values()[0].ID)
		}
	}
	{
		res, err := windrow.CreateMany(ctx, windrow.CreateFunc(windrow.WithResponse(api.CreateWithResponse)), drafts)
		check(res.Stats().Succeeded, err)
		var created []*article = res.Values()
		if created[1].Title != "b" {
			t.Errorf("created %+v", created[1])
		}
	}
	{
		res, err := windrow.UpdateMany(ctx, windrow.UpdateFunc(api.UpdateArticle), []windrow.Update[int, draft]{{1, drafts[0]}, {ID: 2, Data: drafts[1]}})
		check(res.Stats().Succeeded, err)
	}
	{
		res, err := windrow.UpsertMany(ctx, windrow.UpsertFunc(api.CreateArticle), drafts)
		check(res.Stats().Succeeded, err)
	}
	{
		res, err := windrow.DeleteMany(ctx, windrow.DeleteFunc(api.DeleteArticle), []int{1, 404, 3})
		check(res.Stats().Succeeded, err)
		if r := res.At(1); r.State != windrow.Skipped || r.Reason != windrow.ReasonNotFound {
			t.Errorf("deleting what is not there: %v, %v", r.State, r.Reason)
		}
	}
	{
		res, err := windrow.GetMany(ctx, windrow.GetFunc(api.GetArticle), []int{1, 2})
		check(res.Stats().Succeeded, err)
	}
	{
		p := windrow.NewBatchProcessor(windrow.NoOutput(api.Publish), windrow.Repeatable())
		res, err := p.Run(ctx, []int{1, 2})
		check(res.Stats().Succeeded, err)
	}
	{
		p := windrow.NewCreateProcessor(windrow.CreateFunc(api.CreateArticle), windrow.Concurrency(8))
		p.Key = func(d draft) string { return d.Title }
		res, err := p.Run(ctx, drafts)
		check(res.Stats().Succeeded, err)
		res, err = p.Rerun(ctx, res)
		check(res.Stats().Succeeded, err)
	}
}

// The verbs find a native batch request by the method of the client; a wrapper that does not pass it on hides it.
func TestNativeBatchesAreFound(t *testing.T) {
	t.Parallel()
	for _, v := range []verb{createVerb, updateVerb, upsertVerb, deleteVerb, getVerb} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, nil)
			v.capabilities.MaxItems = 4
			if s := v.runBulk(t.Context(), f, ids(8)); s.err != nil {
				t.Fatal(s.err)
			}
			if diff := cmp.Diff([]int{4, 4}, f.sizes()); diff != "" {
				t.Errorf("items in the requests (-want +got):\n%s", diff)
			}
			f = newFake(t, nil)
			if s := v.run(t.Context(), f, ids(8)); s.err != nil { // the same client, wrapped
				t.Fatal(s.err)
			}
			if diff := cmp.Diff(slices.Repeat([]int{1}, 8), f.sizes()); diff != "" {
				t.Errorf("items in the requests through the wrapper (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a reconciler", func(t *testing.T) {
		t.Parallel()
		p := windrow.NewCreateProcessor[string, string](reconcilingClient{client{fake: newFake(t, nil)}})
		if p.Reconcile == nil {
			t.Error("not found")
		}
		p = windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil), capabilities: windrow.Capabilities{MaxItems: 7}})
		if p.Reconcile != nil || p.Batch != nil || p.Capabilities.MaxItems != 7 {
			t.Errorf("Reconcile %t, Batch %t, MaxItems %d, want none, none and 7", p.Reconcile != nil, p.Batch != nil, p.Capabilities.MaxItems)
		}
	})
}

type reconcilingClient struct{ client }

func (reconcilingClient) Reconcile(context.Context, string) (string, bool, error) {
	return "", false, nil
}

// A batch holds no more than the client takes, and no more than is asked for.
func TestChunkSizes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		maxItems, batchSize int
		want                int
	}{{0, 0, 100}, {30, 0, 30}, {30, 50, 30}, {30, 10, 10}, {0, 500, 100}, {1000, 500, 500}} {
		f := newFake(t, nil)
		var opts []windrow.Option
		if tt.batchSize > 0 {
			opts = append(opts, windrow.BatchSize(tt.batchSize))
		}
		s := createVerb.with("", windrow.Capabilities{MaxItems: tt.maxItems}).runBulk(t.Context(), f, ids(1500), opts...)
		if got := slices.Max(f.sizes()); s.err != nil || got != tt.want {
			t.Errorf("MaxItems %d, BatchSize %d: %d items in a request, want %d; %v", tt.maxItems, tt.batchSize, got, tt.want, s.err)
		}
	}
}

// A client may take more at once to read than to write.
func TestChunkSizesOfReads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		verb            verb
		items, reads, n int
	}{{getVerb, 20, 30, 30}, {getVerb, 0, 30, 30}, {getVerb, 20, 0, 20}, {deleteVerb, 20, 30, 20}, {deleteVerb, 0, 30, 100}} {
		f := newFake(t, nil)
		s := tt.verb.with("", windrow.Capabilities{MaxItems: tt.items, MaxReads: tt.reads}).runBulk(t.Context(), f, ids(300))
		if got := slices.Max(f.sizes()); s.err != nil || got != tt.n {
			t.Errorf("%s, MaxItems %d, MaxReads %d: %d items in a request, want %d; %v", tt.verb.name, tt.items, tt.reads, got, tt.n, s.err)
		}
	}
}

func TestChunkBytes(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	p := windrow.NewCreateProcessor[string, string](bulkClient{client{f, windrow.Capabilities{MaxBytes: 20}}}, windrow.PreserveOrder())
	p.Do = nil
	in := []string{"1234567", "1234567", "1", strings.Repeat("x", 50), "1", "2"} // as JSON with a separator: 10, 10, 4, 53, 4, 4
	res, err := p.Run(t.Context(), in)
	checkAccounts(t, 6, res, err)
	if diff := cmp.Diff([]int{2, 1, 1, 2}, f.sizes()); diff != "" {
		t.Errorf("items in the requests (-want +got):\n%s", diff)
	}
	f = newFake(t, nil)
	p = windrow.NewCreateProcessor[string, string](bulkClient{client{f, windrow.Capabilities{MaxBytes: 20}}}, windrow.PreserveOrder())
	p.Do, p.Size = nil, func(in string) int { return len(in) }
	_, _ = p.Run(t.Context(), in)
	if diff := cmp.Diff([]int{3, 1, 2}, f.sizes()); diff != "" {
		t.Errorf("items in the requests, by Size (-want +got):\n%s", diff)
	}
}

// A processor may run several inputs at the same time, and one that is a literal may, too.
func TestAProcessorMayBeShared(t *testing.T) {
	t.Parallel()
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	var in []int
	for n := range 1000 {
		in = append(in, n)
	}
	for name, p := range map[string]*windrow.BatchProcessor[int, int]{
		"made by a constructor": windrow.NewBatchProcessor(double, windrow.Concurrency(4)),
		"a literal":             {Do: double},
		"a literal with a batch": {Batch: func(_ context.Context, in []int) ([]windrow.Outcome[int], error) {
			out := make([]windrow.Outcome[int], len(in))
			for k, n := range in {
				out[k].Value = 2 * n
			}
			return out, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told atomic.Int32
			p.OnResult = func(windrow.Result[int, int]) { told.Add(1) }
			p.Key = func(n int) string { return fmt.Sprint(n) }
			p.Validate = func(int) error { return nil }
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					res, err := p.Run(t.Context(), in)
					if err != nil {
						t.Error(err)
						return
					}
					for r := range res.All() {
						if r.Value != 2*r.Input {
							t.Errorf("item %d is %d", r.Index, r.Value)
						}
					}
				})
			}
			wg.Wait()
			if n := told.Load(); n != 4000 {
				t.Errorf("OnResult was told of %d results of 4000", n)
			}
		})
	}
}

// A single call cannot tell of warnings. A client whose batches do has single items sent as batches of one, also the last
// one of a longer run.
func TestBatchOfOne(t *testing.T) {
	t.Parallel()
	for _, can := range []bool{false, true} {
		f := newFake(t, nil)
		f.batch = func(c *call) ([]windrow.Outcome[string], error) {
			out := outcomes(c.ids)
			for k := range out {
				out[k].Warnings = []string{"dropped"}
			}
			return out, nil
		}
		c := bulkClient{client{f, windrow.Capabilities{MaxItems: 2, BatchOfOne: can}}}
		res, err := windrow.CreateMany(t.Context(), c, ids(3))
		checkAccounts(t, 3, res, err)
		want := []int{1, 1, 0}
		if can {
			want[2] = 1
		}
		var got []int
		for r := range res.All() {
			got = append(got, len(r.Warnings))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("BatchOfOne %t: warnings (-want +got):\n%s", can, diff)
		}
		if single := windrow.CreateFunc(c.Create); can {
			res, err = windrow.CreateMany(t.Context(), single, ids(1)) // without batches there is nothing but single calls
			checkAccounts(t, 1, res, err)
		}
	}
}

// A chunk's key belongs to exactly its items, also where they have no keys of their own and do not follow each other.
func TestChunksOfOtherItemsHaveOtherIdempotencyKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type request struct{ items, key string }
		var sent []request
		failing := [][]int{{0, 2, 5}, {0, 2, 5}, {0, 5}, {}} // of each request in turn
		p := windrow.NewBatchProcessor[int, int](nil, windrow.Retry(windrow.RetryPolicy{MaxAttempts: 2}))
		p.Batch = func(ctx context.Context, in []int) ([]windrow.Outcome[int], error) {
			a, _ := clients.AttemptFrom(ctx)
			out := make([]windrow.Outcome[int], len(in))
			for k, item := range in {
				if slices.Contains(failing[len(sent)], item) {
					out[k].Err = windrow.Transient(errServer)
				}
			}
			sent = append(sent, request{fmt.Sprint(in), a.IdempotencyKey()})
			return out, nil
		}
		p.Capabilities.MaxItems = 10
		res, err := p.Run(t.Context(), []int{0, 1, 2, 3, 4, 5})
		if err == nil {
			t.Fatal("three items were to fail")
		}
		if _, err = p.Rerun(t.Context(), res); err != nil {
			t.Fatal(err)
		}
		byItems := map[string]string{}
		for _, r := range sent {
			if key, again := byItems[r.items]; again && key != r.key {
				t.Errorf("items %s were sent with two keys", r.items)
			}
			byItems[r.items] = r.key
		}
		if keys := slices.Compact(slices.Sorted(maps.Values(byItems))); len(sent) != 4 || len(byItems) != 3 || len(keys) != 3 {
			t.Errorf("%d requests with %d sets of items have %d keys: %v", len(sent), len(byItems), len(keys), sent)
		}
	})
}
