package bloomy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
)

var (
	day     = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	created = time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC)
)

// D2, D9 to D12, wire 6.4: each create on the wire, in its own casing, and what comes back.
func TestD2_D9_D10_D11_D12_CreatesOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		c, ctx := w.client, t.Context()
		one := windrow.Concurrency(1)
		issues, err1 := c.Issues.CreateMany(ctx, []bloomy.NewIssue{{MeetingID: 456, Title: "Budget", UserID: 789, Notes: "n"}, {MeetingID: 456, Title: "Feedback"}}, one)
		todos, err2 := c.Todos.CreateMany(ctx, []bloomy.NewTodo{{MeetingID: 456, Title: "Notes", DueDate: day, UserID: 789, Notes: "n"}, {MeetingID: 456, Title: "Follow-up"}}, one)
		user, err3 := c.UserTodos.CreateMany(ctx, []bloomy.NewTodo{{Title: "Mine", DueDate: day, Notes: "n"}, {Title: "Hers", UserID: 321}}, one)
		goals, err4 := c.Goals.CreateMany(ctx, []bloomy.NewGoal{{MeetingID: 456, Title: "NPS", UserID: 789}, {MeetingID: 456, Title: "App"}}, one)
		meetings, err5 := c.Meetings.CreateMany(ctx, []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}, {Title: "All-Hands", WithoutSelf: true}}, one)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "calls", []string{
			`POST /issues/create {"title":"Budget","meetingid":456,"ownerid":789,"notes":"n"}`,
			`GET /users/mine`, // D11: who the current user is is asked for once
			`POST /issues/create {"title":"Feedback","meetingid":456,"ownerid":123}`,
			`POST /L10/456/todos {"Title":"Notes","ForId":789,"Notes":"n","dueDate":"2026-12-31"}`,
			`POST /L10/456/todos {"Title":"Follow-up","ForId":123}`,
			`POST /todo/create {"title":"Mine","accountableUserId":123,"notes":"n","dueDate":"2026-12-31"}`,
			`POST /todo/create {"title":"Hers","accountableUserId":321}`,
			`POST /L10/456/rocks {"title":"NPS","accountableUserId":789}`,
			`POST /L10/456/rocks {"title":"App","accountableUserId":123}`,
			`POST /L10/create {"title":"Week 1","addSelf":true}`,
			`POST /L10/108/attendees/456`,
			`POST /L10/108/attendees/789`,
			`POST /L10/create {"title":"All-Hands","addSelf":false}`,
		}, w.calls())
		const meeting = "Weekly Team Meeting"
		testkit.Check(t, "issues", []bloomy.Issue{
			{ID: 100, Title: "Budget", NotesURL: "https://example.com/issue/100", MeetingID: 456, MeetingTitle: meeting, UserID: 789, UserName: "Eve"},
			{ID: 101, Title: "Feedback", NotesURL: "https://example.com/issue/101", MeetingID: 456, MeetingTitle: meeting, UserID: 123, UserName: "John Doe"},
		}, issues.Values())
		testkit.Check(t, "todo", bloomy.Todo{ID: 102, Title: "Notes", NotesURL: "https://example.com/todo/102", DueDate: day, MeetingID: 456, CreatedAt: created}, todos.Values()[0])
		testkit.Check(t, "user's todo", bloomy.Todo{ID: 104, Title: "Mine", NotesURL: "https://example.com/todo/104", DueDate: day, CreatedAt: created}, user.Values()[0])
		testkit.Check(t, "goal", bloomy.Goal{ID: 106, Title: "NPS", UserID: 789, UserName: "Eve", MeetingID: 456, MeetingTitle: meeting, Status: bloomy.OnTrack, CreatedAt: created}, goals.Values()[0])
		// D13: the id is where it is looked for.
		testkit.Check(t, "meetings", []bloomy.Meeting{{ID: 108, Title: "Week 1", Attendees: []int{456, 789}}, {ID: 109, Title: "All-Hands"}}, meetings.Values())
		var ids []int
		for _, m := range meetings.Values() {
			ids = append(ids, m.ID)
		}
		testkit.Check(t, "ids", []int{108, 109}, ids)
		testkit.Check(t, "attend", []bloomytest.Meeting{
			{ID: 108, Name: "Week 1", Attendees: []int{123, 456, 789}}, {ID: 109, Name: "All-Hands"}, {ID: 456, Name: meeting, Attendees: []int{123, 789}},
		}, w.fake.Meetings())
		for _, r := range w.http.Requests() {
			if r.Header.Get("Accept") != "*/*" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer "+apiKey {
				t.Errorf("header %v", r.Header)
			}
		}
	})
}

