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

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/mixed"
)

// executor is a fake with an endpoint for operations of all kinds.
type executor struct {
	client
	mu  sync.Mutex
	ops [][]mixed.Operation // of each request
}

func (e *executor) Execute(ctx context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
	e.mu.Lock()
	e.ops = append(e.ops, slices.Clone(ops))
	e.mu.Unlock()
	names := make([]string, len(ops))
	for k, o := range ops {
		names[k] = nameOf(o)
	}
	out, err := e.many(ctx, names)
	if out == nil {
		return nil, err
	}
	all := make([]windrow.Outcome[any], len(out))
	for k := range out {
		all[k] = windrow.Outcome[any]{Value: out[k].Value, Err: out[k].Err, Reason: out[k].Reason, Warnings: out[k].Warnings}
	}
	return all, err
}

// nameOf is a short form of an operation.
func nameOf(o mixed.Operation) string {
	if o.ID == "" {
		return fmt.Sprintf("%v %v", o.Kind, o.Data)
	}
	return fmt.Sprintf("%v %v", o.Kind, o.ID)
}

// op makes an operation of its short form.
func op(text string) mixed.Operation {
	var o mixed.Operation
	kind, id, _ := strings.Cut(text, " ")
	if err := o.Kind.UnmarshalText([]byte(kind)); err != nil {
		panic(err)
	}
	switch o.Kind {
	case windrow.OpCreate, windrow.OpUpsert:
		o.Data = id
	case windrow.OpUpdate:
		o.ID, o.Data = id, "new"
	default:
		o.ID = id
	}
	return o
}

func operations(texts ...string) []mixed.Operation {
	all := make([]mixed.Operation, len(texts))
	for i, text := range texts {
		all[i] = op(text)
	}
	return all
}

// requests returns the operations of each request.
func (f *fake) requests() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all [][]string
	for _, c := range f.calls {
		all = append(all, c.ids)
	}
	return all
}

