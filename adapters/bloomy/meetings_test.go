package bloomy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// created returns the meetings that a test has made.
func (w *world) created() []bloomytest.Meeting {
	var all []bloomytest.Meeting
	for _, m := range w.fake.Meetings() {
		if m.ID != 456 {
			all = append(all, m)
		}
	}
	return all
}

// incomplete returns what an error tells of a meeting.
func incomplete(t *testing.T, err error) *bloomy.IncompleteMeetingError {
	t.Helper()
	e, ok := errors.AsType[*bloomy.IncompleteMeetingError](err)
	if !ok {
		t.Fatalf("error %v holds no *IncompleteMeetingError", err)
	}
	return e
}

// D12, P-11: attendee 2 is refused. One meeting exists, its id is in the result, and running again adds that attendee only.
func TestD12_AttendeeRefusedHalfway(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"correct and rerun", "another run", "the error's JSON"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				in := []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 999, 321}}}
				res, err := w.client.Meetings.CreateMany(t.Context(), in, testkit.Quick)
				testkit.Check(t, "states", []windrow.State{bad}, testkit.States(t, res))
				e := incomplete(t, res.At(0).Err)
				testkit.Check(t, "meeting", bloomy.Meeting{ID: 100, Title: "Week 1", Attendees: []int{456, 321}}, e.Meeting)
				testkit.Check(t, "missing", []int{999}, e.Missing)
				want := "windrow: of 1 items 1 failed; first: item 0 failed: bloomy: meeting 100 was created, and lacks 1 of 3 attendees: rest: POST /api/v1/L10/100/attendees/999: status 404"
				testkit.Check(t, "error", want, err.Error())
				testkit.Check(t, "calls", 4, len(w.calls())) // nothing was tried twice

				w.fake.Users[999] = "New" // whoever was missing is there now
				before := len(w.calls())
				p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options())
				switch how {
				case "correct and rerun":
					res.Correct(0, e.Resume())
					res, err = p.Rerun(t.Context(), res)
				case "another run":
					res, err = p.Run(t.Context(), []bloomy.NewMeeting{e.Resume()})
				default: // what a person can do with the id that is in the text
					res, err = p.Run(t.Context(), []bloomy.NewMeeting{{MeetingID: 100, Title: "Week 1", Attendees: in[0].Attendees}})
				}
				if err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "calls", []string{"GET /L10/100/attendees", "POST /L10/100/attendees/999"}, w.calls()[before:])
				testkit.Check(t, "meetings", []bloomytest.Meeting{{ID: 100, Name: "Week 1", Attendees: []int{123, 456, 321, 999}}}, w.created())
				if got := res.At(0).Value; got.ID != 100 || len(got.Attendees) != 3 {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// D12: whatever happens to the call for the second attendee, no second meeting is made.
func TestD12_NeverASecondMeeting(t *testing.T) {
	t.Parallel()
	const second = "POST /L10/100/attendees/789"
	in := []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789, 321}}}
	broken := testkit.Respond(500, `{"Message":"An error has occurred."}`)
	for _, tt := range []struct {
		name    string
		fault   func(w *world)
		state   windrow.State // of the first run
		after   windrow.State // of a Rerun
		posts   int           // calls for the second attendee, both runs
		attends []int         // after the first run
	}{
		{"refused once by the server", func(w *world) { w.script(second, broken) }, ok, ok, 2, []int{123, 456, 789, 321}},
		{"response lost", func(w *world) { w.script(second, w.api.Applied) }, ok, ok, 1, []int{123, 456, 789, 321}},
		{"cut", func(w *world) { w.script(second, intercept.HangUp) }, ok, ok, 2, []int{123, 456, 789, 321}},
		{"throttled", func(w *world) { w.script(second, testkit.Respond(429, `{}`, "Retry-After", "7")) }, ok, ok, 2, []int{123, 456, 789, 321}},
		{"three times", func(w *world) { w.script(second, broken, broken, broken) }, bad, ok, 4, []int{123, 456}},
		{"unauthorized", func(w *world) { w.script(second, testkit.Respond(401, `{}`)) }, bad, ok, 2, []int{123, 456}},
		{"forbidden", func(w *world) { w.script(second, testkit.Respond(403, `{}`)) }, bad, bad, 1, []int{123, 456, 321}},
		{"attends already", func(w *world) { w.script(second, testkit.Respond(409, `{}`)) }, bad, bad, 1, []int{123, 456, 321}},
		{"a page of a proxy", func(w *world) { w.script(second, testkit.Respond(200, `<html>`, "Content-Type", "text/html")) }, ok, ok, 2, []int{123, 456, 789, 321}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				tt.fault(w)
				p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick)
				res, err := p.Run(t.Context(), in)
				testkit.Check(t, "states", []windrow.State{tt.state}, testkit.States(t, res))
				testkit.Check(t, "meetings", []bloomytest.Meeting{{ID: 100, Name: "Week 1", Attendees: tt.attends}}, w.created())
				if tt.state != ok {
					if e := incomplete(t, err); e.Meeting.ID != 100 {
						t.Errorf("%+v", e)
					}
				}
				res, err = p.Rerun(t.Context(), res)
				testkit.Check(t, "states after Rerun", []windrow.State{tt.after}, testkit.States(t, res))
				testkit.Check(t, "calls for the meeting", 1, w.count("POST /L10/create"))
				testkit.Check(t, "calls for the second attendee", tt.posts, w.count(second))
				if tt.after == ok && (err != nil || len(w.created()[0].Attendees) != 4 || res.At(0).Value.ID != 100) {
					t.Errorf("%v, %+v, value %+v", err, w.created(), res.At(0).Value)
				}
			})
		})
	}
}

