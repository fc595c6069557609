package windrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	errTaken = errors.New("slug is taken")
	errReset = errors.New("connection reset")
	errToken = errors.New("the token has expired")
)

// fiveStates makes a run in which the items i0 to i6 end in all five states, one after the other, a second each.
func fiveStates(t *testing.T, opts ...windrow.Option) (*windrow.BatchProcessor[string, string], *windrow.BulkResult[string, string], error) {
	t.Helper()
	f := newFake(t, func(c *call) error {
		time.Sleep(time.Second)
		switch c.id() {
		case "i1":
			return windrow.Classified(errTaken, windrow.Classification{Kind: windrow.KindValidation})
		case "i2":
			return windrow.Ambiguous(errReset)
		case "i3":
			return clients.Skip(windrow.ReasonAlreadyExists)
		case "i4":
			if c.nth == 1 {
				return windrow.Transient(errReset)
			}
		case "i5":
			return windrow.Fatal(errToken)
		}
		return nil
	})
	p := windrow.NewCreateProcessor[string, string](client{fake: f}, append(opts, windrow.PreserveOrder(),
		windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Minute)}))...)
	p.Key = func(id string) string { return "key-" + id }
	res, err := p.Run(t.Context(), ids(7))
	checkAccounts(t, 7, res, err)
	return p, res, err
}

// brief is a result without what a test is not about.
func brief[In, Out any](r windrow.Result[In, Out]) string {
	return fmt.Sprintf("%d %v %v", r.Index, r.State, r.Input)
}

func TestResultAccessors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, res, _ := fiveStates(t)
		all := []string{
			"0 succeeded i0", "1 failed i1", "2 unknown i2", "3 skipped i3", "4 succeeded i4", "5 failed i5", "6 not_attempted i6",
		}
		for _, tt := range []struct {
			name string
			got  []windrow.Result[string, string]
			want []string
		}{
			{"All", slices.Collect(res.All()), all},
			{"Results", slices.Collect(res.All()), all},
			{"Succeeded", slices.Collect(res.Succeeded()), []string{all[0], all[4]}},
			{"Failed", slices.Collect(res.Failed()), []string{all[1], all[5]}},
			{"Skipped", slices.Collect(res.Skipped()), []string{all[3]}},
			{"NotAttempted", slices.Collect(res.NotAttempted()), []string{all[6]}},
			{"Unknown", slices.Collect(res.Unknown()), []string{all[2]}},
			{"All in two states", slices.Collect(res.All(windrow.Unknown, windrow.Failed)), []string{all[1], all[2], all[5]}},
			{"Results in two states", slices.Collect(res.All(windrow.Unknown, windrow.Skipped)), []string{all[2], all[3]}},
		} {
			var got []string
			for _, r := range tt.got {
				got = append(got, brief(r))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
		if diff := cmp.Diff([]string{"value of i0", "value of i4"}, res.Values()); diff != "" {
			t.Errorf("Values (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(ids(7), res.Inputs()); diff != "" {
			t.Errorf("Inputs (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"i1", "i5", "i6"}, res.Inputs(windrow.Failed, windrow.NotAttempted)); diff != "" {
			t.Errorf("Inputs in two states (-want +got):\n%s", diff)
		}
		if res.Len() != 7 {
			t.Errorf("Len %d", res.Len())
		}
		want := windrow.RunStats{
			Total: 7, Succeeded: 2, Failed: 2, Skipped: 1, NotAttempted: 1, Unknown: 1,
			Requests: 7, Retries: 1, Elapsed: 67 * time.Second,
		}
		if diff := cmp.Diff(want, res.Stats()); diff != "" {
			t.Errorf("Stats (-want +got):\n%s", diff)
		}
		if got := res.Stats().ItemsPerSecond(); got != 6.0/67 {
			t.Errorf("%v items a second, want 6 in 67 s", got)
		}
	})
}

func TestResultFields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, res, _ := fiveStates(t)
		want := []windrow.Result[string, string]{
			{Index: 0, Input: "i0", Key: "key-i0", State: windrow.Succeeded, Value: "value of i0", Attempts: 1, Elapsed: time.Second},
			{Index: 1, Input: "i1", Key: "key-i1", State: windrow.Failed, Err: errTaken, Kind: windrow.KindValidation, Attempts: 1, Elapsed: time.Second},
			{Index: 2, Input: "i2", Key: "key-i2", State: windrow.Unknown, Err: errReset, Attempts: 1, Elapsed: time.Second},
			{Index: 3, Input: "i3", Key: "key-i3", State: windrow.Skipped, Reason: windrow.ReasonAlreadyExists, Value: "nothing", Attempts: 1, Elapsed: time.Second},
			{Index: 4, Input: "i4", Key: "key-i4", State: windrow.Succeeded, Value: "value of i4", Attempts: 2, Elapsed: 62 * time.Second},
			{Index: 5, Input: "i5", Key: "key-i5", State: windrow.Failed, Resend: true, Err: errToken, Attempts: 1, Elapsed: time.Second},
			{Index: 6, Input: "i6", Key: "key-i6", State: windrow.NotAttempted, Err: windrow.ErrNotAttempted},
		}
		if diff := cmp.Diff(want, slices.Collect(res.All()), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[4], res.At(4), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("At(4) (-want +got):\n%s", diff)
		}
		for _, index := range []int{-1, 7} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("At(%d) of 7 results did not panic", index)
					}
				}()
				res.At(index)
			}()
		}
	})
}

