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

// Meetings are the meetings; the API calls them L10. They are what the verbs of windrow take for creates and deletes; for
// reads see [Meetings.Details].
//
// To create one takes a call for the meeting and one for each attendee. When a call for an attendee fails, the meeting is
// there, and the item's error is an [*IncompleteMeetingError] that tells its id. The client remembers the meeting until it
// is complete. Whoever asks for the same again, in another attempt, a [windrow.BatchProcessor.Rerun], another run or a call
// of Create, has those added who are missing, and no second meeting is made. The same is an input
//
//   - with the same Key, in runs whose processor has one ([windrow.BatchProcessor.Key]), whatever else it holds;
//   - with the same Title, the same WithoutSelf and the same Attendees, in any order, in runs whose processor has none, and in
//     calls outside a run.
//
// Inputs of one run are about a meeting each, also when they are the same. To ask for what is complete is to ask for another
// meeting. So it is after a Delete of the incomplete one, and after a call that did not find it any more. An input that is
// corrected must be told which meeting it is about: see [IncompleteMeetingError.Resume]. Another client, such as that of the
// next process, knows nothing of it: there, too, Resume tells.
type Meetings struct {
	// UniqueTitles says that no two meetings of the current user have the same title. Then a meeting whose answer was
	// lost is looked for by its title, if the user attends it, and not made a second time. Set it before the first use.
	// Without it such a meeting ends as Unknown.
	UniqueTitles bool

	client *Client
	half   *halfMade
}

// NewMeeting is a meeting to be created.
type NewMeeting struct {
	Title       string `json:"title"`                  // required, at most 255 characters
	Attendees   []int  `json:"attendees,omitempty"`    // ids of users
	WithoutSelf bool   `json:"without_self,omitempty"` // the current user does not attend
	// MeetingID is a meeting that is there already: nothing is created, and the attendees that it lacks are added.
	MeetingID int `json:"meeting_id,omitempty"`
}

// Meeting is a meeting that was created.
type Meeting struct {
	ID        int    `json:"meeting_id"` // which the server chose
	Title     string `json:"title"`      // as it was asked for
	Attendees []int  `json:"attendees"`  // as they were asked for
}

// IncompleteMeetingError is the error of a meeting that was created and lacks attendees.
type IncompleteMeetingError struct {
	Meeting Meeting // with the attendees that it has
	Missing []int   // the attendees that it lacks
	Err     error   // of the first of them
}

// Error implements error.
func (e *IncompleteMeetingError) Error() string {
	return fmt.Sprintf("bloomy: meeting %d was created, and lacks %d of %d attendees: %v",
		e.Meeting.ID, len(e.Missing), len(e.Missing)+len(e.Meeting.Attendees), e.Err)
}

// Unwrap returns the error of the first attendee that is missing.
func (e *IncompleteMeetingError) Unwrap() error { return e.Err }

// Resume returns the input that adds what is missing to the meeting. Correct its Attendees where they are to blame, and give
// it to [windrow.BulkResult.Correct], or to another run.
func (e *IncompleteMeetingError) Resume() NewMeeting {
	return NewMeeting{Title: e.Meeting.Title, Attendees: slices.Concat(e.Meeting.Attendees, e.Missing), MeetingID: e.Meeting.ID}
}

// CreateMany creates many meetings, with [ValidateMeeting] and the client's limiter.
func (s *Meetings) CreateMany(ctx context.Context, items []NewMeeting, opts ...windrow.Option) (*windrow.BulkResult[NewMeeting, Meeting], error) {
	return createMany(ctx, s.client, s, ValidateMeeting, items, opts)
}

// Create creates one meeting and adds its attendees, or adds them to the meeting that is there.
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
		var answer struct{ MeetingID int }
		err := s.client.post(ctx, "/L10/create", struct {
			Title   string `json:"title"`
			AddSelf bool   `json:"addSelf"`
		}{in.Title, !in.WithoutSelf}, &answer)
		if err != nil {
			return Meeting{}, err
		}
		if answer.MeetingID == 0 {
			return Meeting{}, windrow.Ambiguous(errUnreadable)
		}
		s.half.begin(attempt, in, answer.MeetingID)
		defer s.half.leave(answer.MeetingID)
		return s.invite(ctx, attempt, in, answer.MeetingID, nil)
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

// invite adds the attendees that a meeting lacks. One whom the server refuses does not keep the others out.
func (s *Meetings) invite(ctx context.Context, attempt clients.Attempt, in NewMeeting, meeting int, has []int) (Meeting, error) {
	out := Meeting{ID: meeting, Title: in.Title}
	lacks := &IncompleteMeetingError{}
	ended := false // by an error that the others would meet, too
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

// classify says what an error of a call for an attendee means.
func classify(err error) windrow.Classification {
	c := windrow.Classify(err)
	e, answered := errors.AsType[*rest.Error](err)
	switch {
	case !answered && c.Class == windrow.ClassPermanent:
		c.Class = windrow.ClassAmbiguous // whoever attends is found out by looking
	case answered && e.Status == http.StatusForbidden:
		c.Class = windrow.ClassPermanent // for this attendee: the meeting itself was allowed
	}
	return c
}

// halfway marks the error of a meeting that is there and incomplete, so that the calls before do not count.
func halfway(e *IncompleteMeetingError) error {
	c := classify(e.Err)
	return windrow.Classified(e, windrow.Classification{Class: c.Class, After: c.After, Kind: c.Kind})
}

// attendees returns the ids of those who attend a meeting.
func (s *Meetings) attendees(ctx context.Context, meeting int) ([]int, error) {
	return list(ctx, s.client, at("/L10/", meeting, "/attendees"), nil, func(p person) int { return p.ID })
}

var (
	errUnreadable = errors.New("bloomy: the answer cannot be read")
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