// D3, D4, D14, D15: details are five calls and five units, failures have the id, and the result is that of a create.
func TestD3_D4_D14_D15_GetManyMeetings(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := windrow.NewLimiter(windrow.Concurrency(5), windrow.Rate(10, time.Second), windrow.Burst(5))
		w := start(t, rest.WithLimiter(limiter))
		ctx := t.Context()
		w.fake.AddMeeting(bloomytest.Meeting{ID: 789, Name: "Planning", Attendees: []int{321}, Metrics: []map[string]any{
			{"Id": 301, "Name": "Revenue", "Target": 100000.0, "Modifiers": "USD", "Direction": ">", "Owner": map[string]any{"Id": 123, "Name": "John Doe"}},
		}})
		issue, err1 := w.client.Issues.Create(ctx, bloomy.NewIssue{MeetingID: 789, Title: "open", UserID: 321})
		solved, err2 := w.client.Issues.Create(ctx, bloomy.NewIssue{MeetingID: 789, Title: "solved", UserID: 321})
		_, err3 := w.client.Issues.Complete(ctx, solved.ID)
		todo, err4 := w.client.Todos.Create(ctx, bloomy.NewTodo{MeetingID: 789, Title: "todo", UserID: 321})
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		before := len(w.calls())
		began := time.Now()
		res, err := w.client.Meetings.GetMany(ctx, []int{456, 789, 999})
		testkit.Check(t, "states", []windrow.State{ok, ok, bad}, testkit.States(t, res))
		failed := slices.Collect(res.All(windrow.Failed))[0]
		if failed.Input != 999 || failed.Index != 2 || failed.Key != "999" || !errors.Is(err, windrow.ErrNotFound) {
			t.Errorf("failed %+v, %v", failed, err)
		}
		issue.CreatedAt, todo.MeetingTitle = created, "Planning" // which the answers to creates do not tell
		testkit.Check(t, "details", bloomy.MeetingDetails{
			ID: 789, Name: "Planning", StartDate: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), CreatedAt: created, OrganizationID: 42,
			Attendees: []bloomy.Attendee{{UserID: 321, Name: "Ann", ImageURL: "https://example.com/321"}},
			Issues:    []bloomy.Issue{issue}, Todos: []bloomy.Todo{todo},
			Metrics: []bloomy.Metric{{ID: 301, Title: "Revenue", Target: 100000, Unit: "USD", Direction: ">", UserID: 123, UserName: "John Doe"}},
		}, res.At(1).Value)
		testkit.Check(t, "calls", 5+5+1, len(w.calls())-before)
		for _, want := range []string{
			"GET /L10/789", "GET /L10/789/attendees", "GET /L10/789/issues?include_resolved=false", "GET /L10/789/todos?INCLUDE_CLOSED=false", "GET /L10/789/measurables",
		} {
			if w.count(want) == 0 {
				t.Errorf("%s was not called", want)
			}
		}
		// 15 units at 10 a second, 5 of them at once, after the 4 that the setting up took.
		if took := time.Since(began); took < 900*time.Millisecond || took > 2*time.Second {
			t.Errorf("three meetings took %v", took)
		}
		testkit.Check(t, "units", 5, w.client.Meetings.Details(false).Capabilities().Cost(1))
		// With what is closed.
		all, err := w.client.Meetings.Details(true).Get(ctx, 789)
		if err != nil || len(all.Issues) != 2 || all.Issues[0].Closed() || !all.Issues[1].Closed() {
			t.Errorf("%+v, %v", all.Issues, err)
		}
	})
}