// D12: a run that is cancelled half-way leaves a meeting that the next one completes.
func TestD12_CancelledHalfway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		w.script("POST /L10/100/attendees/789", func(_ http.ResponseWriter, req *http.Request) {
			cancel()
			<-req.Context().Done()
		})
		p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick)
		res, err := p.Run(ctx, []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}})
		testkit.Check(t, "states", []windrow.State{lost}, testkit.States(t, res))
		if e := incomplete(t, res.At(0).Err); e.Meeting.ID != 100 || len(e.Missing) != 1 {
			t.Errorf("%+v, %v", e, err)
		}
		if res, err = p.Rerun(t.Context(), res); err != nil {
			t.Error(err)
		}
		testkit.Check(t, "states", []windrow.State{ok}, testkit.States(t, res))
		testkit.Check(t, "meetings", []bloomytest.Meeting{{ID: 100, Name: "Week 1", Attendees: []int{123, 456, 789}}}, w.created())
	})
	// The same for an attempt that takes too long.
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.script("POST /L10/100/attendees/789", func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick, windrow.AttemptTimeout(time.Minute))
		res, err := p.Run(t.Context(), []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}})
		if err != nil {
			t.Error(err)
		}
		testkit.Check(t, "states", []windrow.State{ok}, testkit.States(t, res))
		testkit.Check(t, "meetings", 1, len(w.created()))
	})
}

