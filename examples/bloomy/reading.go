package main

import (
	"context"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
)

// details reads the guide's four meetings, the last of which does not exist.
func (g *guide) details(ctx context.Context) error {
	res, err := g.client.Meetings.GetMany(ctx, []int{123, 456, 789, 999})
	if err := stopped(err); err != nil {
		return err
	}
	g.print("Successfully retrieved %d meetings:", res.Stats().Succeeded)
	for _, m := range res.Values() {
		g.print(" - %s on %s", m.Name, m.StartDate.Format("2006-01-02"))
		g.print("  Attendees: %d", len(m.Attendees))
		g.print("  Todos: %d", len(m.Todos))
		g.print("  Issues: %d", len(m.Issues))
	}
	g.print("Failed to retrieve %d meetings:", res.Stats().Failed)
	for r := range res.Failed() {
		g.print(" - Meeting ID %d: %v", r.Input, r.Err)
	}
	return want(res.Stats().Succeeded == 3, "%d meetings were read", res.Stats().Succeeded)
}

// dashboard is the guide's three uses of it: all meetings of a list, their open issues, and what there is in them.
func (g *guide) dashboard(ctx context.Context) error {
	list, err := g.client.Meetings.List(ctx)
	if err != nil {
		return err
	}
	var ids []int
	for _, m := range list[:min(10, len(list))] {
		ids = append(ids, m.ID)
	}
	res, err := g.client.Meetings.GetMany(ctx, ids)
	if err := stopped(err); err != nil {
		return err
	}
	var attendees, todos int
	var open []bloomy.Issue
	for _, m := range res.Values() {
		attendees += len(m.Attendees)
		todos += len(m.Todos)
		open = append(open, slices.DeleteFunc(m.Issues, bloomy.Issue.Closed)...)
	}
	g.print("total_meetings: %d", res.Stats().Succeeded)
	g.print("total_attendees: %d", attendees)
	g.print("total_todos: %d", todos)
	g.print("total_open_issues: %d", len(open))
	g.print("failed_retrievals: %d", res.Stats().Failed)
	return nil
}

// chunks creates 120 todos in the guide's chunks of 50 with a second between them, and none after the last (D21). The indexes
// are those of the whole list.
func (g *guide) chunks(ctx context.Context) error {
	all := tasks(120)
	all[7].UserID, all[77].UserID = 999, 999 // which does not exist
	p := windrow.NewCreateProcessor(g.client.Todos, g.client.Options(), bloomy.Chunks())
	p.Validate = bloomy.ValidateTodo
	done, chunk := 0, 0
	p.OnResult = func(windrow.Result[bloomy.NewTodo, bloomy.Todo]) {
		if done++; done%50 == 1 {
			chunk++
			g.print("Processing chunk %d...", chunk)
		}
	}
	res, err := p.Run(ctx, all)
	if err := stopped(err); err != nil {
		return err
	}
	g.print("%d created, %d failed", res.Stats().Succeeded, res.Stats().Failed)
	for r := range res.Failed() {
		g.print(" - Item %d: %v", r.Index, r.Err)
	}
	return nil
}
