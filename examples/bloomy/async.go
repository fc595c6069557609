package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
)

// tasks are todos of one meeting.
func tasks(n int) []bloomy.NewTodo {
	all := make([]bloomy.NewTodo, n)
	for i := range all {
		all[i] = bloomy.NewTodo{MeetingID: 123, Title: fmt.Sprintf("Task %d", i+1), UserID: 456, DueDate: time.Now().AddDate(0, 0, i+1)}
	}
	return all
}

// async is the guide's four examples of its AsyncClient, with its max_concurrent. What is concurrent here is a matter of
// options, not of another client.
func (g *guide) async(ctx context.Context) error {
	todos, err1 := g.fast.Todos.CreateMany(ctx, tasks(20), windrow.Concurrency(10))
	g.print("Created %d todos concurrently", todos.Stats().Succeeded)

	var issues []bloomy.NewIssue
	for i := range 10 {
		issues = append(issues, bloomy.NewIssue{MeetingID: 123, Title: fmt.Sprintf("Issue %d: Performance concern", i+1), Notes: fmt.Sprintf("Details about issue %d", i+1)})
	}
	created, err2 := g.fast.Issues.CreateMany(ctx, issues, windrow.Concurrency(15))
	for _, issue := range created.Values() { // in the order of the input
		g.print("Created issue: %s", issue.Title)
	}

	var goals []bloomy.NewGoal
	for _, user := range []int{456, 789, 101, 112} {
		goals = append(goals, bloomy.NewGoal{MeetingID: 123, Title: fmt.Sprintf("Q1 Goal for User %d", user), UserID: user})
	}
	team, err3 := g.client.Goals.CreateMany(ctx, goals) // 5 at once
	g.print("Created %d goals", team.Stats().Succeeded)

	var weeks []bloomy.NewMeeting
	for week := range 4 {
		weeks = append(weeks, bloomy.NewMeeting{Title: fmt.Sprintf("Week %d Team Sync", week+1), Attendees: []int{456, 789, 321}})
	}
	meetings, err4 := g.client.Meetings.CreateMany(ctx, weeks)
	var ids []int
	for _, m := range meetings.Values() {
		ids = append(ids, m.ID)
	}
	details, err5 := g.client.Meetings.GetMany(ctx, ids)
	for _, m := range details.Values() {
		g.print("%s: %d attendees, the current user included", m.Name, len(m.Attendees))
	}
	return errors.Join(err1, err2, err3, err4, err5)
}

// compare is the guide's performance comparison: 50 todos one after the other and 10 at once. The guide promises 70 to 80 %
// less time (D27).
func (g *guide) compare(ctx context.Context) error {
	elapsed := func(opts ...windrow.Option) (time.Duration, error) {
		res, err := g.fast.Todos.CreateMany(ctx, tasks(50), opts...)
		return res.Stats().Elapsed, err
	}
	one, err1 := elapsed(windrow.PreserveOrder())
	ten, err2 := elapsed(windrow.Concurrency(10))
	g.print("Sync version: %.2f seconds", one.Seconds())
	g.print("Async version: %.2f seconds", ten.Seconds())
	g.print("Speed improvement: %.0f%%", (one.Seconds()/ten.Seconds()-1)*100)
	return errors.Join(err1, err2)
}

// setUp is the guide's complete_meeting_setup: a meeting, and then its todos, issues and goals at the same time. In the guide
// each of the three has a limit of its own, and the server sees three times as much (D29).
func (g *guide) setUp(ctx context.Context) error {
	const title = "Q1 Planning Session"
	made, err := g.client.Meetings.CreateMany(ctx, []bloomy.NewMeeting{{Title: title, Attendees: []int{456, 789}}})
	if err != nil {
		return err
	}
	meeting := made.Values()[0].ID
	var wg sync.WaitGroup
	var todos, issues, goals int
	var errs [3]error
	wg.Go(func() {
		res, err := g.client.Todos.CreateMany(ctx, []bloomy.NewTodo{{Title: "Prepare Q1 roadmap", MeetingID: meeting}, {Title: "Review budget allocation", MeetingID: meeting}})
		todos, errs[0] = res.Stats().Succeeded, err
	})
	wg.Go(func() {
		res, err := g.client.Issues.CreateMany(ctx, []bloomy.NewIssue{{Title: "Resource constraints", MeetingID: meeting}, {Title: "Timeline concerns", MeetingID: meeting}})
		issues, errs[1] = res.Stats().Succeeded, err
	})
	wg.Go(func() {
		res, err := g.client.Goals.CreateMany(ctx, []bloomy.NewGoal{{Title: "Complete product launch", MeetingID: meeting}, {Title: "Achieve 20% growth", MeetingID: meeting}})
		goals, errs[2] = res.Stats().Succeeded, err
	})
	wg.Wait()
	g.print("Meeting %q (ID: %d) setup complete:", title, meeting)
	g.print("  - Todos: %d", todos)
	g.print("  - Issues: %d", issues)
	g.print("  - Goals: %d", goals)
	return errors.Join(errs[:]...)
}
