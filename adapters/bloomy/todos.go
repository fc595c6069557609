package bloomy

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
)

// Todos are the todos of meetings. They are a client for creates, updates and reads.
type Todos struct{ client *Client }

// NewTodo is a todo to create.
type NewTodo struct {
	MeetingID int       `json:"meeting_id,omitempty"` // required, except for UserTodos, which have none
	Title     string    `json:"title"`                // required, at most 255 characters
	DueDate   time.Time `json:"due_date,omitzero"`    // its date in its own zone; the server chooses if it is zero
	UserID    int       `json:"user_id,omitempty"`    // assignee; 0 means the current user
	Notes     string    `json:"notes,omitempty"`      // "" for none
}

// Todo is a todo as the server returns it.
type Todo struct {
	ID           int       `json:"id"`                      // of the todo
	Title        string    `json:"title"`                   // title of the todo
	NotesURL     string    `json:"notes_url,omitempty"`     // URL of its notes
	DueDate      time.Time `json:"due_date,omitzero"`       // when it is due
	MeetingID    int       `json:"meeting_id,omitempty"`    // of its meeting; 0 for a todo of a user
	MeetingTitle string    `json:"meeting_title,omitempty"` // "" if the API does not tell
	Complete     bool      `json:"complete"`                // it is done
	CreatedAt    time.Time `json:"created_at,omitzero"`     // when it was created
	CompletedAt  time.Time `json:"completed_at,omitzero"`   // when it was done; zero until then
}

// todoJSON is a todo on the wire.
type todoJSON struct {
	ID           int    `json:"Id"`
	Name         string `json:"Name"`
	DetailsURL   string `json:"DetailsUrl"`
	DueDate      moment `json:"DueDate"`
	Origin       string `json:"Origin"`
	OriginID     int    `json:"OriginId"`
	Complete     bool   `json:"Complete"`
	CreateTime   moment `json:"CreateTime"`
	CompleteTime moment `json:"CompleteTime"`
}

func (j todoJSON) todo() Todo {
	return Todo{
		ID: j.ID, Title: j.Name, NotesURL: j.DetailsURL, DueDate: j.DueDate.Time, MeetingID: j.OriginID, MeetingTitle: j.Origin,
		Complete: j.Complete, CreatedAt: j.CreateTime.Time, CompletedAt: j.CompleteTime.Time,
	}
}

// CreateMany creates many todos, with [ValidateTodo] and the client's limiter.
func (s *Todos) CreateMany(ctx context.Context, items []NewTodo, opts ...windrow.Option) (*windrow.BulkResult[NewTodo, Todo], error) {
	return createMany(ctx, s.client, s, ValidateTodo, items, opts)
}

// Create creates one todo.
func (s *Todos) Create(ctx context.Context, in NewTodo) (Todo, error) {
	if err := ValidateTodo(in); err != nil {
		return Todo{}, invalid(err)
	}
	user, err := s.client.userOr(ctx, in.UserID)
	if err != nil {
		return Todo{}, err
	}
	var response todoJSON
	err = s.client.post(ctx, at("/L10/", in.MeetingID, "/todos"), struct {
		Title   string `json:"Title"`
		ForID   int    `json:"ForId"`
		Notes   string `json:"Notes,omitempty"`
		DueDate string `json:"dueDate,omitempty"`
	}{in.Title, user, in.Notes, date(in.DueDate)}, &response)
	if err != nil {
		return Todo{}, err
	}
	todo := response.todo()
	todo.MeetingID = in.MeetingID // not in the response
	return todo, nil
}

// TodoChange is a change of a todo. Nil and zero fields stay as they are.
type TodoChange struct {
	Title   *string   // title of the todo
	DueDate time.Time // when it is due, the day as it is in its own zone
}

// Update changes a todo, and returns the changed todo.
func (s *Todos) Update(ctx context.Context, id int, change TodoChange) (Todo, error) {
	if change == (TodoChange{}) {
		return Todo{}, errNoChange
	}
	err := s.client.put(ctx, at("/todo/", id), struct {
		Title   *string `json:"title,omitempty"`
		DueDate string  `json:"dueDate,omitempty"`
	}{change.Title, date(change.DueDate)})
	if err != nil {
		return Todo{}, err
	}
	return s.Get(ctx, id)
}

// Complete marks a todo as done, and returns the changed todo. See [Each] for many.
func (s *Todos) Complete(ctx context.Context, id int) (Todo, error) {
	_, err := s.client.rest.Do(ctx, rest.Request{
		Method: http.MethodPost, Path: at("/todo/", id, "/complete"), Query: url.Values{"status": {"true"}},
	}, nil)
	if err != nil {
		return Todo{}, err
	}
	return s.Get(ctx, id)
}

// Get reads one todo.
func (s *Todos) Get(ctx context.Context, id int) (Todo, error) {
	var response todoJSON
	if err := s.client.get(ctx, at("/todo/", id), nil, &response); err != nil {
		return Todo{}, err
	}
	return response.todo(), nil
}

// OfMeeting returns the open todos of a meeting. The API has no pages.
func (s *Todos) OfMeeting(ctx context.Context, meeting int) ([]Todo, error) {
	return list(ctx, s.client, at("/L10/", meeting, "/todos"), nil, todoJSON.todo)
}

// OfUser returns the todos of a user, 0 for the current one. The API has no pages.
func (s *Todos) OfUser(ctx context.Context, user int) ([]Todo, error) {
	user, err := s.client.userOr(ctx, user)
	if err != nil {
		return nil, err
	}
	return list(ctx, s.client, at("/todo/user/", user), nil, todoJSON.todo)
}

// UserTodos are the todos of users, which belong to no meeting. They are a client for creates; for all else see [Todos].
type UserTodos struct{ client *Client }

// CreateMany creates many todos, with [ValidateUserTodo] and the client's limiter.
func (s *UserTodos) CreateMany(ctx context.Context, items []NewTodo, opts ...windrow.Option) (*windrow.BulkResult[NewTodo, Todo], error) {
	return createMany(ctx, s.client, s, ValidateUserTodo, items, opts)
}

// Create creates one todo.
func (s *UserTodos) Create(ctx context.Context, in NewTodo) (Todo, error) {
	if err := ValidateUserTodo(in); err != nil {
		return Todo{}, invalid(err)
	}
	user, err := s.client.userOr(ctx, in.UserID)
	if err != nil {
		return Todo{}, err
	}
	var response todoJSON
	err = s.client.post(ctx, "/todo/create", struct {
		Title   string `json:"title"`
		User    int    `json:"accountableUserId"`
		Notes   string `json:"notes,omitempty"`
		DueDate string `json:"dueDate,omitempty"`
	}{in.Title, user, in.Notes, date(in.DueDate)}, &response)
	if err != nil {
		return Todo{}, err
	}
	return response.todo(), nil
}

var (
	_ windrow.Creator[NewTodo, Todo]         = (*Todos)(nil)
	_ windrow.Updater[int, TodoChange, Todo] = (*Todos)(nil)
	_ windrow.Getter[int, Todo]              = (*Todos)(nil)
	_ windrow.Creator[NewTodo, Todo]         = (*UserTodos)(nil)
)
