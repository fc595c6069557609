package windrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/mixed"
)

// large are values that a float64 does not hold.
func large() []map[string]any {
	return []map[string]any{
		{"n": int64(1<<53 + 1), "list": []any{uint64(math.MaxUint64), "text"}},
		{"n": int64(-1<<53 - 1), "price": 0.1, "deep": map[string]any{"n": json.Number("12345678901234567890.10")}},
		{"n": int64(math.MaxInt64), "huge": 1e300},
	}
}

func textOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// overJSON runs three items, of which the second stops the run, stores the result, and runs what was read back. It checks
// that what is sent then is what was sent first.
func overJSON[In, Out any](t *testing.T, items []In, processor func(send func(v any) error) *windrow.BatchProcessor[In, Out]) *windrow.BulkResult[In, Out] {
	t.Helper()
	var sent []string
	stop := true
	p := processor(func(v any) error {
		sent = append(sent, textOf(t, v))
		if len(sent) == 2 && stop {
			return windrow.Fatal(errServer)
		}
		return nil
	})
	res, err := p.Run(t.Context(), items)
	if !errors.Is(err, windrow.ErrFatal) || res.Stats().NotAttempted != 1 {
		t.Fatalf("%+v, %v", res.Stats(), err)
	}
	stored := textOf(t, res)
	back := new(windrow.BulkResult[In, Out])
	if err := json.Unmarshal([]byte(stored), back); err != nil {
		t.Fatal(err)
	}
	if again := textOf(t, back); again != stored {
		t.Errorf("stored again: %s\nwant          %s", again, stored)
	}
	last, err := p.Rerun(t.Context(), back)
	if err != nil || last.Stats().Succeeded != 3 {
		t.Fatalf("after Rerun: %+v, %v", last.Stats(), err)
	}
	if len(sent) != 4 || sent[2] != sent[1] {
		t.Fatalf("sent %q", sent)
	}
	for i, text := range []string{sent[0], sent[2], sent[3]} {
		if !strings.Contains(text, []string{"9007199254740993", "-9007199254740993", "9223372036854775807"}[i]) {
			t.Errorf("sent for item %d: %s", i, text)
		}
		if got, want := textOf(t, last.At(i).Input), textOf(t, items[i]); got != want {
			t.Errorf("input %d: %s, want %s", i, got, want)
		}
	}
	return last
}

