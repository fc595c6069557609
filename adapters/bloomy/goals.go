package bloomy

import (
	"context"
	"net/url"
	"time"

	"github.com/windrow-go/windrow"
)

// Goals are the goals of meetings; the API calls them rocks. They are a client for creates, updates and deletes.
type Goals struct{ client *Client }

// NewGoal is a goal to create.
type NewGoal struct {
	MeetingID int    `json:"meeting_id"`        // required
	Title     string `json:"title"`             // required, at most 255 characters
	UserID    int    `json:"user_id,omitempty"` // owner; 0 means the current user
}

// GoalStatus is the status of a goal in the API.
type GoalStatus string

// The states of a goal.
const (
	OnTrack  GoalStatus = "OnTrack"
	AtRisk   GoalStatus = "AtRisk"
	Complete GoalStatus = "Complete"
)

// Goal is a goal as the server returns it.
type Goal struct {
	ID           int        `json:"id"`                      // of the goal
	Title        string     `json:"title"`                   // title of the goal
	UserID       int        `json:"user_id,omitempty"`       // accountable user
	UserName     string     `json:"user_name,omitempty"`     // accountable user
	MeetingID    int        `json:"meeting_id,omitempty"`    // 0 when it belongs to none
	MeetingTitle string     `json:"meeting_title,omitempty"` // "" when it belongs to none
	Status       GoalStatus `json:"status,omitempty"`        // in a list only Complete or ""
	CreatedAt    time.Time  `json:"created_at,omitzero"`     // when it was created
	DueDate      time.Time  `json:"due_date,omitzero"`       // when it is due
}

// goalJSON is a goal on the wire.
type goalJSON struct {
	ID         int      `json:"Id"`
	Name       string   `json:"Name"`
	Owner      person   `json:"Owner"`
	Origins    []person `json:"Origins"`
	Complete   bool     `json:"Complete"`
	Completion *int     `json:"Completion"` // 0, 1 or 2; a list has Complete instead
	CreateTime moment   `json:"CreateTime"`
	DueDate    moment   `json:"DueDate"`
}

func (j goalJSON) goal() Goal {
	g := Goal{
		ID: j.ID, Title: j.Name, UserID: j.Owner.ID, UserName: j.Owner.Name, CreatedAt: j.CreateTime.Time, DueDate: j.DueDate.Time,
	}
	if len(j.Origins) > 0 {
		g.MeetingID, g.MeetingTitle = j.Origins[0].ID, j.Origins[0].Name
	}
	switch {
	case j.Complete || j.Completion != nil && *j.Completion == 2:
		g.Status = Complete
	case j.Completion == nil:
	case *j.Completion == 1:
		g.Status = OnTrack
	default:
		g.Status = AtRisk
	}
	return g
}

// CreateMany creates many goals, with [ValidateGoal] and the client's limiter.
func (s *Goals) CreateMany(ctx context.Context, items []NewGoal, opts ...windrow.Option) (*windrow.BulkResult[NewGoal, Goal], error) {
	return createMany(ctx, s.client, s, ValidateGoal, items, opts)
}

// Create creates one goal.
func (s *Goals) Create(ctx context.Context, in NewGoal) (Goal, error) {
	if err := ValidateGoal(in); err != nil {
		return Goal{}, invalid(err)
	}
	user, err := s.client.userOr(ctx, in.UserID)
	if err != nil {
		return Goal{}, err
	}
	var response goalJSON
	err = s.client.post(ctx, at("/L10/", in.MeetingID, "/rocks"), struct {
		Title string `json:"title"`
		User  int    `json:"accountableUserId"`
	}{in.Title, user}, &response)
	if err != nil {
		return Goal{}, err
	}
	goal := response.goal()
	goal.Title, goal.UserID, goal.MeetingID = in.Title, user, in.MeetingID // the response may lack them
	return goal, nil
}

// GoalChange is a change of a goal. Nil or zero fields stay as they are, except that the API requires the owner: UserID 0
// makes it the current user.
type GoalChange struct {
	Title  *string    // title of the goal
	UserID int        // accountable user
	Status GoalStatus // new status
}

// Update changes a goal. The API returns nothing, and has no way to read one goal.
func (s *Goals) Update(ctx context.Context, id int, change GoalChange) (struct{}, error) {
	if change == (GoalChange{}) {
		return struct{}{}, errNoChange
	}
	switch change.Status {
	case "", OnTrack, AtRisk, Complete:
	default:
		return struct{}{}, invalid(&windrow.FieldError{Field: "status", Code: "invalid", Message: "must be OnTrack, AtRisk or Complete"})
	}
	user, err := s.client.userOr(ctx, change.UserID)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, s.client.put(ctx, at("/rocks/", id), struct {
		User   int        `json:"accountableUserId"`
		Title  *string    `json:"title,omitempty"`
		Status GoalStatus `json:"completion,omitempty"`
	}{user, change.Title, change.Status})
}

// Archive archives a goal, which lists then omit. See [Each] for many.
func (s *Goals) Archive(ctx context.Context, id int) error {
	return s.client.put(ctx, at("/rocks/", id, "/archive"), nil)
}

// Restore restores an archived goal. See [Each] for many.
func (s *Goals) Restore(ctx context.Context, id int) error {
	return s.client.put(ctx, at("/rocks/", id, "/restore"), nil)
}

// Delete deletes a goal.
func (s *Goals) Delete(ctx context.Context, id int) error {
	return s.client.remove(ctx, at("/rocks/", id))
}

// OfUser returns the goals of a user, 0 for the current one. The API has no pages.
func (s *Goals) OfUser(ctx context.Context, user int) ([]Goal, error) {
	user, err := s.client.userOr(ctx, user)
	if err != nil {
		return nil, err
	}
	return list(ctx, s.client, at("/rocks/user/", user), url.Values{"include_origin": {"true"}}, goalJSON.goal)
}

// ArchivedOfUser returns the archived goals of a user, 0 for the current one. The API has no pages.
func (s *Goals) ArchivedOfUser(ctx context.Context, user int) ([]Goal, error) {
	user, err := s.client.userOr(ctx, user)
	if err != nil {
		return nil, err
	}
	return list(ctx, s.client, at("/archivedrocks/user/", user), nil, goalJSON.goal)
}

var (
	_ windrow.Creator[NewGoal, Goal]             = (*Goals)(nil)
	_ windrow.Updater[int, GoalChange, struct{}] = (*Goals)(nil)
	_ windrow.Deleter[int]                       = (*Goals)(nil)
	_ windrow.Creator[NewIssue, Issue]           = (*Issues)(nil)
	_ windrow.Updater[int, IssueChange, Issue]   = (*Issues)(nil)
	_ windrow.Getter[int, Issue]                 = (*Issues)(nil)
)
