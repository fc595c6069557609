package bloomy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// D12: whoever asks for the same again, has the one meeting completed.
func TestD12_RunAgain(t *testing.T) {
	t.Parallel()
	const second = "POST /L10/100/attendees/456"
	week := bloomy.NewMeeting{Title: "Week 1", Attendees: []int{456, 789, 321}}
	many := func(ctx context.Context, w *world, in ...bloomy.NewMeeting) error {
		_, err := w.client.Meetings.CreateMany(ctx, in, testkit.Quick)
		return err
	}
	verb := func(ctx context.Context, w *world, in ...bloomy.NewMeeting) error {
		_, err := windrow.CreateMany(ctx, w.client.Meetings, in, testkit.Quick)
		return err
	}
	single := func(ctx context.Context, w *world, in ...bloomy.NewMeeting) error {
		_, err := w.client.Meetings.Create(ctx, in[len(in)-1])
		return err
	}
	keyed := func(key string) func(ctx context.Context, w *world, in ...bloomy.NewMeeting) error {
		return func(ctx context.Context, w *world, in ...bloomy.NewMeeting) error {
			p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick)
			p.Key = func(bloomy.NewMeeting) string { return key }
			_, err := p.Run(ctx, in)
			return err
		}
	}
	type run = func(ctx context.Context, w *world, in ...bloomy.NewMeeting) error
	for _, tt := range []struct {
		name         string
		first, again run
		in           []bloomy.NewMeeting // of the second run
		meetings     int
	}{
		{"CreateMany", many, many, []bloomy.NewMeeting{week}, 1},
		{"the verb", verb, verb, []bloomy.NewMeeting{week}, 1},
		{"a single call", single, single, []bloomy.NewMeeting{week}, 1},
		{"a single call, then CreateMany", single, many, []bloomy.NewMeeting{week}, 1},
		{"CreateMany, then a single call", many, single, []bloomy.NewMeeting{week}, 1},
		{"attendees in another order", many, many, []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{321, 456, 789, 456}}}, 1},
		{"at another place", many, many, []bloomy.NewMeeting{{Title: "Week 2"}, week}, 2},
		{"asked for twice", many, many, []bloomy.NewMeeting{week, week}, 2},
		{"another title", many, many, []bloomy.NewMeeting{{Title: "Week 2", Attendees: []int{456, 789, 321}}}, 2},
		{"other attendees", many, many, []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}}, 2},
		{"without the current user", many, many, []bloomy.NewMeeting{{Title: "Week 1", WithoutSelf: true, Attendees: []int{456, 789, 321}}}, 2},
		{"one key", keyed("one"), keyed("one"), []bloomy.NewMeeting{{Title: "First week", Attendees: []int{456, 789, 321}}}, 1},
		{"two keys", keyed("one"), keyed("two"), []bloomy.NewMeeting{week}, 2},
		{"a key at last", many, keyed("one"), []bloomy.NewMeeting{week}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t)
				w.script(second, slices.Repeat(handlers(500), 3)...)
				if e := incomplete(t, tt.first(t.Context(), w, week)); e.Meeting.ID != 100 || len(w.created()) != 1 {
					t.Fatalf("%+v, %+v", e.Meeting, w.created())
				}
				w.script(second) // it is well again
				before := len(w.calls())
				if err := tt.again(t.Context(), w, tt.in...); err != nil {
					t.Error(err)
				}
				testkit.Check(t, "meetings", tt.meetings, len(w.created()))
				whole := bloomytest.Meeting{ID: 100, Name: "Week 1", Attendees: []int{123, 456, 789, 321}}
				if tt.name == "CreateMany" {
					testkit.Check(t, "calls", []string{"GET /L10/100/attendees", second, "POST /L10/100/attendees/789", "POST /L10/100/attendees/321"}, w.calls()[before:])
					testkit.Check(t, "meeting", whole, w.created()[0])
					// What is complete is forgotten.
					if err := many(t.Context(), w, week); err != nil || len(w.created()) != 2 {
						t.Errorf("%v, %+v", err, w.created())
					}
				}
				if tt.meetings == 1 && len(w.created()[0].Attendees) != 4 {
					t.Errorf("%+v", w.created())
				}
			})
		})
	}
}

