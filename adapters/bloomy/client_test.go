package bloomy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/bloomy"
	"github.com/windrow-go/windrow/adapters/bloomy/bloomytest"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

func todos(n int) []bloomy.NewTodo {
	all := make([]bloomy.NewTodo, n)
	for i := range all {
		all[i] = bloomy.NewTodo{MeetingID: 456, Title: fmt.Sprint("Task ", i), UserID: 789}
	}
	return all
}

// most answers requests slowly, and counts how many there are at once.
func (w *world) most(latency time.Duration) func() int {
	var mu sync.Mutex
	now, most := 0, 0
	w.api.Intercept(func(*http.Request) http.HandlerFunc {
		return func(rw http.ResponseWriter, req *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(latency)
			w.api.Pass(rw, req)
			mu.Lock()
			defer mu.Unlock()
			now--
		}
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return most
	}
}

// D22, D23, D25, D37, D38: five calls at once by default, and what the guide advises otherwise.
func TestD22_D23_D25_D37_D38_Concurrency(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		limiter *windrow.Limiter
		opts    []windrow.Option
		want    int
	}{
		{"default", nil, nil, 5},
		{"small payloads", bloomy.NewLimiter(bloomy.SmallPayloads), nil, 20},
		{"complex operations", bloomy.NewLimiter(bloomy.ComplexOperations), nil, 10},
		{"rate-limited", bloomy.NewLimiter(bloomy.RateLimited), nil, 3},
		{"lower for one run", bloomy.NewLimiter(bloomy.SmallPayloads), []windrow.Option{windrow.Concurrency(2)}, 2},
		{"sequential", nil, []windrow.Option{windrow.PreserveOrder()}, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			var opts []rest.Option
			if tt.limiter != nil {
				opts = append(opts, rest.WithLimiter(tt.limiter))
			}
			w := start(t, opts...)
			most := w.most(time.Second)
			began := time.Now()
			res, err := w.client.Todos.CreateMany(t.Context(), todos(60), tt.opts...)
			if err != nil || w.fake.Count("todo") != 60 {
				t.Errorf("%s: %+v, %v", tt.name, res.Stats(), err)
			}
			testkit.Check(t, tt.name, tt.want, most())
			testkit.Check(t, tt.name, time.Duration(60/tt.want)*time.Second, time.Since(began).Truncate(time.Second))
			for i, v := range res.Values() { // D24
				testkit.Check(t, "title", fmt.Sprint("Task ", i), v.Title)
			}
		})
	}
}

// D29: several bulk calls at once have one limit together, where each of the SDK's has its own.
func TestD29_OneLimitForTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		most := w.most(time.Second)
		var wg sync.WaitGroup
		var errs [3]error
		wg.Go(func() { _, errs[0] = w.client.Todos.CreateMany(t.Context(), todos(10)) })
		wg.Go(func() {
			_, errs[1] = w.client.Issues.CreateMany(t.Context(), slices.Repeat([]bloomy.NewIssue{{MeetingID: 456, Title: "i", UserID: 789}}, 10))
		})
		wg.Go(func() {
			_, errs[2] = w.client.Goals.CreateMany(t.Context(), slices.Repeat([]bloomy.NewGoal{{MeetingID: 456, Title: "g", UserID: 789}}, 10))
		})
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			t.Error(err)
		}
		testkit.Check(t, "at once", 5, most())
		testkit.Check(t, "records", []int{10, 10, 10}, []int{w.fake.Count("todo"), w.fake.Count("issue"), w.fake.Count("rock")})
	})
}

// D16, D20, D21, D34: the guide's chunks of 50 with a second between.
func TestD21_D34_Chunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		began := time.Now()
		var mu sync.Mutex
		sent := map[time.Duration]int{}
		w.api.Intercept(func(*http.Request) http.HandlerFunc {
			mu.Lock()
			defer mu.Unlock()
			sent[time.Since(began)]++
			return nil
		})
		if _, err := w.client.Todos.CreateMany(t.Context(), todos(120), bloomy.Chunks()); err != nil {
			t.Error(err)
		}
		testkit.Check(t, "sent", map[time.Duration]int{0: 50, time.Second: 50, 2 * time.Second: 20}, sent)
		testkit.Check(t, "took", 2*time.Second, time.Since(began)) // and none after the last
	})
}