// Numbers above 2^53 in results that were stored come back as they were, and are sent again as they were, by every verb.
func TestF77_NumbersInStoredResults(t *testing.T) {
	t.Parallel()
	one := windrow.Concurrency(1)
	type object = map[string]any
	serve := func(send func(any) error) func(context.Context, object) (object, error) {
		return func(_ context.Context, in object) (object, error) { return in, send(in) }
	}
	t.Run("create", func(t *testing.T) {
		res := overJSON(t, large(), func(send func(any) error) *windrow.BatchProcessor[object, object] {
			return windrow.NewCreateProcessor(windrow.CreateFunc(serve(send)), one)
		})
		for i, item := range large() {
			if got, want := textOf(t, res.At(i).Value), textOf(t, item); got != want {
				t.Errorf("value %d: %s, want %s", i, got, want)
			}
		}
	})
	t.Run("upsert", func(t *testing.T) {
		overJSON(t, large(), func(send func(any) error) *windrow.BatchProcessor[object, object] {
			return windrow.NewUpsertProcessor(windrow.UpsertFunc(serve(send)), one)
		})
	})
	t.Run("do", func(t *testing.T) {
		overJSON(t, large(), func(send func(any) error) *windrow.BatchProcessor[object, object] {
			return windrow.NewBatchProcessor(serve(send), one)
		})
	})
	t.Run("update", func(t *testing.T) {
		var items []windrow.Update[any, object]
		for i, item := range large() {
			items = append(items, windrow.Update[any, object]{ID: int64(1<<60 + i), Data: item})
		}
		res := overJSON(t, items, func(send func(any) error) *windrow.BatchProcessor[windrow.Update[any, object], any] {
			return windrow.NewUpdateProcessor(windrow.UpdateFunc(func(_ context.Context, id any, in object) (any, error) {
				return id, send([]any{id, in})
			}), one)
		})
		for i := range items {
			if got, want := textOf(t, res.At(i).Value), textOf(t, items[i].ID); got != want || res.At(i).Key != want {
				t.Errorf("value %d: %s, key %s, want %s", i, got, res.At(i).Key, want)
			}
		}
	})
	ids := []any{int64(1<<53 + 1), int64(-1<<53 - 1), int64(math.MaxInt64)}
	t.Run("delete", func(t *testing.T) {
		overJSON(t, ids, func(send func(any) error) *windrow.BatchProcessor[any, struct{}] {
			return windrow.NewDeleteProcessor(windrow.DeleteFunc(func(_ context.Context, id any) error { return send(id) }), one)
		})
	})
	t.Run("get", func(t *testing.T) {
		overJSON(t, ids, func(send func(any) error) *windrow.BatchProcessor[any, any] {
			return windrow.NewGetProcessor(windrow.GetFunc(func(_ context.Context, id any) (any, error) { return object{"id": id}, send(id) }), one)
		})
	})
	t.Run("execute", func(t *testing.T) {
		items := []mixed.Operation{
			{Kind: windrow.OpCreate, Resource: "r", Data: large()[0]},
			{Kind: windrow.OpUpdate, Resource: "r", ID: "7", Data: large()[1]},
			{Kind: windrow.OpUpsert, Resource: "r", ExternalID: "x", Data: large()[2]},
		}
		res := overJSON(t, items, func(send func(any) error) *windrow.BatchProcessor[mixed.Operation, any] {
			return mixed.NewProcessor(executeFunc(func(ops []mixed.Operation) ([]windrow.Outcome[any], error) {
				return []windrow.Outcome[any]{{Value: ops[0].Data}}, send(ops)
			}), one, windrow.BatchSize(1))
		})
		for i, item := range large() {
			if got, want := textOf(t, res.At(i).Value), textOf(t, item); got != want {
				t.Errorf("value %d: %s, want %s", i, got, want)
			}
		}
	})
	t.Run("execute with clients of one type", func(t *testing.T) {
		items := []mixed.Operation{
			{Kind: windrow.OpCreate, Resource: "notes", Data: note{N: 1<<53 + 1}},
			{Kind: windrow.OpUpdate, Resource: "notes", ID: "7", Data: note{N: -1<<53 - 1, More: object{"n": int64(1<<53 + 1)}}},
			{Kind: windrow.OpUpsert, Resource: "notes", Data: note{N: math.MaxInt64}},
		}
		res := overJSON(t, items, func(send func(any) error) *windrow.BatchProcessor[mixed.Operation, any] {
			return mixed.NewProcessor(mixed.Clients{"notes": mixed.ClientOf[note, noteMade](notes{send})}, one)
		})
		for i := range items {
			data, inTypes := res.At(i).Input.Data.(note)
			value, outTypes := res.At(i).Value.(noteMade)
			if !inTypes || !outTypes || value.N != data.N {
				t.Errorf("item %d: %#v, %#v", i, res.At(i).Input.Data, res.At(i).Value)
			}
		}
	})
}

// executeFunc is an Executor.
type executeFunc func([]mixed.Operation) ([]windrow.Outcome[any], error)

func (f executeFunc) Execute(_ context.Context, ops []mixed.Operation) ([]windrow.Outcome[any], error) {
	return f(ops)
}

type note struct { // in the order in which a map would be written
	More map[string]any
	N    int64
}

type noteMade struct{ N int64 }

// notes is a client of records of these types.
type notes struct{ send func(any) error }

func (c notes) Create(_ context.Context, in note) (noteMade, error) {
	return noteMade{in.N}, c.send(in)
}
func (c notes) Update(_ context.Context, _ string, in note) (noteMade, error) {
	return noteMade{in.N}, c.send(in)
}
func (c notes) Upsert(_ context.Context, in note) (noteMade, error) {
	return noteMade{in.N}, c.send(in)
}

