package retryafter

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// now is the time that the vectors are relative to.
var now = time.Date(2026, time.November, 21, 23, 40, 0, 0, time.UTC)

// answer is what Wait returns.
type answer struct {
	Wait    time.Duration
	Present bool
}

var absent answer

func says(wait time.Duration) answer { return answer{wait, true} }

func wait(h http.Header, now time.Time) answer {
	d, ok := Wait(h, now)
	return answer{d, ok}
}

func TestWait(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fields []string
		want   answer
	}{
		{"none", nil, absent},
		{"seconds", []string{"120"}, says(120 * time.Second)},
		{"zero is not absent", []string{"0"}, says(0)},
		{"decimal", []string{"0.249"}, says(249 * time.Millisecond)},
		{"decimal without a fraction", []string{"2.0"}, says(2 * time.Second)},
		{"decimal is rounded up", []string{"0.2491"}, says(250 * time.Millisecond)},
		{"decimal is never rounded to zero", []string{"0.0000001"}, says(time.Millisecond)},
		{"IMF-fixdate", []string{"Sat, 21 Nov 2026 23:40:37 GMT"}, says(37 * time.Second)},
		{"RFC 850", []string{"Saturday, 21-Nov-26 23:40:37 GMT"}, says(37 * time.Second)},
		{"asctime", []string{"Sat Nov 21 23:40:37 2026"}, says(37 * time.Second)},
		{"past", []string{"Fri, 31 Dec 1999 23:59:59 GMT"}, says(0)},
		{"epoch", []string{"1795304437"}, says(37 * time.Second)},
		{"epoch with a fraction", []string{"1795304437.5"}, says(37*time.Second + 500*time.Millisecond)},
		{"epoch with a fraction that no float holds", []string{"1795304437.1"}, says(37*time.Second + 100*time.Millisecond)},
		{"epoch with many digits", []string{"1795304437.50000000000000000001"}, says(37*time.Second + 501*time.Millisecond)},
		{"decimal with many zeros", []string{"0.24900000000000000000"}, says(249 * time.Millisecond)},
		{"decimal with many digits", []string{"0.24900000000000000001"}, says(250 * time.Millisecond)},
		{"decimal with an epoch's overflow", []string{"9223372036854775807.9"}, says(Max)},
		{"epoch in the past", []string{"1795304300"}, says(0)},
		{"longest delay that is no epoch", []string{"1000000000"}, says(Max)},
		{"first epoch", []string{"1000000001"}, says(0)},
		{"epoch in milliseconds", []string{"1795304437000"}, says(Max)},
		{"negative", []string{"-1"}, absent},
		{"signed", []string{"+1"}, absent},
		{"empty", []string{""}, absent},
		{"word", []string{"soon"}, absent},
		{"exponent", []string{"1e3"}, absent},
		{"hexadecimal", []string{"0x10"}, absent},
		{"digits of another script", []string{"١٢"}, absent},
		{"underscore", []string{"1_0"}, absent},
		{"dot first", []string{".5"}, absent},
		{"dot last", []string{"5."}, absent},
		{"infinity", []string{"Inf"}, absent},
		{"foreign zone", []string{"Saturday, 21-Nov-26 23:40:37 PST"}, absent},
		{"overflow", []string{"99999999999999999999"}, says(Max)},
		{"overflow of a float", []string{"1" + strings.Repeat("0", 400)}, says(Max)},
		{"longer than the cap", []string{"40000000"}, says(Max)},
		{"date far ahead", []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, says(Max)},
		{"several", []string{"5", "30"}, says(30 * time.Second)},
		{"several, longest first", []string{"30", "5"}, says(30 * time.Second)},
		{"several, one garbage", []string{"soon", "5"}, says(5 * time.Second)},
		{"blanks", []string{" \t120 "}, says(120 * time.Second)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, wait(http.Header{"Retry-After": test.fields}, now)); diff != "" {
				t.Errorf("Wait(%q) (-want +got):\n%s", test.fields, diff)
			}
		})
	}
}

// Every number of milliseconds is itself: no binary fraction rounds it up by one.
func TestWaitKeepsMilliseconds(t *testing.T) {
	t.Parallel()
	for ms := range 20_000 {
		field := fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
		if got, want := wait(http.Header{"Retry-After": {field}}, now), says(time.Duration(ms)*time.Millisecond); got != want {
			t.Fatalf("Wait(%q) = %v, want %v", field, got, want)
		}
	}
}

