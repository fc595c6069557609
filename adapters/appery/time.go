package appery

import (
	"errors"
	"time"
)

// layout is the API's form of times, in UTC without a zone (devcenter2.appery.io, "Database REST API", Date).
const layout = "2006-01-02 15:04:05.000"

// Time is a time in the API's form, such as "2017-02-16 12:08:13.327": in UTC, to the millisecond, without a zone. The zero
// Time is null.
type Time struct{ time.Time }

// MarshalJSON implements [json.Marshaler].
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.String() + `"`), nil
}

// String returns the time in the API's form.
func (t Time) String() string { return t.UTC().Format(layout) }

var errTime = errors.New(`appery: a time must be as in "2017-02-16 12:08:13.327"`)

// UnmarshalJSON implements [json.Unmarshaler]. It also reads the form that values of columns have:
// "2017-02-16T12:08:13.327".
func (t *Time) UnmarshalJSON(data []byte) error {
	text := string(data)
	if text == "null" || text == `""` {
		*t = Time{}
		return nil
	}
	for _, form := range []string{`"2006-01-02 15:04:05.999"`, `"2006-01-02T15:04:05.999"`, `"2006-01-02T15:04:05.999Z"`} {
		if parsed, err := time.Parse(form, text); err == nil {
			*t = Time{parsed}
			return nil
		}
	}
	return errTime // without the text, which is content
}