// What does not fit into the type of the client is refused by its index, as ever, and a result of operations on several
// resources takes up each with its own types.
func TestF77_StoredOperationsOfAnotherType(t *testing.T) {
	t.Parallel()
	stored := `{"operation":"execute","run_id":"r","stats":{},"items":[
		{"index":0,"state":"not_attempted","attempts":0,"elapsed_ns":0,"input":{"kind":"create","resource":"notes","data":{"N":"text"}}},
		{"index":1,"state":"not_attempted","attempts":0,"elapsed_ns":0,"input":{"kind":"create","resource":"names","data":"text"}},
		{"index":2,"state":"not_attempted","attempts":0,"elapsed_ns":0,"input":{"kind":"delete","resource":"names","id":"7"}},
		{"index":3,"state":"not_attempted","attempts":0,"elapsed_ns":0,"input":{"kind":"get","resource":"none","id":"7"}}]}`
	var back windrow.BulkResult[mixed.Operation, any]
	if err := json.Unmarshal([]byte(stored), &back); err != nil {
		t.Fatal(err)
	}
	f := newFake(t, nil)
	p := mixed.NewProcessor(mixed.Clients{
		"notes": mixed.ClientOf[note, noteMade](notes{func(any) error { return nil }}),
		"names": mixed.ClientOf[string, string](verbs{client: client{fake: f}}),
	})
	res, err := p.Rerun(t.Context(), &back)
	checkAccounts(t, 4, res, err)
	if got := res.At(0); got.State != windrow.Failed || got.Err.Error() != "Data: is a map[string]interface {}, want windrow_test.note" {
		t.Errorf("item 0: %v, %v", got.State, got.Err)
	}
	if res.At(1).State != windrow.Succeeded || res.At(2).State != windrow.Succeeded || res.At(3).State != windrow.Failed {
		t.Errorf("%v, %v, %v", res.At(1).State, res.At(2).State, res.At(3).State)
	}
}

// A job on the server that has not ended is in the stored form too: a Rerun asks for it, and does not submit it again.
func TestF77_OpenJobsInStoredResults(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			submits, ended := 0, false
			job := func(ctx context.Context) error {
				_, err := clients.SubmitAndPoll(ctx, clients.PollPolicy{Deadline: time.Minute}, func(context.Context) (string, error) {
					submits++
					return "job-9", nil
				}, func(_ context.Context, handle string) (int, error) {
					if handle != "job-9" || !ended {
						return 0, clients.Pending(0)
					}
					return 1, nil
				})
				return err
			}
			f := newFake(t, func(c *call) error { return job(c.ctx) })
			f.batch = func(c *call) ([]windrow.Outcome[string], error) { return outcomes(c.ids), job(c.ctx) }
			var c windrow.Creator[string, string] = client{fake: f}
			if bulk {
				c = bulkClient{client{fake: f}}
			}
			p := windrow.NewCreateProcessor(c)
			in := ids(1 + 2*bit(bulk))
			res, err := p.Run(t.Context(), in)
			checkAccounts(t, len(in), res, err)
			if s := res.Stats(); s.Unknown != len(in) {
				t.Fatalf("%+v, %v", s, err)
			}
			var back windrow.BulkResult[string, string]
			if err := json.Unmarshal([]byte(textOf(t, res)), &back); err != nil {
				t.Fatal(err)
			}
			ended = true
			again, err := p.Rerun(t.Context(), &back)
			if err != nil || again.Stats().Succeeded != len(in) || submits != 1 {
				t.Errorf("bulk %t: %+v, %v, %d submits", bulk, again.Stats(), err, submits)
			}
		})
	}
	for stored, want := range map[string]string{
		`{"items":[],"open":[{"items":[0],"handle":"j"}]}`:                                    "windrow: open request 0 of the JSON names item 0, and there are 0",
		`{"items":[],"open":[{"items":[-1],"handle":"j"}]}`:                                   "windrow: open request 0 of the JSON names item -1, and there are 0",
		`{"items":[],"open":[{"items":[],"handle":"j"}]}`:                                     "windrow: open request 0 of the JSON names no item that is unknown",
		`{"items":[{"index":0,"state":"not_attempted"}],"open":[{"items":[0],"handle":"j"}]}`: "windrow: open request 0 of the JSON names no item that is unknown",
	} {
		var back windrow.BulkResult[string, string]
		if err := json.Unmarshal([]byte(stored), &back); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", stored, err, want)
		}
	}
}