// Part of a second is left until the date: the wait must not end before it.
func TestWaitRoundsDatesUp(t *testing.T) {
	t.Parallel()
	h := http.Header{"Retry-After": {"Sat, 21 Nov 2026 23:40:37 GMT"}}
	if diff := cmp.Diff(says(36*time.Second+501*time.Millisecond), wait(h, now.Add(499500*time.Microsecond))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The two digits of an RFC 850 year are those of the year within 50 years of now.
func TestWaitTwoDigitYears(t *testing.T) {
	t.Parallel()
	tests := []struct {
		now   string
		field string
		want  answer
	}{
		{"2026-11-21T23:40:00Z", "Friday, 31-Dec-99 23:59:59 GMT", says(0)},                           // 1999
		{"2026-11-21T23:40:00Z", "Sunday, 22-Nov-76 23:40:00 GMT", says(0)},                           // 1976: 50 years and a day
		{"2026-11-21T23:40:00Z", "Saturday, 21-Nov-76 23:40:00 GMT", says(Max)},                       // 2076: 50 years
		{"2026-11-21T23:40:00Z", "Tuesday, 01-Jan-69 00:00:00 GMT", says(Max)},                        // 2069, not Go's 1969
		{"2099-12-31T23:59:59Z", "Friday, 01-Jan-00 00:00:09 GMT", says(10 * time.Second)},            // 2100
		{"2100-01-01T00:00:00Z", "Thursday, 31-Dec-99 23:59:59 GMT", says(0)},                         // 2099
		{"1994-11-06T08:49:00Z", "Sunday, 06-Nov-94 08:49:37 GMT", says(37 * time.Second)},            // the RFC's own
		{"2026-11-21T23:40:00.0005Z", "Saturday, 21-Nov-26 23:40:00 GMT", says(0)},                    // just past
		{"2026-11-21T23:39:59.9995Z", "Saturday, 21-Nov-26 23:40:00 GMT", says(1 * time.Millisecond)}, // just ahead
		{"2026-11-22T01:40:00+02:00", "Saturday, 21-Nov-26 23:40:37 GMT", says(37 * time.Second)},     // another zone here
		{"2027-01-01T01:00:00+02:00", "Thursday, 31-Dec-26 23:00:09 GMT", says(9 * time.Second)},      // in another year here
		{"2026-11-21T23:40:00Z", "Saturday, 21-Nov-2026 23:40:37 GMT", absent},                        // four digits
		{"2026-11-21T23:40:00Z", "Sat, 21-Nov-26 23:40:37 GMT", absent},                               // a short day
		{"2026-11-21T23:40:00Z", "Saturday, 31-Feb-26 23:40:37 GMT", absent},                          // no such day
	}
	for _, test := range tests {
		at, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, wait(http.Header{"Retry-After": {test.field}}, at)); diff != "" {
			t.Errorf("%s at %s (-want +got):\n%s", test.field, test.now, diff)
		}
	}
}

// F12: the clock here is wrong, and the server says what time it is there.
func TestF12WaitUsesTheServersDate(t *testing.T) {
	t.Parallel()
	wrong := now.Add(3 * time.Hour)
	tests := []struct {
		name        string
		field, date string
		want        answer
	}{
		{"date", "Sat, 21 Nov 2026 23:40:37 GMT", "Sat, 21 Nov 2026 23:40:00 GMT", says(37 * time.Second)},
		{"date of another form", "Sat, 21 Nov 2026 23:40:37 GMT", "Saturday, 21-Nov-26 23:40:00 GMT", says(37 * time.Second)},
		{"epoch", "1795304437", "Sat, 21 Nov 2026 23:40:00 GMT", says(37 * time.Second)},
		{"seconds need no clock", "37", "Sat, 21 Nov 2026 23:40:00 GMT", says(37 * time.Second)},
		{"no date", "Sat, 21 Nov 2026 23:40:37 GMT", "", says(0)},
		{"garbage for a date", "Sat, 21 Nov 2026 23:40:37 GMT", "yesterday", says(0)},
	}
	for _, test := range tests {
		h := http.Header{"Retry-After": {test.field}, "Date": {test.date}}
		if diff := cmp.Diff(test.want, wait(h, wrong)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func FuzzWait(f *testing.F) {
	for _, seed := range []string{
		"120", "0", "0.249", "2.0", "Sat, 21 Nov 2026 23:40:37 GMT", "Saturday, 21-Nov-26 23:40:37 GMT", "Sat Nov 21 23:40:37 2026",
		"1795304437", "-1", "", "soon", "1e3", "0x10", "99999999999999999999",
	} {
		f.Add(seed, "Sat, 21 Nov 2026 23:40:00 GMT")
		f.Add("5", seed)
	}
	f.Fuzz(func(t *testing.T, field, date string) {
		h := http.Header{"Retry-After": {field}, "Date": {date}}
		d, ok := Wait(h, now)
		if d < 0 || d > Max || d%time.Millisecond != 0 || !ok && d != 0 {
			t.Errorf("Wait(%q, %q) = %v, %v", field, date, d, ok)
		}
		h.Add("Retry-After", "7")
		if longer, ok := Wait(h, now); !ok || longer != max(d, 7*time.Second) {
			t.Errorf("Wait(%q and 7, %q) = %v, %v, want the longer of %v and 7 s", field, date, longer, ok, d)
		}
	})
}