// Updates, completions, archives and deletes of wire 6.4.
func TestUpdatesOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		c, ctx := w.client, t.Context()
		issue, err1 := c.Issues.Create(ctx, bloomy.NewIssue{MeetingID: 456, Title: "i", UserID: 789})
		todo, err2 := c.Todos.Create(ctx, bloomy.NewTodo{MeetingID: 456, Title: "t", UserID: 789})
		goal, err3 := c.Goals.Create(ctx, bloomy.NewGoal{MeetingID: 456, Title: "g", UserID: 789})
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		before := len(w.calls())
		one := windrow.Options(c.Options(), windrow.Concurrency(1))
		issues, err1 := windrow.UpdateMany(ctx, c.Issues, []windrow.Update[int, bloomy.IssueChange]{{ID: issue.ID, Data: bloomy.IssueChange{Title: new("i2"), Notes: new("")}}}, one)
		todos, err2 := windrow.UpdateMany(ctx, c.Todos, []windrow.Update[int, bloomy.TodoChange]{{ID: todo.ID, Data: bloomy.TodoChange{Title: new("t2"), DueDate: day}}}, one)
		goals, err3 := windrow.UpdateMany(ctx, c.Goals, []windrow.Update[int, bloomy.GoalChange]{
			{ID: goal.ID, Data: bloomy.GoalChange{Title: new("g2"), UserID: 321, Status: bloomy.AtRisk}}, {ID: 999, Data: bloomy.GoalChange{Status: bloomy.Complete}},
		}, one)
		solved, err4 := bloomy.Each(ctx, c, []int{issue.ID}, c.Issues.Complete)
		done, err5 := bloomy.Each(ctx, c, []int{todo.ID, 999}, c.Todos.Complete, windrow.Concurrency(1))
		archived, err6 := bloomy.Each(ctx, c, []int{goal.ID}, windrow.NoOutput(c.Goals.Archive))
		lists, err7 := c.Goals.ArchivedOfUser(ctx, 321)
		_, err8 := bloomy.Each(ctx, c, []int{goal.ID}, windrow.NoOutput(c.Goals.Restore))
		active, err9 := c.Goals.OfUser(ctx, 321)
		deleted, err10 := windrow.DeleteMany(ctx, c.Goals, []int{goal.ID, 999}, one)
		gone, err11 := windrow.DeleteMany(ctx, c.Meetings, []int{456, 999}, one)
		if err := errors.Join(err1, err2, err4, err6, err7, err8, err9, err10, err11); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(err3, windrow.ErrNotFound) || !errors.Is(err5, windrow.ErrNotFound) {
			t.Errorf("%v, %v", err3, err5)
		}
		at := func(format string, id int) string { return fmt.Sprintf(format, id) }
		testkit.Check(t, "calls", []string{
			at(`PUT /issues/%d {"title":"i2","notes":""}`, issue.ID), at(`GET /issues/%d`, issue.ID),
			at(`PUT /todo/%d {"title":"t2","dueDate":"2026-12-31"}`, todo.ID), at(`GET /todo/%d`, todo.ID),
			at(`PUT /rocks/%d {"accountableUserId":321,"title":"g2","completion":"AtRisk"}`, goal.ID),
			`GET /users/mine`, `PUT /rocks/999 {"accountableUserId":123,"completion":"Complete"}`,
			at(`POST /issues/%d/complete {"complete":true}`, issue.ID), at(`GET /issues/%d`, issue.ID),
			at(`POST /todo/%d/complete?status=true`, todo.ID), at(`GET /todo/%d`, todo.ID), `POST /todo/999/complete?status=true`,
			at(`PUT /rocks/%d/archive`, goal.ID), `GET /archivedrocks/user/321`,
			at(`PUT /rocks/%d/restore`, goal.ID), `GET /rocks/user/321?include_origin=true`,
			at(`DELETE /rocks/%d`, goal.ID), `DELETE /rocks/999`, `DELETE /L10/456`, `DELETE /L10/999`,
		}, w.calls()[before:])
		if v := issues.Values()[0]; v.Title != "i2" || v.ID != issue.ID {
			t.Errorf("%+v", v)
		}
		if v := todos.Values()[0]; v.Title != "t2" || !v.DueDate.Equal(day) {
			t.Errorf("%+v", v)
		}
		if !solved.Values()[0].Closed() || !done.Values()[0].Complete || done.Values()[0].CompletedAt != created {
			t.Errorf("%+v %+v", solved.Values(), done.Values())
		}
		testkit.Check(t, "goals", []windrow.State{ok, bad}, testkit.States(t, goals))
		testkit.Check(t, "done", []windrow.State{ok, bad}, testkit.States(t, done))
		testkit.Check(t, "archived", []windrow.State{ok}, testkit.States(t, archived))
		want := bloomy.Goal{ID: goal.ID, Title: "g2", UserID: 321, UserName: "Ann", MeetingID: 456, MeetingTitle: "Weekly Team Meeting", CreatedAt: created, DueDate: day}
		testkit.Check(t, "archived goals", []bloomy.Goal{want}, lists)
		testkit.Check(t, "goals", []bloomy.Goal{want}, active)
		testkit.Check(t, "deleted", []windrow.State{ok, skip}, testkit.States(t, deleted))
		testkit.Check(t, "deleted meetings", []windrow.State{ok, skip}, testkit.States(t, gone))
	})
}

