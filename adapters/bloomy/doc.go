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
// So CreateMany and GetMany make one call for each item, through one limiter for the whole client, which concurrent runs
// share. [NewLimiter] and its presets make another limiter.
//
// The resources are also clients for the verbs of windrow. Pass [Client.Options], as CreateMany does:
//
//	p := windrow.NewCreateProcessor(client.Todos, client.Options(), windrow.OnProgress(show))
//	p.Validate = bloomy.ValidateTodo
//
// A meeting with attendees takes a call for the meeting and one for each attendee. If one of these fails, no second meeting
// is created: see [Meetings].
//
// A refusal is an [*rest.Error].
package bloomy
