package bloomy

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// detailCalls is the number of calls for the details of one meeting.
const detailCalls = 5

// MeetingDetails is a meeting with its attendees, issues, todos and metrics.
type MeetingDetails struct {
	ID             int        `json:"id"`                        // of the meeting
	Name           string     `json:"name"`                      // its title
	StartDate      time.Time  `json:"start_date,omitzero"`       // when it begins; zero if that is not known
	CreatedAt      time.Time  `json:"created_at,omitzero"`       // when it was created
	OrganizationID int        `json:"organization_id,omitempty"` // of its organization
	Attendees      []Attendee `json:"attendees"`                 // users who attend it
	Issues         []Issue    `json:"issues"`                    // its issues
	Todos          []Todo     `json:"todos"`                     // its todos
	Metrics        []Metric   `json:"metrics"`                   // its metrics
}

// Attendee is a user who attends a meeting.
type Attendee struct {
	UserID   int    `json:"user_id"`             // of the attendee
	Name     string `json:"name"`                // of the attendee
	ImageURL string `json:"image_url,omitempty"` // "" if there is no picture
}

// Metric is a metric of a meeting; the API calls it a measurable.
type Metric struct {
	ID        int     `json:"id"`                  // of the metric
	Title     string  `json:"title"`               // what is measured
	Target    float64 `json:"target"`              // target value
	Unit      string  `json:"unit,omitempty"`      // of the target
	Direction string  `json:"direction,omitempty"` // good side of the target, such as > or <
	UserID    int     `json:"user_id,omitempty"`   // of the accountable user
	UserName  string  `json:"user_name,omitempty"` // of the accountable user
}

// Details reads meetings with all details: five calls for each, which also is the cost for the limiter. Make one with
// [Meetings.Details].
type Details struct {
	client *Client
	closed bool
}

// Details returns a client with which the verbs of windrow read meetings, with or without closed issues and todos.
func (s *Meetings) Details(includeClosed bool) *Details { return &Details{s.client, includeClosed} }

// GetMany reads the details of many meetings, without closed issues and todos, with the client's limiter. A missing meeting
// ends as Failed, with an error that matches [windrow.ErrNotFound].
func (s *Meetings) GetMany(ctx context.Context, ids []int, opts ...windrow.Option) (*windrow.BulkResult[int, MeetingDetails], error) {
	return windrow.GetMany(ctx, s.Details(false), ids, append([]windrow.Option{s.client.Options()}, opts...)...)
}

// Capabilities implements [clients.Describer].
func (d *Details) Capabilities() windrow.Capabilities {
	return windrow.Capabilities{Cost: func(n int) int { return detailCalls * n }}
}

// Get reads the details of one meeting.
func (d *Details) Get(ctx context.Context, id int) (MeetingDetails, error) {
	var response struct {
		ID             int                   `json:"Id"`
		Basics         struct{ Name string } `json:"Basics"`
		StartDateUTC   moment                `json:"StartDateUtc"`
		CreateTime     moment                `json:"CreateTime"`
		OrganizationID int                   `json:"OrganizationId"`
	}
	if err := d.client.get(ctx, at("/L10/", id), nil, &response); err != nil {
		return MeetingDetails{}, err
	}
	out := MeetingDetails{
		ID: response.ID, Name: response.Basics.Name, StartDate: response.StartDateUTC.Time, CreatedAt: response.CreateTime.Time, OrganizationID: response.OrganizationID,
	}
	closed := strconv.FormatBool(d.closed)
	var err error
	if out.Attendees, err = list(ctx, d.client, at("/L10/", id, "/attendees"), nil, attendeeJSON.attendee); err != nil {
		return MeetingDetails{}, err
	}
	if out.Issues, err = list(ctx, d.client, at("/L10/", id, "/issues"), url.Values{"include_resolved": {closed}}, issueJSON.issue); err != nil {
		return MeetingDetails{}, err
	}
	if out.Todos, err = list(ctx, d.client, at("/L10/", id, "/todos"), url.Values{"INCLUDE_CLOSED": {closed}}, todoJSON.todo); err != nil {
		return MeetingDetails{}, err
	}
	if out.Metrics, err = list(ctx, d.client, at("/L10/", id, "/measurables"), nil, metricJSON.metric); err != nil {
		return MeetingDetails{}, err
	}
	return out, nil
}

// attendeeJSON is an attendee on the wire.
type attendeeJSON struct {
	person
	ImageURL string `json:"ImageUrl"`
}

func (j attendeeJSON) attendee() Attendee {
	return Attendee{UserID: j.ID, Name: j.Name, ImageURL: j.ImageURL}
}

// metricJSON is a metric on the wire.
type metricJSON struct {
	ID        int     `json:"Id"`
	Name      string  `json:"Name"`
	Target    float64 `json:"Target"`
	Modifiers string  `json:"Modifiers"`
	Direction string  `json:"Direction"`
	Owner     person  `json:"Owner"`
}

func (j metricJSON) metric() Metric {
	return Metric{ID: j.ID, Title: j.Name, Target: j.Target, Unit: j.Modifiers, Direction: j.Direction, UserID: j.Owner.ID, UserName: j.Owner.Name}
}

var (
	_ windrow.Getter[int, MeetingDetails] = (*Details)(nil)
	_ clients.Describer                   = (*Details)(nil)
)