// Lists are whole arrays, and the path of one of them is in lower case.
func TestListsOnTheWire(t *testing.T) {
	t.Parallel()
	w := start(t)
	c, ctx := w.client, t.Context()
	issue, err1 := c.Issues.Create(ctx, bloomy.NewIssue{MeetingID: 456, Title: "i"})
	todo, err2 := c.Todos.Create(ctx, bloomy.NewTodo{MeetingID: 456, Title: "t"})
	before := len(w.calls())
	a, err3 := c.Issues.OfMeeting(ctx, 456)
	b, err4 := c.Issues.OfUser(ctx, 0)
	d, err5 := c.Todos.OfMeeting(ctx, 456)
	e, err6 := c.Todos.OfUser(ctx, 0)
	f, err7 := c.Meetings.List(ctx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	issue.CreatedAt, todo.MeetingTitle = created, "Weekly Team Meeting" // which the answers to creates do not tell
	testkit.Check(t, "issues", [][]bloomy.Issue{{issue}, {issue}}, [][]bloomy.Issue{a, b})
	testkit.Check(t, "todos", [][]bloomy.Todo{{todo}, {todo}}, [][]bloomy.Todo{d, e})
	testkit.Check(t, "meetings", []bloomy.Meeting{{ID: 456, Title: "Weekly Team Meeting"}}, f)
	testkit.Check(t, "calls", []string{"GET /l10/456/issues", "GET /issues/users/123", "GET /L10/456/todos", "GET /todo/user/123", "GET /L10/123/list"}, w.calls()[before:])
	for name, body := range map[string]string{"no array": `{"a":1}`, "a page": `<html>`, "a bad time": `[{"Id":1,"CreateTime":"yesterday"}]`} {
		w.script("GET /todo/user", testkit.Respond(200, body))
		if _, err := c.Todos.OfUser(ctx, 0); err == nil || strings.Contains(err.Error(), "yesterday") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.script("GET /todo/user", testkit.Respond(200, `[{"Id":1,"CreateTime":"","DueDate":"2026-12-31T00:00:00"},{"Id":2,"DueDate":"2026-12-31 00:00:00"},{"Id":3,"DueDate":"2026-12-31T01:00:00.5+01:00"}]`))
	list, err := c.Todos.OfUser(ctx, 0)
	if err != nil || len(list) != 3 || !list[0].CreatedAt.IsZero() || !list[0].DueDate.Equal(day) || !list[1].DueDate.Equal(day) || !list[2].DueDate.Equal(day.Add(500*time.Millisecond)) {
		t.Errorf("%+v, %v", list, err)
	}
	w.script("GET /rocks/user", testkit.Respond(200, `[{"Id":1,"Complete":true},{"Id":2,"Completion":2},{"Id":3,"Completion":0},{"Id":4}]`))
	goals, err := c.Goals.OfUser(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []bloomy.GoalStatus
	for _, g := range goals {
		got = append(got, g.Status)
	}
	testkit.Check(t, "status", []bloomy.GoalStatus{bloomy.Complete, bloomy.Complete, bloomy.AtRisk, ""}, got)
}

// D18, D30, D31: what is wrong with an item is known before anything is sent, in the words of the guide.
func TestD18_D30_D31_Validation(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 256)
	texts := func(err error) string {
		var all []string
		for _, f := range windrow.FieldErrors(err) {
			all = append(all, f.Message)
		}
		return strings.Join(all, ", ")
	}
	const title, meeting, tooLong = "Missing required field: title", "Missing required field: meeting_id", "Title too long (max 255 chars)"
	for want, err := range map[string]error{
		"":                               bloomy.ValidateTodo(bloomy.NewTodo{Title: long[:len(long)-2], MeetingID: 1}),
		title + ", " + meeting:           bloomy.ValidateTodo(bloomy.NewTodo{}),
		meeting + ", " + tooLong:         bloomy.ValidateIssue(bloomy.NewIssue{Title: long}),
		meeting:                          bloomy.ValidateGoal(bloomy.NewGoal{Title: "g"}),
		title:                            bloomy.ValidateMeeting(bloomy.NewMeeting{}),
		title + ", Must be ids of users": bloomy.ValidateMeeting(bloomy.NewMeeting{Attendees: []int{1, 0}}),
		tooLong + ", Must be empty: a user's todo belongs to no meeting": bloomy.ValidateUserTodo(bloomy.NewTodo{Title: long, MeetingID: 1}),
	} {
		testkit.Check(t, "messages", want, texts(err))
	}
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		in := []bloomy.NewTodo{{MeetingID: 456, Title: "Valid todo", UserID: 789}, {Title: "Missing meeting_id", UserID: 789}, {MeetingID: 456, Title: "Another valid todo", UserID: 789}}
		res, err := w.client.Todos.CreateMany(t.Context(), in)
		if len(windrow.FieldErrors(err)) != 1 {
			t.Errorf("error %v", err)
		}
		testkit.Check(t, "states", []windrow.State{ok, bad, ok}, testkit.States(t, res))
		testkit.Check(t, "calls", 2, len(w.calls()))
		// D30: corrected by field, not by words in a text.
		for r := range res.Failed() {
			for _, f := range windrow.FieldErrors(r.Err) {
				if f.Field == "meeting_id" && f.Code == "required" {
					corrected := r.Input
					corrected.MeetingID = 456
					res.Correct(r.Index, corrected)
				}
			}
		}
		p := windrow.NewCreateProcessor(w.client.Todos, w.client.Options())
		p.Validate = bloomy.ValidateTodo
		if res, err = p.Rerun(t.Context(), res); err != nil {
			t.Error(err)
		}
		testkit.Check(t, "todos", 3, w.fake.Count("todo"))
		// Without the hook nothing bad is sent either.
		_, err = windrow.CreateMany(t.Context(), w.client.Issues, []bloomy.NewIssue{{Title: "x"}})
		if len(windrow.FieldErrors(err)) != 1 || w.fake.Count("issue") != 0 {
			t.Errorf("error %v", err)
		}
	})
	// Updates that change nothing, or not what there is.
	w := start(t)
	_, err1 := w.client.Issues.Update(t.Context(), 1, bloomy.IssueChange{})
	_, err2 := w.client.Todos.Update(t.Context(), 1, bloomy.TodoChange{})
	_, err3 := w.client.Goals.Update(t.Context(), 1, bloomy.GoalChange{})
	_, err4 := w.client.Goals.Update(t.Context(), 1, bloomy.GoalChange{Status: "on"})
	for i, err := range []error{err1, err2, err3, err4} {
		if windrow.Classify(err).Kind != windrow.KindValidation || len(w.calls()) != 0 {
			t.Errorf("update %d: %v", i, err)
		}
	}
}
