package bloomy_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
)

// team is a fake server with a meeting, in place of https://app.bloomgrowth.com.
func team() *httptest.Server {
	fake := &bloomytest.Server{}
	fake.AddMeeting(bloomytest.Meeting{ID: 50, Name: "Weekly Team Meeting", Attendees: []int{456}})
	return httptest.NewServer(fake)
}

func Example() {
	server := team()
	defer server.Close()
	ctx := context.Background()

	client, err := bloomy.New(server.URL+"/api/v1", "your-api-key", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := client.Issues.CreateMany(ctx, []bloomy.NewIssue{
		{MeetingID: 50, Title: "Review Q4 metrics", Notes: "Focus on conversion rates"},
		{MeetingID: 50, Title: "Discuss budget overruns", UserID: 456}, // assigned to a specific user
		{MeetingID: 50},
	}, windrow.PreserveOrder())
	fmt.Printf("Created %d issues\n", res.Stats().Succeeded)
	for _, issue := range res.Values() {
		fmt.Printf(" - %s (ID: %d)\n", issue.Title, issue.ID)
	}
	for r := range res.Failed() {
		fmt.Printf(" - Index %d: %v\n", r.Index, r.Err)
	}
	fmt.Println(err)
	// Output:
	// Created 2 issues
	//  - Review Q4 metrics (ID: 100)
	//  - Discuss budget overruns (ID: 101)
	//  - Index 2: title: Missing required field: title
	// windrow: of 3 items 1 failed; first: item 2 failed: title: Missing required field: title
}

// A meeting whose attendee is refused is there, and is completed.
func ExampleIncompleteMeetingError() {
	server := team()
	defer server.Close()
	ctx := context.Background()
	client, err := bloomy.New(server.URL+"/api/v1", "your-api-key", nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	p := windrow.NewCreateProcessor(client.Meetings, client.Options())
	p.Validate = bloomy.ValidateMeeting
	res, err := p.Run(ctx, []bloomy.NewMeeting{{Title: "Offsite", Attendees: []int{456, 987}}})
	if half, ok := errors.AsType[*bloomy.IncompleteMeetingError](err); ok {
		fmt.Println(half.Meeting.ID, "lacks", half.Missing)
		input := half.Resume()
		input.Attendees = []int{456, 789} // who was meant
		res.Correct(0, input)
	}
	res, err = p.Rerun(ctx, res)
	fmt.Println(res.At(0).Value, err)
	// Output:
	// 100 lacks [987]
	// {100 Offsite [456 789]} <nil>
}

// What takes an id is done for many with Each.
func ExampleEach() {
	server := team()
	defer server.Close()
	ctx := context.Background()
	client, err := bloomy.New(server.URL+"/api/v1", "your-api-key", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	todos, err := client.Todos.CreateMany(ctx, []bloomy.NewTodo{{MeetingID: 50, Title: "One"}, {MeetingID: 50, Title: "Two"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var ids []int
	for _, todo := range todos.Values() {
		ids = append(ids, todo.ID)
	}
	done, err := bloomy.Each(ctx, client, ids, client.Todos.Complete)
	for _, todo := range done.Values() {
		fmt.Println(todo.Title, todo.Complete)
	}
	fmt.Println(err)
	// Output:
	// One true
	// Two true
	// <nil>
}