// D12: the response to the call for the meeting itself is lost. Nobody knows, unless titles are unique.
func TestD12_MeetingLost(t *testing.T) {
	t.Parallel()
	in := []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}}
	for _, tt := range []struct {
		name   string
		unique bool
		in     []bloomy.NewMeeting
		fault  func(w *world)
		want   windrow.State
		made   int
	}{
		{"applied", false, in, func(w *world) { w.script("POST /L10/create", w.api.Applied) }, lost, 1},
		{"applied, unique", true, in, func(w *world) { w.script("POST /L10/create", w.api.Applied) }, ok, 1},
		{"not applied", false, in, func(w *world) { w.script("POST /L10/create", intercept.HangUp) }, lost, 0},
		{"not applied, unique", true, in, func(w *world) { w.script("POST /L10/create", intercept.HangUp) }, ok, 1},
		{"applied, unique, without self", true, []bloomy.NewMeeting{{Title: "Week 1", WithoutSelf: true}}, func(w *world) { w.script("POST /L10/create", w.api.Applied) }, lost, 1},
		{"applied, and there was one", true, in, func(w *world) {
			w.fake.AddMeeting(bloomytest.Meeting{ID: 7, Name: "Week 1", Attendees: []int{123}})
			w.script("POST /L10/create", w.api.Applied)
		}, lost, 2},
		{"no id in the response", false, in, func(w *world) { w.script("POST /L10/create", testkit.Respond(200, `{}`)) }, lost, 0},
		{"look-up fails once", true, in, func(w *world) {
			n := 0
			w.api.Intercept(func(req *http.Request) http.HandlerFunc {
				if strings.HasSuffix(req.URL.Path, "/L10/create") && n == 0 {
					n++
					return w.api.Applied
				}
				if strings.HasSuffix(req.URL.Path, "/list") && n == 1 {
					n++
					return testkit.Respond(500, `{}`)
				}
				return nil
			})
		}, ok, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				w.client.Meetings.UniqueTitles = tt.unique
				tt.fault(w)
				p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick)
				res, err := p.Run(t.Context(), tt.in)
				testkit.Check(t, "states", []windrow.State{tt.want}, testkit.States(t, res))
				res, _ = p.Rerun(t.Context(), res)
				testkit.Check(t, "states after Rerun", []windrow.State{tt.want}, testkit.States(t, res))
				testkit.Check(t, "meetings", tt.made, len(w.created()))
				if tt.want == ok && (err != nil || len(w.created()[0].Attendees) != 3 || res.At(0).Value.ID == 0) {
					t.Errorf("%v: %+v, %+v", err, w.created(), res.At(0).Value)
				}
			})
		})
	}
}

// What is complete is forgotten: to ask for it again is to ask for another meeting, also under the same key.
func TestD12_CompleteMeetingsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick)
		p.Key = func(in bloomy.NewMeeting) string { return in.Title }
		in := []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}}
		w.script("POST /L10/100/attendees/789", slices.Repeat(handlers(500), 3)...)
		for i, want := range []windrow.State{bad, ok, ok} { // begun, completed under its key, and made again
			res, err := p.Run(t.Context(), in)
			if got := res.At(0).State; got != want {
				t.Errorf("run %d: %v, %v", i, got, err)
			}
		}
		testkit.Check(t, "meetings", []bloomytest.Meeting{
			{ID: 100, Name: "Week 1", Attendees: []int{123, 456, 789}}, {ID: 101, Name: "Week 1", Attendees: []int{123, 456, 789}},
		}, w.created())
	})
}

// Outside a run the error tells how to go on, too.
func TestD12_SingleCall(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.script("POST /L10/100/attendees/456", testkit.Respond(500, `{}`))
	_, err := w.client.Meetings.Create(t.Context(), bloomy.NewMeeting{Title: "Week 1", Attendees: []int{456, 789}})
	e := incomplete(t, err)
	testkit.Check(t, "missing", []int{456, 789}, e.Missing) // the second was not tried
	m, err := w.client.Meetings.Create(t.Context(), e.Resume())
	if err != nil || m.ID != 100 || len(w.created()) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	testkit.Check(t, "attendees", []int{123, 456, 789}, w.created()[0].Attendees)
	if found, applied, err := w.client.Meetings.Reconcile(t.Context(), e.Resume()); !applied || err != nil || found.ID != 100 {
		t.Errorf("%+v, %t, %v", found, applied, err)
	}
	_, err = w.client.Meetings.Create(t.Context(), bloomy.NewMeeting{MeetingID: 7, Title: "gone", Attendees: []int{456}})
	if e := incomplete(t, err); !errors.Is(e, windrow.ErrNotFound) || e.Meeting.ID != 7 {
		t.Errorf("%v", err)
	}
	if _, err := w.client.Meetings.Create(t.Context(), bloomy.NewMeeting{}); len(windrow.FieldErrors(err)) != 1 {
		t.Errorf("%v", err)
	}
}