// D12: a run asks for the same twice: that is two meetings, whatever becomes of the first.
func TestD12_TheSameTwiceInARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		in := slices.Repeat([]bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}}, 2)
		w.script("POST /L10/100/attendees/789", slices.Repeat(handlers(500), 3)...)
		p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick, windrow.PreserveOrder())
		res, _ := p.Run(t.Context(), in)
		testkit.Check(t, "states", []windrow.State{bad, ok}, testkit.States(t, res))
		testkit.Check(t, "meetings", 2, len(w.created()))
		// Another run completes the one, and makes one more. A Rerun of the first, which comes late, finds all done.
		if _, err := w.client.Meetings.CreateMany(t.Context(), in); err != nil {
			t.Error(err)
		}
		res, err := p.Rerun(t.Context(), res)
		if err != nil || res.At(0).Value.ID != 100 {
			t.Errorf("%+v, %v", res.At(0).Value, err)
		}
		testkit.Check(t, "meetings", 3, len(w.created()))
		for _, m := range w.created() {
			testkit.Check(t, "attendees", []int{123, 456, 789}, m.Attendees)
		}
	})
}

// D12: an incomplete meeting that is deleted is not looked for.
func TestD12_DeletedHalfway(t *testing.T) {
	t.Parallel()
	in := []bloomy.NewMeeting{{Title: "Week 1", Attendees: []int{456, 789}}}
	for _, tt := range []struct {
		name   string
		remove func(ctx context.Context, w *world) error
		want   []windrow.State // of the runs after that
	}{
		{"with the client", func(ctx context.Context, w *world) error { return w.client.Meetings.Delete(ctx, 100) }, []windrow.State{ok}},
		{"by somebody else", func(ctx context.Context, w *world) error {
			return client(t, w.http.URL, w.http.Client()).Meetings.Delete(ctx, 100)
		}, []windrow.State{bad, ok}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			p := windrow.NewCreateProcessor(w.client.Meetings, w.client.Options(), testkit.Quick)
			p.Key = func(in bloomy.NewMeeting) string { return in.Title }
			w.script("POST /L10/100/attendees/789", slices.Repeat(handlers(500), 3)...)
			if _, err := p.Run(t.Context(), in); err == nil {
				t.Error("no error")
			}
			if err := tt.remove(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				res, _ := p.Run(t.Context(), in)
				testkit.Check(t, tt.name, []windrow.State{want}, testkit.States(t, res))
			}
			testkit.Check(t, tt.name, []bloomytest.Meeting{{ID: 101, Name: "Week 1", Attendees: []int{123, 456, 789}}}, w.created())
		})
	}
}

// D12: a meeting that another call is at is not taken from it.
func TestD12_TheSameAtTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		week := bloomy.NewMeeting{Title: "Week 1", Attendees: []int{456, 789}}
		w.script("POST /L10/100/attendees/456", func(rw http.ResponseWriter, req *http.Request) {
			time.Sleep(time.Minute)
			w.api.Pass(rw, req)
		})
		done := make(chan error)
		go func() {
			_, err := w.client.Meetings.Create(t.Context(), week)
			done <- err
		}()
		synctest.Wait()
		_, err := w.client.Meetings.Create(t.Context(), week)
		if err := errors.Join(err, <-done); err != nil {
			t.Error(err)
		}
		for _, m := range w.created() {
			testkit.Check(t, "attendees", []int{123, 456, 789}, m.Attendees)
		}
		testkit.Check(t, "meetings", 2, len(w.created()))
	})
}