// What a batch says of its items arrives in their results: values, reasons, warnings.
func TestResultsOfABatch(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil)
	f.batch = func(c *call) ([]windrow.Outcome[string], error) {
		return []windrow.Outcome[string]{
			{Value: "v0", Warnings: []string{"field 'rank' was dropped"}},
			{Value: "as it was", Reason: windrow.ReasonUnchanged, Warnings: []string{"deprecated"}},
			{Err: errTaken},
		}, nil
	}
	res, err := windrow.UpsertMany(t.Context(), bulkClient{client{fake: f}}, ids(3))
	checkAccounts(t, 3, res, err)
	want := []windrow.Result[string, string]{
		{Index: 0, Input: "i0", State: windrow.Succeeded, Value: "v0", Warnings: []string{"field 'rank' was dropped"}, Attempts: 1},
		{Index: 1, Input: "i1", State: windrow.Skipped, Reason: windrow.ReasonUnchanged, Value: "as it was", Warnings: []string{"deprecated"}, Attempts: 1},
		{Index: 2, Input: "i2", State: windrow.Failed, Err: errTaken, Attempts: 1},
	}
	ignore := cmpopts.IgnoreFields(windrow.Result[string, string]{}, "Elapsed")
	if diff := cmp.Diff(want, slices.Collect(res.All()), cmpopts.EquateErrors(), ignore); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

