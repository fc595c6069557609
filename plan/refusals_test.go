package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/plan"
)

func TestUpdatesStops(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	some := windrow.FromSlice([]article{{ID: "a", Title: "secret"}, {ID: "b", Title: "secret"}})
	broken := func(yield func(article, error) bool) { _ = yield(article{ID: "a"}, nil) && yield(article{}, boom) }
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(boom)
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		source iter.Seq2[article, error]
		id     func(article) string
		change func(article) (article, error)
		opts   []plan.Option
		is     error
		text   string
	}{
		{name: "source", source: broken, is: boom, text: "plan: read record 1: boom"},
		{name: "change", change: func(a article) (article, error) { return a, boom }, is: boom, text: "plan: record 0, id a: change: boom"},
		{name: "no id", id: func(article) string { return "" }, text: "plan: record 0 has no id"},
		{name: "another id", change: func(a article) (article, error) { a.ID += "2"; return a, nil }, text: "plan: record 0, id a: the change sets another id, which an update cannot do"},
		{name: "cancelled", ctx: cancelled, is: boom, text: "plan: stopped before record 0: boom"},
		{name: "MaxItems", opts: []plan.Option{plan.MaxItems(0)}, text: "windrow: MaxItems (0) must be at least 1; leave it out to read all records"},
		{name: "ReportPages", opts: []plan.Option{plan.ReportPages(0, func(plan.PageReport) {})}, text: "windrow: ReportPages (0) needs a page size of at least 1, and a function"},
		{name: "nil option", opts: []plan.Option{nil}, text: "plan: option 0 is nil: remove it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, source, id, change := t.Context(), some, articleID, withPrefix
			if tt.ctx != nil {
				ctx = tt.ctx
			}
			if tt.source != nil {
				source = tt.source
			}
			if tt.id != nil {
				id = tt.id
			}
			if tt.change != nil {
				change = tt.change
			}
			p, err := plan.Updates(ctx, source, id, change, tt.opts...)
			if p != nil || err == nil || err.Error() != tt.text || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("plan %v, error %q, want %q", p, err, tt.text)
			}
		})
	}
	if _, err := plan.Updates(t.Context(), nil, articleID, withPrefix); err == nil {
		t.Error("no error without a source")
	}
	if _, err := plan.Updates(noContext, some, articleID, withPrefix); !errors.Is(err, windrow.ErrNilContext) {
		t.Errorf("error %v without a context", err)
	}
	if _, err := plan.Updates(t.Context(), windrow.FromSlice([]float64{1}), func(float64) int { return 1 }, func(f float64) (float64, error) { return f / (f - 1), nil }); err == nil || !strings.Contains(err.Error(), "no JSON form") {
		t.Errorf("error %v of a record without a JSON form", err)
	}
}

func TestPlanRefusesBadJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"format", `{"format":2,"changes":[]}`, "plan: read a plan: its format is 2, not 1"},
		{"no change", `{"format":1,"changes":[{"id":"a","original":{"id":"a"},"updated":{"id":"a","body":""}}]}`, "plan: read a plan: change 0, id a: it changes nothing"},
		{"twice", `{"format":1,"changes":[{"id":"a","original":{"title":"x"},"updated":{}},{"id":"a","original":{"title":"x"},"updated":{}}]}`, "plan: read a plan: change 1, id a: the id is missing, or repeated"},
		{"no id", `{"format":1,"changes":[{"original":{"title":"x"},"updated":{}}]}`, "plan: read a plan: change 0, id : the id is missing, or repeated"},
		{"type", `{"format":1,"changes":[{"id":17}]}`, `plan: read a plan: the field "changes.id" does not fit into string`},
	} {
		p := &plan.UpdatePlan[string, article]{Read: 7}
		if err := json.Unmarshal([]byte(tt.text), p); err == nil || err.Error() != tt.want || p.Read != 7 {
			t.Errorf("%s: error %q, want %q", tt.name, err, tt.want)
		}
	}
	var numbers plan.UpdatePlan[string, map[string]any]
	text := `{"format":1,"changes":[{"id":"a","original":{"n":12345678901234567890},"updated":{"n":12345678901234567891}}]}`
	if err := json.Unmarshal([]byte(text), &numbers); err != nil {
		t.Fatal(err)
	}
	if got := numbers.Changes[0].Updated["n"]; got != json.Number("12345678901234567891") {
		t.Errorf("a large number came back as %v", got)
	}
}

// Without a client nobody is asked to confirm, and nothing is backed up.
func TestNoClient(t *testing.T) {
	t.Parallel()
	s := newServer(t, 3)
	updates, err := plan.Updates(t.Context(), s.source(t.Context()), articleID, withPrefix)
	if err != nil {
		t.Fatal(err)
	}
	updates.Confirm = func(context.Context, *plan.UpdatePlan[string, article]) (bool, error) {
		t.Error("Confirm was asked")
		return true, nil
	}
	if _, err := plan.ApplyUpdates[string, article, article](t.Context(), updates, nil); !errors.Is(err, windrow.ErrNilClient) {
		t.Errorf("ApplyUpdates: %v", err)
	}
	if _, err := plan.ApplyPatches[string, article, article](t.Context(), updates, nil); !errors.Is(err, windrow.ErrNilClient) {
		t.Errorf("ApplyPatches: %v", err)
	}
	deletes := deletion(t, s)
	deletes.Backup = func(context.Context, []article) error { t.Error("a backup was made"); return nil }
	if _, err := plan.ApplyDeletes(t.Context(), deletes, nil); !errors.Is(err, windrow.ErrNilClient) {
		t.Errorf("ApplyDeletes: %v", err)
	}
}
