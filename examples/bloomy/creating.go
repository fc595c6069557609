package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
)

// issues creates the guide's three issues.
func (g *guide) issues(ctx context.Context) error {
	res, err := g.client.Issues.CreateMany(ctx, []bloomy.NewIssue{
		{MeetingID: 123, Title: "Review Q4 metrics", Notes: "Focus on conversion rates"},
		{MeetingID: 123, Title: "Discuss budget overruns", UserID: 456}, // assigned to a specific user
		{MeetingID: 123, Title: "Customer feedback analysis"},
	}, windrow.PreserveOrder()) // one after the other, as the guide's client without async
	g.print("Created %d issues", res.Stats().Succeeded)
	for _, issue := range res.Values() {
		g.print(" - %s (ID: %d)", issue.Title, issue.ID)
	}
	for r := range res.Failed() {
		g.print(" - Index %d: %v", r.Index, r.Err)
	}
	return err
}

// todos creates the guide's three todos.
func (g *guide) todos(ctx context.Context) error {
	today := time.Now()
	res, err := g.client.Todos.CreateMany(ctx, []bloomy.NewTodo{
		{MeetingID: 123, Title: "Send meeting notes", DueDate: today.AddDate(0, 0, 1)},
		{MeetingID: 123, Title: "Update project dashboard", UserID: 456, DueDate: today.AddDate(0, 0, 7), Notes: "Include latest metrics"},
		{MeetingID: 123, Title: "Schedule follow-up meeting"},
	})
	if n := res.Stats().Succeeded; n > 0 {
		g.print("Successfully created %d todos", n)
	}
	for r := range res.Failed() {
		g.print("Failed todo '%s': %v", r.Input.Title, r.Err)
	}
	return err
}

// goals creates the guide's three goals, the last of which is the current user's.
func (g *guide) goals(ctx context.Context) error {
	res, err := g.client.Goals.CreateMany(ctx, []bloomy.NewGoal{
		{MeetingID: 123, Title: "Increase NPS score to 70+", UserID: 456},
		{MeetingID: 123, Title: "Launch mobile app v2.0", UserID: 789},
		{MeetingID: 123, Title: "Reduce customer churn by 15%"},
	})
	g.print("Goal creation summary:")
	g.print("  Successful: %d", res.Stats().Succeeded)
	g.print("  Failed: %d", res.Stats().Failed)
	var titles []string
	for r := range res.Failed() {
		titles = append(titles, r.Input.Title)
	}
	if len(titles) > 0 {
		g.print("Failed goals: %s", strings.Join(titles, ", "))
	}
	return err
}

// meetings creates the guide's three meetings. The guide looks for their ids where they are not (D13). Then it creates one
// with an attendee that does not exist, which the SDK would report as failed and leave behind (D12).
func (g *guide) meetings(ctx context.Context) error {
	res, err := g.client.Meetings.CreateMany(ctx, []bloomy.NewMeeting{
		{Title: "Weekly Team Sync - Week 1", Attendees: []int{456, 789}},
		{Title: "Weekly Team Sync - Week 2", Attendees: []int{456, 789, 321}},
		{Title: "Monthly All-Hands"}, // the current user attends: add_self=True
	}, windrow.PreserveOrder())
	if err != nil {
		return err
	}
	var ids []int
	for _, m := range res.Values() {
		ids = append(ids, m.ID)
	}
	g.print("Created meetings with IDs: %v", ids)

	p := windrow.NewCreateProcessor(g.client.Meetings, g.client.Options())
	p.Validate = bloomy.ValidateMeeting
	res, err = p.Run(ctx, []bloomy.NewMeeting{{Title: "Offsite", Attendees: []int{456, 999}}})
	half, ok := errors.AsType[*bloomy.IncompleteMeetingError](err)
	if !ok {
		return want(false, "the meeting with an unknown attendee ended with %v", err)
	}
	g.print("Created meeting %q (ID: %d), but the server refused the attendees %v", half.Meeting.Title, half.Meeting.ID, half.Missing)
	input := half.Resume()
	input.Attendees = []int{456, 321} // who was meant
	res.Correct(0, input)
	if res, err = p.Rerun(ctx, res); err != nil {
		return err
	}
	m := res.At(0).Value
	g.print("Completed the same meeting (ID: %d): it has the attendees %v", m.ID, m.Attendees)
	return want(m.ID == half.Meeting.ID, "a second meeting was made")
}