// What the server warns of an item is kept also when the item failed.
func TestWarningsOfAFailure(t *testing.T) {
	t.Parallel()
	p := &windrow.BatchProcessor[string, string]{Batch: func(context.Context, []string) ([]windrow.Outcome[string], error) {
		return []windrow.Outcome[string]{{Err: errTaken, Warnings: []string{"see the log"}}}, nil
	}}
	res, _ := p.Run(t.Context(), ids(1))
	if diff := cmp.Diff([]string{"see the log"}, res.At(0).Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestIteratorsStopEarly(t *testing.T) {
	t.Parallel()
	res, err := windrow.CreateMany(t.Context(), client{fake: newFake(t, nil)}, ids(100))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for r := range res.All() {
		if seen++; r.Index == 2 {
			break
		}
	}
	for range res.All(windrow.Succeeded) {
		seen++
		break
	}
	if seen != 4 {
		t.Errorf("%d results seen, want 3 and 1", seen)
	}
	for range 2 { // they can be ranged over again
		if n := len(slices.Collect(res.Succeeded())); n != 100 {
			t.Errorf("%d results", n)
		}
	}
}

func TestAZeroResult(t *testing.T) {
	t.Parallel()
	var res windrow.BulkResult[string, string]
	if res.Len() != 0 || res.Err() != nil || len(res.Values()) != 0 || len(res.Inputs()) != 0 || len(slices.Collect(res.All())) != 0 || res.Stats() != (windrow.RunStats{}) {
		t.Errorf("a zero result holds something: %+v", res.Stats())
	}
	data, err := json.Marshal(&res)
	if err != nil || !strings.Contains(string(data), `"items":[]`) {
		t.Errorf("JSON %s, error %v", data, err)
	}
	if got := (windrow.RunStats{Total: 5, Succeeded: 5}).ItemsPerSecond(); got != 0 {
		t.Errorf("%v items a second in no time, want 0", got)
	}
}

// The JSON form is a contract: a change of the golden file is a change for everybody who stores results.
func TestResultJSON(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "result.golden.json")
	var got []byte
	synctest.Test(t, func(t *testing.T) {
		_, res, _ := fiveStates(t)
		res.Correct(1, "i1, corrected")
		data, err := json.MarshalIndent(res, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(regexp.MustCompile(`("run_id"|"idempotency_scope"): "[0-9a-f]{24}"`).ReplaceAll(data, []byte(`$1: "000102030405060708090a0b"`)), '\n')
	})
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}

	// And back again, without a loss.
	var back windrow.BulkResult[string, string]
	if err := json.Unmarshal(want, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(&back, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(again)+"\n"); diff != "" {
		t.Errorf("after reading it back (-want +got):\n%s", diff)
	}
}

// A result that was stored and read back serves as well as the first: for reports, for errors, and for Rerun.
func TestResultFromJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, res, err := fiveStates(t)
		data, jsonErr := json.Marshal(res)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		back := new(windrow.BulkResult[string, string])
		if err := json.Unmarshal(data, back); err != nil {
			t.Fatal(err)
		}
		texts := cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if diff := cmp.Diff(slices.Collect(res.All()), slices.Collect(back.All()), texts); diff != "" {
			t.Errorf("results (-first +read back):\n%s", diff)
		}
		if diff := cmp.Diff(res.Stats(), back.Stats()); diff != "" {
			t.Errorf("stats (-first +read back):\n%s", diff)
		}
		if back.Err() == nil || back.Err().Error() != err.Error() {
			t.Errorf("error %v\nwant  %v", back.Err(), err)
		}
		var first, second strings.Builder
		_, _ = res.Summary(&first), back.Summary(&second)
		if diff := cmp.Diff(first.String(), second.String()); diff != "" {
			t.Errorf("summary (-first +read back):\n%s", diff)
		}

		f := newFake(t, nil)
		p := windrow.NewCreateProcessor[string, string](client{f, windrow.Capabilities{IdempotencyKeys: true}}, windrow.PreserveOrder())
		again, err := p.Rerun(t.Context(), back)
		checkAccounts(t, 7, again, err)
		// The refused item stays; the unknown one is repeated, first, since the client sends idempotency keys.
		if diff := cmp.Diff([]string{"i2", "i5", "i6"}, f.order()); diff != "" {
			t.Errorf("sent again (-want +got):\n%s", diff)
		}
		want := []string{
			"0 succeeded i0", "1 failed i1", "2 succeeded i2", "3 skipped i3", "4 succeeded i4", "5 succeeded i5", "6 succeeded i6",
		}
		var got []string
		for r := range again.All() {
			got = append(got, brief(r))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after Rerun (-want +got):\n%s", diff)
		}
	})
}

// A create whose answer was lost is repeated under the key of its first attempt, also by another process.
func TestIdempotencyKeysSurviveJSON(t *testing.T) {
	t.Parallel()
	var keys []string
	f := newFake(t, func(c *call) error {
		keys = append(keys, c.attempt.IdempotencyKey())
		if c.nth == 1 {
			return windrow.Ambiguous(errReset)
		}
		return nil
	})
	processor := func() *windrow.BatchProcessor[string, string] {
		return windrow.NewCreateProcessor[string, string](client{f, windrow.Capabilities{IdempotencyKeys: true}},
			windrow.PreserveOrder(), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}))
	}
	res, _ := processor().Run(t.Context(), ids(3))
	if s := res.Stats(); s.Unknown != 3 {
		t.Fatalf("%+v, want 3 unknown", s)
	}
	data, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	back := new(windrow.BulkResult[string, string])
	if err := json.Unmarshal(data, back); err != nil {
		t.Fatal(err)
	}
	if _, err := processor().Rerun(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys[:3], keys[3:]); diff != "" {
		t.Errorf("keys (-first run +second):\n%s", diff)
	}
}

func TestBadJSONIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ data, want string }{
		{`{"items": 3}`, "json: cannot unmarshal number"},
		{`{"items": [{"index": 1, "state": "succeeded", "input": "secret"}]}`, "windrow: item 0 of the JSON has index 1"},
		{`{"items": [{"index": 0, "state": "failed", "input": "secret"}]}`, "windrow: item 0 of the JSON is failed and has no error"},
		{`{"items": [{"index": 0, "state": "secret"}]}`,
			"windrow: unknown state, want one of not_attempted, succeeded, failed, skipped, unknown"},
		{`{"operation": "secret"}`, "windrow: unknown operation, want one of do, create, update, upsert, delete, get"},
	} {
		var res windrow.BulkResult[string, string]
		err := json.Unmarshal([]byte(tt.data), &res)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %s", tt.data, err, tt.want)
		}
		if res.Len() != 0 {
			t.Errorf("%s: %d results", tt.data, res.Len())
		}
	}
}

func TestNamesAreTexts(t *testing.T) {
	t.Parallel()
	type names struct {
		States  []windrow.State
		Reasons []windrow.Reason
		Kinds   []windrow.ErrorKind
		Ops     []windrow.OpKind
	}
	want := names{
		[]windrow.State{windrow.NotAttempted, windrow.Succeeded, windrow.Failed, windrow.Skipped, windrow.Unknown},
		[]windrow.Reason{windrow.NoReason, windrow.ReasonUnchanged, windrow.ReasonAlreadyExists, windrow.ReasonNotFound, windrow.ReasonDoneBefore, windrow.ReasonDryRun, windrow.ReasonDuplicate},
		[]windrow.ErrorKind{windrow.KindSystem, windrow.KindValidation, windrow.KindResource, windrow.KindTimeout},
		[]windrow.OpKind{windrow.OpDo, windrow.OpCreate, windrow.OpUpdate, windrow.OpUpsert, windrow.OpDelete, windrow.OpGet},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"States":["not_attempted","succeeded","failed","skipped","unknown"],` +
		`"Reasons":["","unchanged","already_exists","not_found","done_before","dry_run","duplicate"],` +
		`"Kinds":["system","validation","resource","timeout"],"Ops":["do","create","update","upsert","delete","get"]}`
	if diff := cmp.Diff(text, string(data)); diff != "" {
		t.Errorf("as JSON (-want +got):\n%s", diff)
	}
	var got names
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("back again (-want +got):\n%s", diff)
	}
	for _, s := range []fmt.Stringer{windrow.State(99), windrow.Reason(99), windrow.ErrorKind(99), windrow.OpKind(99), windrow.Class(99)} {
		if !strings.HasSuffix(s.String(), " 99") {
			t.Errorf("%T(99) is called %q", s, s)
		}
	}
	for _, v := range []interface{ UnmarshalText([]byte) error }{new(windrow.State), new(windrow.Reason), new(windrow.ErrorKind), new(windrow.OpKind)} {
		if err := v.UnmarshalText([]byte("nonsense")); err == nil {
			t.Errorf("%T takes nonsense", v)
		}
	}
}

func TestBulkError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, res, err := fiveStates(t)
		bulk, ok := errors.AsType[*windrow.BulkError](err)
		if !ok {
			t.Fatalf("a %T", err)
		}
		if diff := cmp.Diff(res.Stats(), bulk.Stats); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		var got []string
		for _, item := range bulk.Items() {
			got = append(got, item.Error())
		}
		want := []string{
			`item 1 (key "key-i1") failed: slug is taken`,
			`item 2 (key "key-i2") may have been applied: connection reset`,
			`item 5 (key "key-i5") failed: the token has expired`,
			`item 6 (key "key-i6") was not attempted`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		text := "windrow: the run was stopped: every further call would fail: the token has expired; " +
			"of 7 items 2 failed, 1 unknown, 1 not attempted; first: " + want[0]
		if diff := cmp.Diff(text, err.Error()); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
		for _, target := range []error{errTaken, errReset, errToken, windrow.ErrFatal, windrow.ErrNotAttempted} {
			if !errors.Is(err, target) {
				t.Errorf("the error does not match %v", target)
			}
		}
		if errors.Is(err, windrow.ErrThrottled) || errors.Is(err, context.Canceled) {
			t.Error("the error matches what has not happened")
		}
		item, ok := errors.AsType[*windrow.ItemError](err)
		wantItem := windrow.ItemError{Index: 1, Key: "key-i1", State: windrow.Failed, Kind: windrow.KindValidation, Attempts: 1, Err: errTaken}
		if !ok {
			t.Fatal("no *ItemError in the error")
		}
		if diff := cmp.Diff(wantItem, *item, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("the first item's error (-want +got):\n%s", diff)
		}
		if n := len(bulk.Unwrap()); n != 5 {
			t.Errorf("unwraps to %d errors, want the cause and 4 items", n)
		}
	})
}

func TestBulkErrorTexts(t *testing.T) {
	t.Parallel()
	many := func(n int, states ...windrow.State) windrow.RunStats {
		s := windrow.RunStats{Total: n, Requests: 1}
		for _, state := range states {
			switch state {
			case windrow.Failed:
				s.Failed++
			case windrow.Unknown:
				s.Unknown++
			case windrow.NotAttempted:
				s.NotAttempted++
			}
		}
		return s
	}
	for _, tt := range []struct {
		err  windrow.BulkError
		want string
	}{
		{windrow.BulkError{Stats: many(9, windrow.Failed)}, "windrow: of 9 items 1 failed"},
		{windrow.BulkError{Stats: many(9, windrow.Unknown, windrow.Failed)}, "windrow: of 9 items 1 failed, 1 unknown"},
		{windrow.BulkError{Stats: many(9), Cause: context.Canceled}, "windrow: the run was stopped: context canceled"},
		{windrow.BulkError{Stats: windrow.RunStats{Total: 9, NotAttempted: 9}, Cause: errors.Join(windrow.ErrNilClient, windrow.ErrNilContext)},
			"windrow: nothing was sent: the client is nil: pass a client, or a function that is not nil; " +
				"the context is nil: pass context.Background() if there is no other; of 9 items 9 not attempted"},
	} {
		if diff := cmp.Diff(tt.want, tt.err.Error()); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
		if len(tt.err.Items()) != 0 {
			t.Errorf("a literal has %d items", len(tt.err.Items()))
		}
	}
	for _, tt := range []struct {
		err  windrow.ItemError
		want string
	}{
		{windrow.ItemError{Index: 3, State: windrow.Failed, Err: errTaken}, "item 3 failed: slug is taken"},
		{windrow.ItemError{Index: 3, Key: `a "b"`, State: windrow.Failed, Attempts: 5, Err: errTaken}, `item 3 (key "a \"b\"") failed after 5 attempts: slug is taken`},
		{windrow.ItemError{State: windrow.Unknown, Attempts: 2, Err: errReset}, "item 0 may have been applied after 2 attempts: connection reset"},
		{windrow.ItemError{State: windrow.NotAttempted, Err: windrow.ErrNotAttempted}, "item 0 was not attempted"},
		{windrow.ItemError{State: windrow.Failed, Err: windrow.ErrAttemptTimeout}, "item 0 failed: the attempt took longer than AttemptTimeout"},
		{windrow.ItemError{State: windrow.Failed}, "item 0 failed"},
	} {
		if diff := cmp.Diff(tt.want, tt.err.Error()); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
	}
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		bad := true
		f := newFake(t, func(c *call) error {
			keys = append(keys, c.attempt.IdempotencyKey())
			switch {
			case strings.HasPrefix(c.id(), "bad") && bad:
				return windrow.Permanent(errTaken)
			case c.id() == "lost":
				return windrow.Ambiguous(errReset)
			}
			return nil
		})
		in := []string{"good", "bad", "lost"}
		p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.PreserveOrder())
		p.Key = func(in string) string { return in[:1] } // the same for the corrected input
		first, _ := p.Run(t.Context(), in)
		for index, want := range []bool{false, true, false} {
			if first.Correct(index, "bad again") != want {
				t.Errorf("Correct of an item that is %v reports %t", first.At(index).State, !want)
			}
		}
		if diff := cmp.Diff([]string{"good", "bad", "lost"}, in); diff != "" {
			t.Errorf("the caller's slice (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"good", "bad again", "lost"}, first.Inputs()); diff != "" {
			t.Errorf("the result's inputs (-want +got):\n%s", diff)
		}
		second, _ := p.Rerun(t.Context(), first)
		if second.At(1).State != windrow.Failed || second.At(1).Attempts != 2 {
			t.Fatalf("after the first correction: %+v", second.At(1))
		}

		// A result does not share its corrections with the one it came from.
		second.Correct(1, "better")
		if got := first.At(1).Input; got != "bad again" {
			t.Errorf("the earlier result has the later correction: %s", got)
		}
		// Nor does storing it lose that something was corrected, and how often.
		data, err := json.Marshal(second)
		if err != nil {
			t.Fatal(err)
		}
		second = new(windrow.BulkResult[string, string])
		if err := json.Unmarshal(data, second); err != nil {
			t.Fatal(err)
		}
		third, err := p.Rerun(t.Context(), second)
		checkAccounts(t, 3, third, err)
		if third.At(1).State != windrow.Succeeded || third.At(1).Input != "better" || third.At(1).Attempts != 3 {
			t.Errorf("after the second correction: %+v", third.At(1))
		}
		// A corrected input is another request: under the old key a server would answer as it did before.
		if n := len(slices.Compact(slices.Sorted(slices.Values(keys)))); n != 5 {
			t.Errorf("idempotency keys %q, want 5 different ones", keys)
		}
		defer func() {
			if recover() == nil {
				t.Error("Correct of an item that is not there did not panic")
			}
		}()
		third.Correct(3, "x")
	})
}

// An item that is not sent again in a Rerun keeps its outcome and, when it was corrected, its correction.
func TestCorrectSurvivesARunThatIsStopped(t *testing.T) {
	t.Parallel()
	p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, func(c *call) error {
		if c.id() == "bad" {
			return windrow.Permanent(errTaken)
		}
		return nil
	})})
	res, _ := p.Run(t.Context(), []string{"good", "bad"})
	res.Correct(1, "corrected")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	res, err := p.Rerun(ended, res)
	checkAccounts(t, 2, res, err)
	if r := res.At(1); r.State != windrow.Failed || !errors.Is(r.Err, errTaken) || r.Attempts != 1 {
		t.Errorf("after a Rerun that did nothing: %+v, want the earlier outcome", r)
	}
	if res, err = p.Rerun(t.Context(), res); err != nil || res.Values()[1] != "value of corrected" {
		t.Errorf("after one that ran: %v, error %v", res.Values(), err)
	}
}

// What was skipped as another's duplicate is sent when it was corrected.
func TestCorrectASkippedItem(t *testing.T) {
	t.Parallel()
	p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil)}, windrow.Duplicates(windrow.KeepFirst))
	p.Key = func(in string) string { return in }
	res, err := p.Run(t.Context(), []string{"a", "a"})
	if err != nil || !res.Correct(1, "b") {
		t.Fatalf("error %v, or the skipped item cannot be corrected", err)
	}
	if res, err = p.Rerun(t.Context(), res); err != nil || res.Stats().Succeeded != 2 {
		t.Errorf("%+v, error %v, want both succeeded", res.Stats(), err)
	}
}

// Who changes the values that he was given does not change the result.
func TestValuesAreACopy(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{-1, 1} { // none, or one in the middle
		do := func(_ context.Context, in int) (int, error) {
			if in == bad {
				return 0, windrow.Permanent(errors.New("bad"))
			}
			return in + 10, nil
		}
		res, _ := windrow.NewBatchProcessor(do).Run(t.Context(), []int{0, 1, 2})
		values := res.Values()
		clear(values)
		if got := res.At(2).Value; got != 12 || values == nil {
			t.Errorf("item %d failed: the value of item 2 is %d, want 12", bad, got)
		}
	}
}