// D32, D35, D36: what fails for a moment is sent again, a 429 holds all of them back for as long as it says, and what is
// refused stays with its item.
func TestD32_D35_D36_FaultsOnTheWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.script("POST /L10/456/todos", nil, testkit.Respond(429, `{"Message":"Too many"}`, "Retry-After", "30"))
		began := time.Now()
		in := todos(30)
		in[7].UserID = 999
		res, err := w.client.Todos.CreateMany(t.Context(), in)
		if s := res.Stats(); s.Succeeded != 29 || s.Failed != 1 || s.Throttled == 0 || res.At(7).State != bad || res.At(7).Attempts != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		if took := time.Since(began); took < 30*time.Second || took > 35*time.Second {
			t.Errorf("took %v", took)
		}
		if e, ok := errors.AsType[*rest.Error](err); !ok || e.Status != 404 { // D7
			t.Errorf("error %v", err)
		}
		testkit.Check(t, "todos", 29, w.fake.Count("todo"))
	})
	// A refused connection and a 503 that says when to come back are harmless; a 500 leaves a create Unknown, and a read is
	// made again.
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.script("POST /L10/456/todos", testkit.Respond(503, `{}`, "Retry-After", "1"), testkit.Respond(500, `{}`))
		res, err := w.client.Todos.CreateMany(t.Context(), todos(3), windrow.PreserveOrder(), testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, ok, ok}, testkit.States(t, res))
		w.script("GET /L10/456/issues", testkit.Respond(500, `{}`), intercept.HangUp)
		got, err2 := w.client.Meetings.GetMany(t.Context(), []int{456}, testkit.Quick)
		if err == nil || err2 != nil || len(got.Values()[0].Todos) != 2 {
			t.Errorf("%v, %v", err, err2)
		}
	})
}

// The SDK sends the other 999, too: a 401 stops the run.
func TestD1_UnauthorizedStopsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.api.Intercept(func(*http.Request) http.HandlerFunc {
			return testkit.Respond(401, `{"Message":"Authorization has been denied for this request."}`)
		})
		res, err := w.client.Todos.CreateMany(t.Context(), todos(1000), windrow.PreserveOrder())
		if s := res.Stats(); s.Failed != 1 || s.NotAttempted != 999 || !errors.Is(err, windrow.ErrFatal) || len(w.calls()) != 1 {
			t.Errorf("%+v after %d calls, %v", s, len(w.calls()), err)
		}
	})
}

// D11: who the current user is is asked for once, also by many at once, and a failure harms nobody.
func TestD11_CurrentUser(t *testing.T) {
	t.Parallel()
	mine := slices.Repeat([]bloomy.NewTodo{{MeetingID: 456, Title: "t"}}, 20)
	for _, tt := range []struct {
		name  string
		fault []http.HandlerFunc
		calls int
		want  windrow.RunStats
	}{
		{"good", nil, 1, windrow.RunStats{Succeeded: 20}},
		{"lost", []http.HandlerFunc{intercept.HangUp}, 2, windrow.RunStats{Succeeded: 20}},
		{"server error", []http.HandlerFunc{testkit.Respond(500, `{}`)}, 2, windrow.RunStats{Succeeded: 20}},
		{"throttled", []http.HandlerFunc{testkit.Respond(429, `{}`, "Retry-After", "3")}, 2, windrow.RunStats{Succeeded: 20}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			w.script("GET /users/mine", tt.fault...)
			res, err := w.client.Todos.CreateMany(t.Context(), mine, testkit.Quick)
			if s := res.Stats(); s.Succeeded != tt.want.Succeeded || err != nil {
				t.Errorf("%s: %+v, %v", tt.name, s, err)
			}
			testkit.Check(t, tt.name, tt.calls, w.count("GET /users/mine"))
			if id, err := w.client.UserID(t.Context()); id != 123 || err != nil {
				t.Errorf("%d, %v", id, err)
			}
		})
	}
	// It cannot be found out: the items fail, and were not sent.
	synctest.Test(t, func(t *testing.T) {
		w := start(t)
		w.api.Intercept(func(req *http.Request) http.HandlerFunc {
			if strings.HasSuffix(req.URL.Path, "/mine") {
				return testkit.Respond(200, `{"Name":"nobody"}`)
			}
			return nil
		})
		for name, err := range map[string]func() error{
			"todos":      func() error { _, err := w.client.Todos.CreateMany(t.Context(), mine[:1], testkit.Quick); return err },
			"user todos": func() error { _, err := w.client.UserTodos.Create(t.Context(), bloomy.NewTodo{Title: "t"}); return err },
			"issues": func() error {
				_, err := w.client.Issues.Create(t.Context(), bloomy.NewIssue{MeetingID: 456, Title: "t"})
				return err
			},
			"goals": func() error {
				_, err := w.client.Goals.Create(t.Context(), bloomy.NewGoal{MeetingID: 456, Title: "t"})
				return err
			},
			"goal": func() error {
				_, err := w.client.Goals.Update(t.Context(), 1, bloomy.GoalChange{Title: new("t")})
				return err
			},
			"lists":      func() error { _, err := w.client.Todos.OfUser(t.Context(), 0); return err },
			"issue list": func() error { _, err := w.client.Issues.OfUser(t.Context(), 0); return err },
			"goal list":  func() error { _, err := w.client.Goals.OfUser(t.Context(), 0); return err },
			"archived":   func() error { _, err := w.client.Goals.ArchivedOfUser(t.Context(), 0); return err },
			"meetings":   func() error { _, err := w.client.Meetings.List(t.Context()); return err },
		} {
			if err() == nil {
				t.Errorf("%s: no error", name)
			}
		}
		testkit.Check(t, "writes", 0, w.count("POST")+w.count("PUT"))
	})
}

