package bloomy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
)

// Meetings are the meetings; the API calls them L10. They are a client for creates and deletes; for reads see
// [Meetings.Details].
//
// Creating a meeting takes a call for the meeting and one for each attendee. If a call for an attendee fails, the meeting
// exists, and the item's error is an [*IncompleteMeetingError] with its id. The client keeps the meeting until it is
// complete: an equal input in another attempt, a [windrow.BatchProcessor.Rerun], another run or a call of Create adds the
// missing attendees, and no second meeting is created. Inputs are equal
//
//   - if they have the same Key, in runs whose processor has one ([windrow.BatchProcessor.Key]);
//   - if they have the same Title, WithoutSelf and Attendees, in any order, in runs whose processor has none, and in calls
//     outside a run.
//
// Within one run each input has a meeting of its own, even if inputs are equal. Once the meeting is complete, deleted or not
// found any more, an equal input creates another meeting. For a corrected input, and for another client, such as that of the
// next process, pass the meeting: see [IncompleteMeetingError.Resume].
type Meetings struct {
	// UniqueTitles says that no two meetings of the current user have the same title. Then a meeting whose response was lost
	// is looked up by its title, if the user attends it, and not created a second time. Set it before the first use. Without
	// it such a meeting ends as Unknown.
	UniqueTitles bool

	client *Client
	half   *halfMade
}

// NewMeeting is a meeting to create.
type NewMeeting struct {
	Title       string `json:"title"`                  // required, at most 255 characters
	Attendees   []int  `json:"attendees,omitempty"`    // ids of users
	WithoutSelf bool   `json:"without_self,omitempty"` // the current user does not attend
	// MeetingID is an existing meeting: its missing attendees are added, and no meeting is created.
	MeetingID int `json:"meeting_id,omitempty"`
}

// Meeting is a meeting that was created.
type Meeting struct {
	ID        int    `json:"meeting_id"` // chosen by the server
	Title     string `json:"title"`      // of the input
	Attendees []int  `json:"attendees"`  // of the input
}

// IncompleteMeetingError is the error of a meeting that was created but lacks attendees.
type IncompleteMeetingError struct {
	Meeting Meeting // with the attendees that it has
	Missing []int   // the attendees that it lacks
	Err     error   // of the first missing attendee
}

// Error implements error.
func (e *IncompleteMeetingError) Error() string {
	return fmt.Sprintf("bloomy: meeting %d was created, and lacks %d of %d attendees: %v",
		e.Meeting.ID, len(e.Missing), len(e.Missing)+len(e.Meeting.Attendees), e.Err)
}

// Unwrap returns the error of the first attendee that is missing.
func (e *IncompleteMeetingError) Unwrap() error { return e.Err }

// Resume returns an input that adds the missing attendees to the meeting. Correct its Attendees if needed, and pass it to
// [windrow.BulkResult.Correct], or to another run.
func (e *IncompleteMeetingError) Resume() NewMeeting {
	return NewMeeting{Title: e.Meeting.Title, Attendees: slices.Concat(e.Meeting.Attendees, e.Missing), MeetingID: e.Meeting.ID}
}

// CreateMany creates many meetings, with [ValidateMeeting] and the client's limiter.
func (s *Meetings) CreateMany(ctx context.Context, items []NewMeeting, opts ...windrow.Option) (*windrow.BulkResult[NewMeeting, Meeting], error) {
	return createMany(ctx, s.client, s, ValidateMeeting, items, opts)
}

// Create creates one meeting and adds its attendees, or adds them to the existing meeting.
func (s *Meetings) Create(ctx context.Context, in NewMeeting) (Meeting, error) {
	if err := ValidateMeeting(in); err != nil {
		return Meeting{}, invalid(err)
	}
	attempt, _ := clients.AttemptFrom(ctx)
	meeting := in.MeetingID
	if meeting == 0 {
		meeting = s.half.take(attempt, in)
	}
	if meeting == 0 {
		var response struct{ MeetingID int }
		err := s.client.post(ctx, "/L10/create", struct {
			Title   string `json:"title"`
			AddSelf bool   `json:"addSelf"`
		}{in.Title, !in.WithoutSelf}, &response)
		if err != nil {
			return Meeting{}, err
		}
		if response.MeetingID == 0 {
			return Meeting{}, windrow.Ambiguous(errUnreadable)
		}
		s.half.begin(attempt, in, response.MeetingID)
		defer s.half.leave(response.MeetingID)
		return s.invite(ctx, attempt, in, response.MeetingID, nil)
	}
	defer s.half.leave(meeting)
	has, err := s.attendees(ctx, meeting)
	if err != nil {
		if errors.Is(err, windrow.ErrNotFound) {
			s.half.gone(meeting)
		}
		return Meeting{}, halfway(&IncompleteMeetingError{Meeting{ID: meeting, Title: in.Title}, in.Attendees, err})
	}
	return s.invite(ctx, attempt, in, meeting, has)
}

