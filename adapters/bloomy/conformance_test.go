package bloomy_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/windrowtest"
)

// conforms is the test of one of the resources.
func conforms[In, Out any](resource func(*bloomy.Client) any, input func(n int) In, same func(In, Out) bool, id func(Out) int, verbs ...windrow.OpKind) windrowtest.ClientTest[int, In, Out] {
	return windrowtest.ClientTest[int, In, Out]{
		API: func(testing.TB) http.Handler {
			s := &bloomytest.Server{Key: apiKey}
			s.AddMeeting(bloomytest.Meeting{ID: 50, Name: "Meeting"})
			return s
		},
		New:   func(tb testing.TB, url string, hc *http.Client) any { return resource(client(tb, url, hc)) },
		Verbs: verbs, Input: input, Same: same, ID: id, Missing: 999_999, Secrets: []string{apiKey},
	}
}

func client(tb testing.TB, url string, hc *http.Client) *bloomy.Client {
	tb.Helper()
	c, err := bloomy.New(url+"/api/v1", apiKey, hc)
	if err != nil {
		tb.Fatal(err)
	}
	c.Meetings.UniqueTitles = true
	return c
}

// put stores a record behind the client's back.
func put[In any](create func(ctx context.Context, c *bloomy.Client) (int, error)) func(tb testing.TB, api http.Handler, in In) int {
	return func(tb testing.TB, api http.Handler, _ In) int {
		tb.Helper()
		server := windrowtest.NewServer(tb, api)
		id, err := create(tb.Context(), client(tb, server.URL, server.Client()))
		if err != nil {
			tb.Fatal(err)
		}
		return id
	}
}

func title(n int) string { return fmt.Sprint("title ", n) }

func TestConformance(t *testing.T) {
	t.Parallel()
	const create, update, get, remove = windrow.OpCreate, windrow.OpUpdate, windrow.OpGet, windrow.OpDelete
	issue := func(c *bloomy.Client) any { return c.Issues }
	todo := func(c *bloomy.Client) any { return c.Todos }
	for name, test := range map[string]func(t *testing.T){
		"issues": func(t *testing.T) {
			windrowtest.TestClient(t, conforms(issue, func(n int) bloomy.NewIssue { return bloomy.NewIssue{MeetingID: 50, Title: title(n), UserID: 456} },
				func(in bloomy.NewIssue, out bloomy.Issue) bool { return in.Title == out.Title && out.MeetingID == 50 }, func(i bloomy.Issue) int { return i.ID }, create, get))
		},
		"changes of issues": func(t *testing.T) {
			c := conforms(issue, func(n int) bloomy.IssueChange { return bloomy.IssueChange{Title: new(title(n))} },
				func(in bloomy.IssueChange, out bloomy.Issue) bool { return *in.Title == out.Title }, func(i bloomy.Issue) int { return i.ID }, update)
			c.New = func(tb testing.TB, url string, hc *http.Client) any {
				return windrow.UpdateFunc(client(tb, url, hc).Issues.Update)
			}
			c.Put = put[bloomy.IssueChange](func(ctx context.Context, c *bloomy.Client) (int, error) {
				i, err := c.Issues.Create(ctx, bloomy.NewIssue{MeetingID: 50, Title: "old", UserID: 456})
				return i.ID, err
			})
			windrowtest.TestClient(t, c)
		},
		"todos": func(t *testing.T) {
			windrowtest.TestClient(t, conforms(todo, func(n int) bloomy.NewTodo { return bloomy.NewTodo{MeetingID: 50, Title: title(n), UserID: 456} },
				func(in bloomy.NewTodo, out bloomy.Todo) bool { return in.Title == out.Title }, func(i bloomy.Todo) int { return i.ID }, create, get))
		},
		"changes of todos": func(t *testing.T) {
			c := conforms(todo, func(n int) bloomy.TodoChange { return bloomy.TodoChange{Title: new(title(n))} },
				func(in bloomy.TodoChange, out bloomy.Todo) bool { return *in.Title == out.Title }, func(i bloomy.Todo) int { return i.ID }, update)
			c.New = func(tb testing.TB, url string, hc *http.Client) any {
				return windrow.UpdateFunc(client(tb, url, hc).Todos.Update)
			}
			c.Put = put[bloomy.TodoChange](func(ctx context.Context, c *bloomy.Client) (int, error) {
				i, err := c.Todos.Create(ctx, bloomy.NewTodo{MeetingID: 50, Title: "old", UserID: 456})
				return i.ID, err
			})
			windrowtest.TestClient(t, c)
		},
		"users' todos": func(t *testing.T) {
			windrowtest.TestClient(t, conforms(func(c *bloomy.Client) any { return c.UserTodos }, func(n int) bloomy.NewTodo { return bloomy.NewTodo{Title: title(n), UserID: 456} },
				func(in bloomy.NewTodo, out bloomy.Todo) bool { return in.Title == out.Title }, nil, create))
		},
		"goals": func(t *testing.T) {
			windrowtest.TestClient(t, conforms(func(c *bloomy.Client) any { return c.Goals }, func(n int) bloomy.NewGoal { return bloomy.NewGoal{MeetingID: 50, Title: title(n), UserID: 456} },
				func(in bloomy.NewGoal, out bloomy.Goal) bool { return in.Title == out.Title }, func(g bloomy.Goal) int { return g.ID }, create, remove))
		},
		// The API answers with nothing.
		"changes of goals": func(t *testing.T) {
			c := conforms(nil, func(n int) bloomy.GoalChange { return bloomy.GoalChange{Title: new(title(n)), UserID: 456} },
				func(bloomy.GoalChange, struct{}) bool { return true }, nil, update)
			c.New = func(tb testing.TB, url string, hc *http.Client) any {
				return windrow.UpdateFunc(client(tb, url, hc).Goals.Update)
			}
			c.Put = put[bloomy.GoalChange](func(ctx context.Context, c *bloomy.Client) (int, error) {
				g, err := c.Goals.Create(ctx, bloomy.NewGoal{MeetingID: 50, Title: "old", UserID: 456})
				return g.ID, err
			})
			windrowtest.TestClient(t, c)
		},
		"meetings": func(t *testing.T) {
			windrowtest.TestClient(t, conforms(func(c *bloomy.Client) any { return c.Meetings }, func(n int) bloomy.NewMeeting { return bloomy.NewMeeting{Title: title(n), Attendees: []int{456, 789}} },
				func(in bloomy.NewMeeting, out bloomy.Meeting) bool {
					return in.Title == out.Title && len(out.Attendees) == 2
				}, func(m bloomy.Meeting) int { return m.ID }, create, remove))
		},
		"details": func(t *testing.T) {
			c := conforms(func(c *bloomy.Client) any { return c.Meetings.Details(true) }, title,
				func(in string, out bloomy.MeetingDetails) bool { return in == out.Name }, func(m bloomy.MeetingDetails) int { return m.ID }, get)
			c.Put = func(_ testing.TB, api http.Handler, in string) int {
				return api.(*bloomytest.Server).AddMeeting(bloomytest.Meeting{Name: in})
			}
			windrowtest.TestClient(t, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}
