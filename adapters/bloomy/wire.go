package bloomy

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// person is a user in a response.
type person struct {
	ID   int    `json:"Id"`
	Name string `json:"Name"`
}

// moment is a time in a response. The zero moment is null or empty.
type moment struct{ time.Time }

// moments are the forms of times in the API. Those without a zone are in UTC.
var moments = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05", time.DateOnly}

var errMoment = errors.New("bloomy: a time in the response cannot be read")

// UnmarshalJSON implements [json.Unmarshaler].
func (m *moment) UnmarshalJSON(data []byte) error {
	*m = moment{}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errMoment
	}
	for _, form := range moments {
		if t, err := time.Parse(form, text); err == nil {
			m.Time = t
			return nil
		}
	}
	if text != "" {
		return errMoment
	}
	return nil
}

// date returns a date in the API's form, "" for the zero time.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// at returns the path of a record.
func at(before string, id int, after ...string) string {
	return before + strconv.Itoa(id) + strings.Join(after, "")
}