// D33: a run logs its start, its end and that it was throttled, and nothing of the items; no credential is anywhere.
func TestD33_LogsAndNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, nil))
		var texts []string
		for _, status := range []int{200, 400, 401, 403, 404, 422, 500, 503} {
			w := start(t)
			w.script("POST", testkit.Respond(status, `{"Message":"hidden content","Id":"hidden content"}`))
			in := []bloomy.NewTodo{{MeetingID: 456, Title: "hidden content", UserID: 789}}
			res, err := w.client.Todos.CreateMany(t.Context(), in, windrow.WithLogger(logger), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}))
			w.script("POST /L10/100/attendees", testkit.Respond(status+300, `hidden content`))
			_, err2 := w.client.Meetings.Create(t.Context(), bloomy.NewMeeting{Title: "hidden content", Attendees: []int{456}})
			logger.Error("failed", "err", err, "err2", err2, "client", w.client, "todos", w.client.Todos)
			texts = append(texts, fmt.Sprint(err, err2, res.At(0).Err))
			c := w.client
			for _, v := range []any{c, c.Issues, c.Todos, c.UserTodos, c.Goals, c.Meetings, c.Meetings.Details(true)} {
				js, _ := json.Marshal(v)
				texts = append(texts, fmt.Sprintf("%v %+v %#v %s", v, v, v, js))
			}
		}
		for _, text := range append(texts, log.String()) {
			if strings.Contains(text, apiKey) || strings.Contains(text, "hidden content") {
				t.Errorf("a secret shows in %s", text)
			}
		}
		for _, want := range []string{"windrow: run started", "windrow: run ended", `"operation":"create"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s", want)
			}
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][2]string{{"", ""}, {"ftp://x", "key"}, {"https://user:pw@x", "key"}, {"https://x", "bad\nkey"}} {
		if _, err := bloomy.New(args[0], args[1], nil); err == nil || strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "bad") {
			t.Errorf("%q: %v", args, err)
		}
	}
	c, err := bloomy.New("", "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Limiter() == nil || c.Limiter().Stats().Concurrency != bloomy.DefaultConcurrency {
		t.Errorf("limiter %+v", c.Limiter().Stats())
	}
	mine := windrow.NewLimiter()
	if c, err = bloomy.New("", "key", &http.Client{Transport: &rest.Transport{Limiter: mine}}); err != nil || c.Limiter() != mine {
		t.Errorf("%v", err)
	}
	if _, err := bloomy.New("", "key", nil, rest.WithLimiter(nil)); err == nil {
		t.Error("a nil limiter was taken")
	}
}

// Wire 6.4: the client's own patience is that of the vendor's.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := windrowtest.NewServer(t, &bloomytest.Server{Latency: time.Hour})
		h := bloomy.NewHTTPClient()
		h.Transport = server.Transport()
		c, err := bloomy.New(server.URL+"/api/v1", apiKey, h)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := c.UserID(t.Context()); err == nil {
			t.Error("no error")
		}
		testkit.Check(t, "took", 30*time.Second, time.Since(began))
	})
}
