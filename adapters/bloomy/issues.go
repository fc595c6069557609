package bloomy

import (
	"context"
	"time"

	"github.com/windrow-go/windrow"
)

// Issues are the issues of meetings. They are a client for creates, updates and reads.
type Issues struct{ client *Client }

// NewIssue is an issue to create.
type NewIssue struct {
	MeetingID int    `json:"meeting_id"`        // required
	Title     string `json:"title"`             // required, at most 255 characters
	UserID    int    `json:"user_id,omitempty"` // owner; 0 means the current user
	Notes     string `json:"notes,omitempty"`   // "" for none
}

// Issue is an issue as the server returns it.
type Issue struct {
	ID           int       `json:"id"`                      // of the issue
	Title        string    `json:"title"`                   // title of the issue
	NotesURL     string    `json:"notes_url,omitempty"`     // URL of its notes
	MeetingID    int       `json:"meeting_id"`              // of its meeting
	MeetingTitle string    `json:"meeting_title,omitempty"` // of its meeting
	UserID       int       `json:"user_id,omitempty"`       // of its owner
	UserName     string    `json:"user_name,omitempty"`     // of its owner
	CreatedAt    time.Time `json:"created_at,omitzero"`     // when it was created
	CompletedAt  time.Time `json:"completed_at,omitzero"`   // zero until it is solved
	ClosedAt     time.Time `json:"closed_at,omitzero"`      // zero until it is closed
}

// Closed reports whether the issue is closed or solved.
func (i Issue) Closed() bool { return !i.ClosedAt.IsZero() || !i.CompletedAt.IsZero() }

// issueJSON is an issue on the wire.
type issueJSON struct {
	ID           int    `json:"Id"`
	Name         string `json:"Name"`
	DetailsURL   string `json:"DetailsUrl"`
	Origin       string `json:"Origin"`
	OriginID     int    `json:"OriginId"`
	Owner        person `json:"Owner"`
	CreateTime   moment `json:"CreateTime"`
	CompleteTime moment `json:"CompleteTime"`
	CloseTime    moment `json:"CloseTime"`
}

func (j issueJSON) issue() Issue {
	return Issue{
		ID: j.ID, Title: j.Name, NotesURL: j.DetailsURL, MeetingID: j.OriginID, MeetingTitle: j.Origin, UserID: j.Owner.ID, UserName: j.Owner.Name,
		CreatedAt: j.CreateTime.Time, CompletedAt: j.CompleteTime.Time, ClosedAt: j.CloseTime.Time,
	}
}

// CreateMany creates many issues, with [ValidateIssue] and the client's limiter.
func (s *Issues) CreateMany(ctx context.Context, items []NewIssue, opts ...windrow.Option) (*windrow.BulkResult[NewIssue, Issue], error) {
	return createMany(ctx, s.client, s, ValidateIssue, items, opts)
}

// Create creates one issue.
func (s *Issues) Create(ctx context.Context, in NewIssue) (Issue, error) {
	if err := ValidateIssue(in); err != nil {
		return Issue{}, invalid(err)
	}
	user, err := s.client.userOr(ctx, in.UserID)
	if err != nil {
		return Issue{}, err
	}
	var response issueJSON
	err = s.client.post(ctx, "/issues/create", struct {
		Title     string `json:"title"`
		MeetingID int    `json:"meetingid"`
		OwnerID   int    `json:"ownerid"`
		Notes     string `json:"notes,omitempty"`
	}{in.Title, in.MeetingID, user, in.Notes}, &response)
	if err != nil {
		return Issue{}, err
	}
	return response.issue(), nil
}

// IssueChange is a change of an issue. Nil fields stay as they are.
type IssueChange struct {
	Title *string `json:"title,omitempty"` // title of the issue
	Notes *string `json:"notes,omitempty"` // "" removes them
}

// Update changes an issue, and returns the changed issue.
func (s *Issues) Update(ctx context.Context, id int, change IssueChange) (Issue, error) {
	if change == (IssueChange{}) {
		return Issue{}, errNoChange
	}
	if err := s.client.put(ctx, at("/issues/", id), change); err != nil {
		return Issue{}, err
	}
	return s.Get(ctx, id)
}

// Complete marks an issue as solved, and returns the changed issue. See [Each] for many.
func (s *Issues) Complete(ctx context.Context, id int) (Issue, error) {
	if err := s.client.post(ctx, at("/issues/", id, "/complete"), map[string]bool{"complete": true}, nil); err != nil {
		return Issue{}, err
	}
	return s.Get(ctx, id)
}

// Get reads one issue.
func (s *Issues) Get(ctx context.Context, id int) (Issue, error) {
	var response issueJSON
	if err := s.client.get(ctx, at("/issues/", id), nil, &response); err != nil {
		return Issue{}, err
	}
	return response.issue(), nil
}

// OfMeeting returns the open issues of a meeting. The API has no pages.
func (s *Issues) OfMeeting(ctx context.Context, meeting int) ([]Issue, error) {
	return s.list(ctx, at("/l10/", meeting, "/issues")) // the API has l10 in lower case only here
}

// OfUser returns the issues of a user, 0 for the current one. The API has no pages.
func (s *Issues) OfUser(ctx context.Context, user int) ([]Issue, error) {
	user, err := s.client.userOr(ctx, user)
	if err != nil {
		return nil, err
	}
	return s.list(ctx, at("/issues/users/", user))
}

func (s *Issues) list(ctx context.Context, path string) ([]Issue, error) {
	return list(ctx, s.client, path, nil, issueJSON.issue)
}

// list reads an array.
func list[Wire, Out any](ctx context.Context, c *Client, path string, query map[string][]string, read func(Wire) Out) ([]Out, error) {
	var wire []Wire
	if err := c.get(ctx, path, query, &wire); err != nil {
		return nil, err
	}
	out := make([]Out, len(wire))
	for i := range wire {
		out[i] = read(wire[i])
	}
	return out, nil
}