// What a limiter and a run tell of themselves has a JSON form, whatever it is.
func TestF77_JSONOfLimiterStatsAndProgress(t *testing.T) {
	t.Parallel()
	until := time.Date(2031, 5, 6, 7, 8, 9, 10, time.UTC)
	for text, v := range map[string]any{
		`{"concurrency":4,"in_flight":0,"waiting":0,"burst":1,"paused":false,"probing":false,"throttled":0,"throttled_ns":0,"learned":{},"why":"","rate":null,"paused_until":null}`:                                                                                                                                                new(windrow.Limiter).Stats(),
		`{"concurrency":1,"in_flight":2,"waiting":3,"burst":4,"paused":true,"probing":true,"throttled":5,"throttled_ns":6,"learned":{"concurrency":7,"refused":8,"rate":9.5,"quota":10,"window_ns":11,"ends":"2031-05-06T07:08:09.00000001Z","left":3},"why":"because","rate":0.5,"paused_until":"2031-05-06T07:08:09.00000001Z"}`: windrow.LimiterStats{Concurrency: 1, InFlight: 2, Waiting: 3, Rate: 0.5, Burst: 4, Paused: true, PausedUntil: until, Probing: true, Throttled: 5, ThrottledFor: 6, Why: "because", Learned: windrow.Learned{Concurrency: 7, Refused: 8, Rate: 9.5, Quota: 10, Window: 11, Ends: until, Left: 3}},
		`{"done":9,"succeeded":4,"skipped":3,"failed":2,"unknown":1,"rate":2.5,"paused_ns":3,"total":4,"eta_ns":5}`:                                                                                                                                                                                                                windrow.Progress{Done: 9, Succeeded: 4, Skipped: 3, Failed: 2, Unknown: 1, Rate: 2.5, Paused: 3, Total: 4, ETA: 5},
		`{"done":1,"failed":0,"rate":0,"paused_ns":0,"total":null,"eta_ns":null}`:                                                                                                                                                                                                                                                  windrow.Progress{Done: 1, Total: -1, ETA: -1},
		`{"done":0,"failed":0,"rate":0,"paused_ns":0,"total":0,"eta_ns":0}`:                                                                                                                                                                                                                                                        windrow.Progress{},
	} {
		if got := textOf(t, v); !sameFields(t, text, got) {
			t.Errorf("%s\nwant %s", got, text)
		}
		back := reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal([]byte(textOf(t, v)), back.Interface()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(v, back.Elem().Interface()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for _, into := range []any{new(windrow.LimiterStats), new(windrow.Progress)} {
		if err := json.Unmarshal([]byte(`{"rate":"fast"}`), into); err == nil {
			t.Errorf("a %T takes what is no number", into)
		}
		// Each field has a name in the form, and no two the same.
		names := map[string]bool{}
		for f := range reflect.TypeOf(into).Elem().Fields() {
			name := f.Tag.Get("json")
			if name == "" || names[name] || strings.ToLower(name) != name {
				t.Errorf("the field %s of a %T has the name %q", f.Name, into, name)
			}
			names[name] = true
		}
	}
}

// sameFields reports whether a JSON object has the fields of another one, with their values.
func sameFields(t testing.TB, want, got string) bool {
	t.Helper()
	var w, g map[string]any
	if err := errors.Join(json.Unmarshal([]byte(want), &w), json.Unmarshal([]byte(got), &g)); err != nil {
		t.Fatal(err)
	}
	for name, value := range w {
		if v, there := g[name]; !there || !reflect.DeepEqual(v, value) {
			return false
		}
	}
	return true
}