// E6, E22: different kinds in one request, in their order.
func TestE22_MixedOperationsInOneRequest(t *testing.T) {
	t.Parallel()
	in := []string{"create nick", "update b", "delete a", "get b", "update nobody"}
	for _, tt := range []struct {
		name string
		caps windrow.Capabilities
		want [][]string
	}{
		// E19: the read sees the update before it in the same batch.
		{"ordered", windrow.Capabilities{Ordered: true}, [][]string{in}},
		{"ordered, no room", windrow.Capabilities{Ordered: true, MaxItems: 2}, [][]string{{in[0], in[1]}, {in[3]}, {in[2], in[4]}}},
		{"distinct", windrow.Capabilities{Ordered: true, DistinctKeys: true}, [][]string{{in[0], in[1], in[2], in[4]}, {in[3]}}},
		{"unordered", windrow.Capabilities{}, [][]string{{in[0], in[1], in[2], in[4]}, {in[3]}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				e := &executor{client: client{f, tt.caps}}
				f.batch = func(c *call) ([]windrow.Outcome[string], error) {
					time.Sleep(time.Second)
					return outcomes(c.ids), nil
				}
				res, err := mixed.Run(t.Context(), e, operations(in...), windrow.Concurrency(1))
				checkAccounts(t, 5, res, err)
				if err != nil || res.At(3).Value != "value of get b" {
					t.Errorf("value %v, error %v", res.At(3).Value, err)
				}
				if diff := cmp.Diff(tt.want, f.requests()); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Each kind keeps its own rule of what may be sent again: a create whose answer was lost is not.
func TestExecuteJudgesEachKindByItself(t *testing.T) {
	t.Parallel()
	in := []string{"create a", "update b", "upsert c", "delete d", "get e"}
	const (
		ok, bad, lose, skip = windrow.Succeeded, windrow.Failed, windrow.Unknown, windrow.Skipped
	)
	lost := windrow.Ambiguous(errServer)
	for _, tt := range []struct {
		name   string
		caps   windrow.Capabilities
		script []refusal
		want   []windrow.State
	}{
		{"answer lost", windrow.Capabilities{}, []refusal{{err: lost}}, []windrow.State{lose, ok, ok, ok, ok}},
		{"answer lost, with keys", windrow.Capabilities{IdempotencyKeys: true}, []refusal{{err: lost}}, []windrow.State{ok, ok, ok, ok, ok}},
		{"answer lost, with ids of the caller's", windrow.Capabilities{ClientIDs: true}, []refusal{{err: lost}}, []windrow.State{ok, ok, ok, ok, ok}},
		{"always lost", windrow.Capabilities{}, []refusal{{err: lost}, {err: lost}, {err: lost}}, []windrow.State{lose, lose, lose, lose, bad}},
		{"nothing is there", windrow.Capabilities{}, []refusal{{each: repeat[error](5, windrow.ErrNotFound)}}, []windrow.State{bad, bad, bad, skip, bad}},
		{"each lost", windrow.Capabilities{}, []refusal{{each: repeat(5, lost)}}, []windrow.State{lose, ok, ok, ok, ok}},
		{"deleted by the attempt before", windrow.Capabilities{}, []refusal{{err: lost}, {each: repeat[error](4, windrow.ErrNotFound)}}, []windrow.State{lose, bad, bad, ok, bad}},
	} {
		for _, single := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/single %t", tt.name, single), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, nil)
					answers(f, tt.script...)
					var e mixed.Executor = &executor{client: client{f, tt.caps}}
					if single {
						f.script = func(c *call) error {
							if c.nth > len(tt.script) {
								return nil
							}
							step := tt.script[c.nth-1]
							if step.err == nil {
								return step.each[0]
							}
							return step.err
						}
						e = mixed.Clients{"": mixed.ClientOf[string, string](verbs{client{f, tt.caps}})}
					}
					res, err := mixed.Run(t.Context(), e, operations(in...), fastRetries)
					checkAccounts(t, 5, res, err)
					var got []windrow.State
					for r := range res.All() {
						got = append(got, r.State)
					}
					if diff := cmp.Diff(tt.want, got); diff != "" {
						t.Errorf("states (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// verbs is a client of single calls whose calls are named by their kind.
type verbs struct{ client }

func (c verbs) Create(ctx context.Context, data string) (string, error) {
	return c.do(ctx, "create "+data)
}
func (c verbs) Update(ctx context.Context, id, _ string) (string, error) {
	return c.do(ctx, "update "+id)
}
func (c verbs) Upsert(ctx context.Context, data string) (string, error) {
	return c.do(ctx, "upsert "+data)
}
func (c verbs) Delete(ctx context.Context, id string) error {
	_, err := c.do(ctx, "delete "+id)
	return err
}
func (c verbs) Get(ctx context.Context, id string) (string, error) { return c.do(ctx, "get "+id) }

// Without an endpoint for several kinds there are clients for each.
func TestExecuteOverClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(*call) error { time.Sleep(time.Second); return nil })
		r := mixed.Clients{"labels": mixed.ClientOf[string, string](verbs{client: client{fake: f}})}
		in := operations("create nick", "update b", "delete a", "get b", "upsert c", "delete b")
		for i := range in {
			in[i].Resource = "labels"
		}
		res, err := mixed.Run(t.Context(), r, in, windrow.Concurrency(8))
		checkAccounts(t, 6, res, err)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []any{"value of create nick", "value of update b", nil, "value of get b", "value of upsert c", nil} {
			if got := res.At(i).Value; got != want {
				t.Errorf("value %d: %v, want %v", i, got, want)
			}
		}
		// One record's operations are carried out in their order, those of others meanwhile.
		at := map[string]time.Duration{}
		for _, c := range f.calls {
			at[c.id()] = c.at
		}
		want := map[string]time.Duration{"create nick": 0, "update b": 0, "delete a": 0, "upsert c": 0, "get b": time.Second, "delete b": 2 * time.Second}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if key := res.At(1).Key; key != "labels/b" {
			t.Errorf("key %q", key)
		}
	})
}

// readOnly is a client that can do nothing but read.
type readOnly struct{ client }

func (c readOnly) Create() {}
func (c readOnly) Update() {}
func (c readOnly) Upsert() {}
func (c readOnly) Delete() {}

// C18, C19, E7, E8, E9: what an operation lacks is said before anything is sent, and so is what no client can do.
func TestC18_C19_OperationsAreValidated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    mixed.Operation
		want string
	}{
		{mixed.Operation{Kind: windrow.OpUpdate, Resource: "r", Data: "x"}, "ID: is required for update"},
		{mixed.Operation{Kind: windrow.OpDelete, Resource: "r"}, "ID: is required for delete"},
		{mixed.Operation{Kind: windrow.OpGet, Resource: "r"}, "ID: is required for get"},
		{mixed.Operation{Kind: windrow.OpCreate, Resource: "r"}, "Data: is required for create"},
		{mixed.Operation{Kind: windrow.OpUpdate, Resource: "r", ID: "1"}, "Data: is required for update"},
		{mixed.Operation{Kind: windrow.OpUpsert, Resource: "r"}, "Data: is required for upsert"},
		{mixed.Operation{Resource: "r", Data: "x"}, "Kind: must be create, update, upsert, delete or get, not do"},
		{mixed.Operation{Kind: windrow.OpExecute, Resource: "r", Data: "x"}, "Kind: must be create, update, upsert, delete or get, not execute"},
		{mixed.Operation{Kind: windrow.OpUpdate, Resource: "r"}, "ID: is required for update; Data: is required for update"},
		{mixed.Operation{Kind: windrow.OpGet, Resource: "s", ID: "1"}, "Resource: is none of those that Clients has"},
		{mixed.Operation{Kind: windrow.OpDelete, Resource: "ro", ID: "1"}, "Kind: delete is nothing that the client of this Resource can do"},
		{mixed.Operation{Kind: windrow.OpCreate, Resource: "r", Data: 17}, "Data: is a int, want string"},
	} {
		f := newFake(t, nil)
		r := mixed.Clients{
			"r":  mixed.ClientOf[string, string](verbs{client: client{fake: f}}),
			"ro": mixed.ClientOf[string, string](readOnly{client{fake: f}}),
		}
		res, err := mixed.Run(t.Context(), r, []mixed.Operation{tt.o, {Kind: windrow.OpGet, Resource: "ro", ID: "2"}})
		checkAccounts(t, 2, res, err)
		if got := res.At(0); got.State != windrow.Failed || got.Kind != windrow.KindValidation || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v, want %q", tt.o, got.State, err, tt.want)
		}
		if res.At(1).State != windrow.Succeeded || len(f.calls) != 1 {
			t.Errorf("%+v: %d calls, the other %v", tt.o, len(f.calls), res.At(1).State)
		}
		if len(windrow.FieldErrors(res.At(0).Err)) == 0 {
			t.Errorf("%+v: no field errors in %v", tt.o, res.At(0).Err)
		}
	}
	res, err := mixed.Run(t.Context(), nil, operations("get a"))
	if !errors.Is(err, windrow.ErrNilClient) || res.Stats().NotAttempted != 1 {
		t.Errorf("nil: %v", err)
	}
}

// An Executor that takes one operation at a time needs no Clients.
func TestMixedClientsAreAnExecutor(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(c *call) error {
		if c.id() == "get b" {
			return errServer
		}
		return nil
	})
	r := mixed.Clients{"": mixed.ClientOf[string, string](verbs{client: client{fake: f}}), "nil": mixed.ClientOf[string, string](nil)}
	out, err := r.Execute(t.Context(), append(operations("create a", "get b"), mixed.Operation{Kind: windrow.OpGet, Resource: "nil", ID: "1"}))
	if err != nil || len(out) != 3 || out[0].Value != "value of create a" || !errors.Is(out[1].Err, errServer) || windrow.Classify(out[2].Err).Class != windrow.ClassPermanent {
		t.Errorf("%+v, error %v", out, err)
	}
}