// invite adds the missing attendees of a meeting. If the server refuses one, the others are still added.
func (s *Meetings) invite(ctx context.Context, attempt clients.Attempt, in NewMeeting, meeting int, has []int) (Meeting, error) {
	out := Meeting{ID: meeting, Title: in.Title}
	lacks := &IncompleteMeetingError{}
	ended := false // by an error that applies to the other attendees, too
	for _, user := range in.Attendees {
		if !slices.Contains(has, user) {
			var err error
			if !ended {
				err = s.client.post(ctx, at("/L10/", meeting, "/attendees/", strconv.Itoa(user)), nil, nil)
			}
			if ended || err != nil {
				ended = ended || classify(err).Class != windrow.ClassPermanent
				if err != nil && (lacks.Err == nil || ended) {
					lacks.Err = err
				}
				lacks.Missing = append(lacks.Missing, user)
				continue
			}
			has = append(has, user)
		}
		out.Attendees = append(out.Attendees, user)
	}
	if lacks.Err != nil {
		lacks.Meeting = out
		return Meeting{}, halfway(lacks)
	}
	s.half.forget(attempt, meeting)
	return out, nil
}

// classify returns the class of an error of a call for an attendee.
func classify(err error) windrow.Classification {
	c := windrow.Classify(err)
	e, responded := errors.AsType[*rest.Error](err)
	switch {
	case !responded && c.Class == windrow.ClassPermanent:
		c.Class = windrow.ClassAmbiguous // a look-up shows who attends
	case responded && e.Status == http.StatusForbidden:
		c.Class = windrow.ClassPermanent // only for this attendee: the meeting itself was created
	}
	return c
}

// halfway gives the error of an incomplete meeting its class, whatever the earlier calls of the attempt were.
func halfway(e *IncompleteMeetingError) error {
	c := classify(e.Err)
	return windrow.Classified(e, windrow.Classification{Class: c.Class, After: c.After, Kind: c.Kind})
}

// attendees returns the ids of the attendees of a meeting.
func (s *Meetings) attendees(ctx context.Context, meeting int) ([]int, error) {
	return list(ctx, s.client, at("/L10/", meeting, "/attendees"), nil, func(p person) int { return p.ID })
}

var (
	errUnreadable = errors.New("bloomy: the response cannot be read")
	errNoLookUp   = errors.New("bloomy: whether the meeting was created cannot be found out: see Meetings.UniqueTitles")
	errTwoTitles  = errors.New("bloomy: two meetings have the title: see Meetings.UniqueTitles")
)

// Reconcile implements [clients.Reconciler]: it finds out whether a meeting was created, and whether it is complete.
func (s *Meetings) Reconcile(ctx context.Context, in NewMeeting) (Meeting, bool, error) {
	attempt, _ := clients.AttemptFrom(ctx)
	meeting := cmp.Or(in.MeetingID, s.half.own(attempt))
	if meeting == 0 {
		if !s.UniqueTitles || in.WithoutSelf {
			return Meeting{}, false, windrow.Permanent(errNoLookUp)
		}
		all, err := s.List(ctx)
		if err != nil {
			return Meeting{}, false, err
		}
		for _, m := range all {
			if m.Title != in.Title {
				continue
			}
			if meeting != 0 {
				return Meeting{}, false, windrow.Permanent(errTwoTitles)
			}
			meeting = m.ID
		}
		if meeting == 0 {
			return Meeting{}, false, nil
		}
		s.half.begin(attempt, in, meeting)
		defer s.half.leave(meeting)
	}
	has, err := s.attendees(ctx, meeting)
	if err != nil {
		return Meeting{}, false, err
	}
	for _, user := range in.Attendees {
		if !slices.Contains(has, user) {
			return Meeting{}, false, nil // the next attempt finds the meeting by its key
		}
	}
	s.half.forget(attempt, meeting)
	return Meeting{ID: meeting, Title: in.Title, Attendees: in.Attendees}, true, nil
}

// Delete deletes a meeting.
func (s *Meetings) Delete(ctx context.Context, id int) error {
	err := s.client.remove(ctx, at("/L10/", id))
	if err == nil || errors.Is(err, windrow.ErrNotFound) {
		s.half.gone(id)
	}
	return err
}

// List returns the meetings that the current user attends, without their attendees. The API has no pages.
func (s *Meetings) List(ctx context.Context) ([]Meeting, error) {
	user, err := s.client.UserID(ctx)
	if err != nil {
		return nil, err
	}
	return list(ctx, s.client, at("/L10/", user, "/list"), nil, func(p person) Meeting { return Meeting{ID: p.ID, Title: p.Name} })
}

var (
	_ windrow.Creator[NewMeeting, Meeting]    = (*Meetings)(nil)
	_ windrow.Deleter[int]                    = (*Meetings)(nil)
	_ clients.Reconciler[NewMeeting, Meeting] = (*Meetings)(nil)
)
