// Package bloomy is a client of Bloom Growth's API for bulk work: issues, todos, goals (which the API calls rocks) and
// meetings (which it calls L10).
//
//	client, err := bloomy.New("", apiKey, nil)
//	res, err := client.Todos.CreateMany(ctx, []bloomy.NewTodo{
//		{MeetingID: 123, Title: "Send meeting notes", DueDate: tomorrow},
//		{MeetingID: 123, Title: "Update project dashboard", UserID: 456},
//	})
//
// The API has no requests for many records, no pages and no documented limits; the vendor's guide advises 5 calls at once.
// So CreateMany and GetMany make that many calls, one for each item, through one limiter for the whole client: several of
// them at the same time share it. [NewLimiter] and the presets beside it make another one.
//
// The resources are also what the verbs of windrow take, with [Client.Options] for what CreateMany does by itself:
//
//	p := windrow.NewCreateProcessor(client.Todos, client.Options(), windrow.OnProgress(show))
//	p.Validate = bloomy.ValidateTodo
//
// A meeting with attendees takes a call for the meeting and one for each attendee. When that fails half-way, no second
// meeting is ever made: see [Meetings].
//
// What the server refuses is an [*rest.Error].
package bloomy