// reconcilable is a client of single calls that can look.
type reconcilable struct{ verbs }

func (c reconcilable) Reconcile(ctx context.Context, data string) (string, bool, error) {
	return c.find(ctx, data)
}

// A look-up is asked of the client that has one, and of creates and upserts only: they are what it is made for.
func TestExecuteReconciles(t *testing.T) {
	t.Parallel()
	for _, can := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.nth == 1 {
					return windrow.Ambiguous(errServer)
				}
				return nil
			})
			f.lookUp = func(id string) (bool, error) { return id == "a", nil }
			r := mixed.Clients{"": mixed.ClientOf[string, string](verbs{client{f, windrow.Capabilities{}}})}
			if can {
				r[""] = mixed.ClientOf[string, string](reconcilable{verbs{client{f, windrow.Capabilities{}}}})
			}
			res, err := mixed.Run(t.Context(), r, operations("create a", "create b", "update c"), fastRetries)
			checkAccounts(t, 3, res, err)
			want := []windrow.State{windrow.Succeeded, windrow.Succeeded, windrow.Succeeded}
			if !can {
				want = []windrow.State{windrow.Unknown, windrow.Unknown, windrow.Succeeded}
			}
			var got []windrow.State
			for r := range res.All() {
				got = append(got, r.State)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("can %t: states (-want +got):\n%s", can, diff)
			}
			if can && len(f.of("create a")) != 1 {
				t.Errorf("what was found was created %d times", len(f.of("create a")))
			}
		})
	}
}

