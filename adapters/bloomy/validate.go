package bloomy

import (
	"errors"
	"unicode/utf8"

	"github.com/windrow-go/windrow"
)

// maxTitle is how many characters a title may have, according to the vendor's guide.
const maxTitle = 255

// ValidateIssue returns a [*windrow.FieldError] for each problem of an issue. Like its siblings it is a Validate hook of a
// [windrow.BatchProcessor].
func ValidateIssue(in NewIssue) error { return validate(in.Title, in.MeetingID, true) }

// ValidateTodo returns the problems of a todo.
func ValidateTodo(in NewTodo) error { return validate(in.Title, in.MeetingID, true) }

// ValidateUserTodo returns the problems of a todo that belongs to no meeting.
func ValidateUserTodo(in NewTodo) error {
	err := validate(in.Title, 0, false)
	if in.MeetingID != 0 {
		err = errors.Join(err, &windrow.FieldError{Field: "meeting_id", Code: "not_allowed", Message: "Must be empty: a user's todo belongs to no meeting"})
	}
	return err
}

// ValidateGoal returns the problems of a goal.
func ValidateGoal(in NewGoal) error { return validate(in.Title, in.MeetingID, true) }

// ValidateMeeting returns the problems of a meeting.
func ValidateMeeting(in NewMeeting) error {
	err := validate(in.Title, 0, false)
	for _, user := range in.Attendees {
		if user <= 0 {
			return errors.Join(err, &windrow.FieldError{Field: "attendees", Code: "invalid", Message: "Must be ids of users"})
		}
	}
	return err
}

func validate(title string, meeting int, needsMeeting bool) error {
	var errs []error
	if title == "" {
		errs = append(errs, &windrow.FieldError{Field: "title", Code: "required", Message: "Missing required field: title"})
	}
	if needsMeeting && meeting == 0 {
		errs = append(errs, &windrow.FieldError{Field: "meeting_id", Code: "required", Message: "Missing required field: meeting_id"})
	}
	if utf8.RuneCountInString(title) > maxTitle {
		errs = append(errs, &windrow.FieldError{Field: "title", Code: "too_long", Message: "Title too long (max 255 chars)"})
	}
	return errors.Join(errs...)
}
