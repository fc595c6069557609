package bloomy_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

// D15: when one of the five calls fails, so does the meeting: there is no half of one.
func TestD15_OneOfFiveCallsFails(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/attendees", "/issues", "/todos", "/measurables"} {
		for _, tt := range []struct {
			status int
			faults int
			want   windrow.State
		}{{500, 1, ok}, {500, 3, bad}, {404, 1, bad}} {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				w.script("GET /L10/456"+path, slices.Repeat(handlers(tt.status), tt.faults)...)
				res, err := w.client.Meetings.GetMany(t.Context(), []int{456}, testkit.Quick)
				testkit.Check(t, path, []windrow.State{tt.want}, testkit.States(t, res))
				if got := res.At(0).Value; tt.want == bad && (got.ID != 0 || err == nil) {
					t.Errorf("%s: %+v, %v", path, got, err)
				}
				if e, ok := errors.AsType[*rest.Error](err); tt.want == bad && (!ok || e.Status != tt.status) {
					t.Errorf("%s: %v", path, err)
				}
			})
		}
	}
}

// An update is a change and a read. When the read fails the change was made all the same, and it may be made again.
func TestUpdateWhoseReadFails(t *testing.T) {
	t.Parallel()
	issue := func(t *testing.T, w *world) (windrow.State, error) {
		res, err := windrow.UpdateMany(t.Context(), w.client.Issues, []windrow.Update[int, bloomy.IssueChange]{{ID: 100, Data: bloomy.IssueChange{Title: new("new")}}}, w.client.Options(), testkit.Quick)
		return res.At(0).State, err
	}
	solve := func(t *testing.T, w *world) (windrow.State, error) {
		res, err := bloomy.Each(t.Context(), w.client, []int{100}, w.client.Issues.Complete, testkit.Quick)
		return res.At(0).State, err
	}
	todo := func(t *testing.T, w *world) (windrow.State, error) {
		res, err := windrow.UpdateMany(t.Context(), w.client.Todos, []windrow.Update[int, bloomy.TodoChange]{{ID: 101, Data: bloomy.TodoChange{Title: new("new")}}}, w.client.Options(), testkit.Quick)
		return res.At(0).State, err
	}
	done := func(t *testing.T, w *world) (windrow.State, error) {
		res, err := bloomy.Each(t.Context(), w.client, []int{101}, w.client.Todos.Complete, testkit.Quick)
		return res.At(0).State, err
	}
	for _, tt := range []struct {
		name  string
		run   func(*testing.T, *world) (windrow.State, error)
		read  string // begin of the read
		write string
	}{
		{"issue", issue, "GET /issues/100", "PUT /issues/100"}, {"solve", solve, "GET /issues/100", "POST /issues/100/complete"},
		{"todo", todo, "GET /todo/101", "PUT /todo/101"}, {"done", done, "GET /todo/101", "POST /todo/101/complete"},
	} {
		for _, f := range []struct {
			on     string // which of the two fails
			status int
			faults int
			want   windrow.State
			writes int
		}{
			{"read", 500, 1, ok, 2},
			{"read", 404, 1, ok, 2}, // the change was made: that it cannot be read now does not undo it
			{"read", 500, 3, lost, 3},
			{"write", 500, 1, ok, 2},
			{"write", 422, 1, bad, 1},
		} {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				_, err1 := w.client.Issues.Create(t.Context(), bloomy.NewIssue{MeetingID: 456, Title: "i", UserID: 789})
				_, err2 := w.client.Todos.Create(t.Context(), bloomy.NewTodo{MeetingID: 456, Title: "t", UserID: 789})
				if err := errors.Join(err1, err2); err != nil {
					t.Fatal(err)
				}
				prefix := tt.read
				if f.on == "write" {
					prefix = tt.write
				}
				w.script(prefix, slices.Repeat(handlers(f.status), f.faults)...)
				got, err := tt.run(t, w)
				if got != f.want || w.count(tt.write) != f.writes {
					t.Errorf("%s, %s answers %d %d times: %v after %d writes, want %v after %d: %v", tt.name, f.on, f.status, f.faults, got, w.count(tt.write), f.want, f.writes, err)
				}
			})
		}
	}
}

// The answers to creates that cannot be read leave them Unknown: they were made.
func TestCreateWhoseAnswerIsUnreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`<html>`, ``, `{"Id":"secret"}`} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			w.script("POST", slices.Repeat(handlersOf(200, body), 4)...)
			c, ctx := w.client, t.Context()
			issues, _ := c.Issues.CreateMany(ctx, []bloomy.NewIssue{{MeetingID: 456, Title: "i", UserID: 789}}, testkit.Quick)
			todos, _ := c.Todos.CreateMany(ctx, []bloomy.NewTodo{{MeetingID: 456, Title: "i", UserID: 789}}, testkit.Quick)
			mine, _ := c.UserTodos.CreateMany(ctx, []bloomy.NewTodo{{Title: "i", UserID: 789}}, testkit.Quick)
			goals, _ := c.Goals.CreateMany(ctx, []bloomy.NewGoal{{MeetingID: 456, Title: "i", UserID: 789}}, testkit.Quick)
			testkit.Check(t, body, []windrow.State{lost, lost, lost, lost}, slices.Concat(testkit.States(t, issues), testkit.States(t, todos), testkit.States(t, mine), testkit.States(t, goals)))
			testkit.Check(t, "calls", 4, len(w.calls()))
		})
	}
}

// Behind a windrowtest.Server the fake misbehaves by script.
func TestFaultsByScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.http.On(windrowtest.Is("POST", "/api/v1/L10/456/todos"), windrowtest.RetryAfter(429, "2"), windrowtest.LostAnswer())
		began := time.Now()
		res, _ := w.client.Todos.CreateMany(t.Context(), todos(3), windrow.PreserveOrder(), testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, ok, ok}, testkit.States(t, res))
		testkit.Check(t, "todos", 3, w.fake.Count("todo"))
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