// Within an ordered batch, what follows an operation that has to be sent again is sent again after it; and what a later
// one of the same record has overtaken is not sent at all.
func TestOrderOfOneRecordInABatch(t *testing.T) {
	t.Parallel()
	ordered := windrow.Capabilities{Ordered: true}
	transient, throttled := windrow.Transient(errServer), windrow.Throttled(errServer, time.Second)
	const ok, bad, lose = windrow.Succeeded, windrow.Failed, windrow.Unknown
	for _, tt := range []struct {
		name   string
		in     []string
		script []refusal
		want   []windrow.State
		calls  [][]string
	}{
		{
			"the rest was not begun", []string{"update a", "get a", "update b", "get b"},
			[]refusal{{each: []error{transient, errUndone, nil, errUndone}}},
			[]windrow.State{ok, ok, ok, ok}, [][]string{{"update a", "get a", "update b", "get b"}, {"get b"}, {"update a"}, {"get a"}},
		},
		{
			"overtaken", []string{"update a", "delete a", "get b"}, []refusal{{each: []error{transient, nil, nil}}},
			[]windrow.State{bad, ok, ok}, [][]string{{"update a", "delete a", "get b"}},
		},
		{
			"overtaken by the third", []string{"update a", "get a", "delete a"}, []refusal{{each: []error{throttled, nil, nil}}},
			[]windrow.State{bad, ok, ok}, [][]string{{"update a", "get a", "delete a"}},
		},
		{
			"nobody knows, and overtaken", []string{"update a", "delete a"}, []refusal{{each: []error{windrow.Ambiguous(errServer), nil}}},
			[]windrow.State{lose, ok}, [][]string{{"update a", "delete a"}},
		},
		{
			"a read overtakes nothing", []string{"update a", "get a"}, []refusal{{each: []error{transient, nil}}},
			[]windrow.State{ok, ok}, [][]string{{"update a", "get a"}, {"update a"}},
		},
		{
			"a read is not overtaken", []string{"get a", "update a"}, []refusal{{each: []error{transient, nil}}},
			[]windrow.State{ok, ok}, [][]string{{"get a", "update a"}, {"get a"}},
		},
		{
			"refused", []string{"update a", "get a", "delete a"}, []refusal{{each: []error{errServer, nil, nil}}},
			[]windrow.State{bad, ok, ok}, [][]string{{"update a", "get a", "delete a"}},
		},
		{
			"all refused as a whole", []string{"update a", "get a", "update b", "get b"}, []refusal{{err: errServer}, {err: errServer}},
			[]windrow.State{bad, ok, ok, ok}, [][]string{{"update a", "get a", "update b", "get b"}, {"update a"}, {"update b"}, {"get a"}, {"get b"}},
		},
		{
			"the bad one is named", []string{"update a", "get a", "update b", "get b"}, []refusal{{err: badIndex(1)}},
			[]windrow.State{bad, ok, ok, ok}, [][]string{{"update a", "get a", "update b", "get b"}, {"get a", "update b", "get b"}},
		},
		{
			"too large", []string{"update a", "get a", "update b", "get b"}, []refusal{{err: windrow.TooLarge(errServer, 2)}},
			[]windrow.State{ok, ok, ok, ok}, [][]string{{"update a", "get a", "update b", "get b"}, {"update a", "update b"}, {"get a"}, {"get b"}},
		},
		{
			"throttled", []string{"update a", "get a"}, []refusal{{err: throttled}},
			[]windrow.State{ok, ok}, [][]string{{"update a", "get a"}, {"update a", "get a"}},
		},
		{
			"throttled twice, from a fresh window", []string{"update a", "get a", "update b"}, []refusal{{err: throttled}, {err: throttled}, {err: throttled}},
			[]windrow.State{ok, ok, ok}, [][]string{{"update a", "get a", "update b"}, {"update a", "get a", "update b"}, {"update a", "get a", "update b"}, {"update a"}, {"update b"}, {"get a"}},
		},
		{
			"lost", []string{"update a", "get a"}, []refusal{{err: windrow.Ambiguous(errServer)}},
			[]windrow.State{ok, ok}, [][]string{{"update a", "get a"}, {"update a"}, {"get a"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, nil)
				answers(f, tt.script...)
				res, err := mixed.Run(t.Context(), &executor{client: client{f, ordered}}, operations(tt.in...), windrow.Concurrency(1), fastRetries)
				checkAccounts(t, len(tt.in), res, err)
				var got []windrow.State
				for r := range res.All() {
					got = append(got, r.State)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("states (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.calls, f.requests()); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Long chains of one record's operations fill requests, and stay in order.
func TestChainsFillRequests(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	var in []string
	for range 10 {
		in = append(in, "update a", "update b")
	}
	e := &executor{client: client{f, windrow.Capabilities{Ordered: true, MaxItems: 8}}}
	res, err := mixed.Run(t.Context(), e, operations(in...), windrow.Concurrency(1))
	checkAccounts(t, 20, res, err)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.calls); n > 4 {
		t.Errorf("%d requests", n)
	}
}

// A run of operations can be stored and taken up again.
func TestRerunOfOperations(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	answers(f, refusal{err: windrow.Fatal(errServer)})
	p := mixed.NewProcessor(&executor{client: client{f, windrow.Capabilities{MaxItems: 1}}}, windrow.Concurrency(1))
	res, err := p.Run(t.Context(), operations("create a", "delete b"))
	if !errors.Is(err, windrow.ErrFatal) {
		t.Fatal(err)
	}
	text, err := res.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var back windrow.BulkResult[mixed.Operation, any]
	if err := back.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	again, err := p.Rerun(t.Context(), &back)
	if err != nil || again.Stats().Succeeded != 2 {
		t.Errorf("%+v, %v", again.Stats(), err)
	}
	if diff := cmp.Diff([][]string{{"create a"}, {"create a"}, {"delete b"}}, f.requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
