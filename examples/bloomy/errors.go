package main

import (
	"context"
	"strings"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
)

// retry sends again what failed, as the guide's retry_failed_items does, and keeps the indexes (D17).
func (g *guide) retry(ctx context.Context) error {
	p := windrow.NewCreateProcessor(g.client.Todos, g.client.Options())
	p.Validate = bloomy.ValidateTodo
	res, err := p.Run(ctx, []bloomy.NewTodo{{MeetingID: 123, Title: "One"}, {MeetingID: 124, Title: "Two"}, {MeetingID: 123, Title: "Three"}})
	if err := stopped(err); err != nil {
		return err
	}
	g.print("Retrying %d failed todos...", res.Stats().Failed)
	for r := range res.Failed() { // the server has refused it: as it is, it would be refused again
		r.Input.MeetingID = 123
		res.Correct(r.Index, r.Input)
	}
	if res, err = p.Rerun(ctx, res); err != nil {
		return err
	}
	for i, todo := range res.Values() {
		g.print(" - Index %d: %s", i, todo.Title)
	}
	return nil
}

// validate is the guide's validate_todos.
func (g *guide) validate(ctx context.Context) error {
	todos := []bloomy.NewTodo{
		{MeetingID: 123, Title: "Valid"}, {}, {MeetingID: 123, Title: strings.Repeat("x", 256)}, {Title: "No meeting"},
	}
	res, err := g.client.Todos.CreateMany(ctx, todos) // it validates before anything is sent
	if err := stopped(err); err != nil {
		return err
	}
	g.print("Invalid todos found:")
	for r := range res.Failed() {
		var messages []string
		for _, f := range windrow.FieldErrors(r.Err) {
			messages = append(messages, f.Message)
		}
		g.print("  Index %d: %s", r.Index, strings.Join(messages, ", "))
	}
	g.print("Created %d", res.Stats().Succeeded)
	return nil
}

// summary is the guide's handle_bulk_result.
func (g *guide) summary(ctx context.Context) error {
	res, err := g.client.Issues.CreateMany(ctx, []bloomy.NewIssue{{MeetingID: 123, Title: "Fine"}, {MeetingID: 999, Title: "Nowhere"}, {MeetingID: 123, Title: "Fine, too"}})
	if err := stopped(err); err != nil {
		return err
	}
	g.print("Issue Bulk Creation Summary:")
	return res.Summary(g.out)
}

// robust is the guide's robust_bulk_create: one of the todos has no meeting, is corrected and sent. Which field is wrong is
// told by the error's type, not by its text (D30).
func (g *guide) robust(ctx context.Context) error {
	p := windrow.NewCreateProcessor(g.client.Todos, g.client.Options(), windrow.PreserveOrder())
	p.Validate = bloomy.ValidateTodo
	res, err := p.Run(ctx, []bloomy.NewTodo{{Title: "Valid todo", MeetingID: 123}, {Title: "Missing meeting_id"}, {Title: "Another valid todo", MeetingID: 123}})
	if err := stopped(err); err != nil {
		return err
	}
	var ids []int
	for _, todo := range res.Values() {
		ids = append(ids, todo.ID)
	}
	g.print("Successfully created todos: %d", len(ids))
	for r := range res.Failed() {
		g.print("Failed at index %d: %v", r.Index, r.Err)
		g.print("Failed data: %q", r.Input.Title)
		for _, f := range windrow.FieldErrors(r.Err) {
			if f.Field == "meeting_id" {
				r.Input.MeetingID = 123
				res.Correct(r.Index, r.Input)
			}
		}
	}
	res, err = p.Rerun(ctx, res)
	g.print("After the correction: %d of %d", res.Stats().Succeeded, res.Len())
	return err
}
