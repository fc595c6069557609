package windrow_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
)

// Several items of a chunk with one id get the results for it in their order. When these are too few, only those items are
// in doubt.
func TestMatchByIDWithOneIDTwice(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "a", "c", "a"}
	out, err := clients.MatchByID(ids, []row{{"c", "4"}, {"a", "1"}, {"b", "2"}, {"a", "3"}, {"a", "5"}}, nil, readRow)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []string{"1", "2", "3", "4", "5"} {
		if out[k].Err != nil || out[k].Value != want {
			t.Errorf("item %d: %+v, want %s", k, out[k], want)
		}
	}
	for given := range 3 {
		rows := []row{{"c", "4"}, {"b", "2"}}
		for range given {
			rows = append(rows, row{"a", "1"})
		}
		out, err = clients.MatchByID(ids, rows, nil, readRow)
		if err != nil {
			t.Fatal(err)
		}
		for k, id := range ids {
			if lost := out[k].Err != nil; lost != (id == "a") || lost && windrow.Classify(out[k].Err).Class != windrow.ClassAmbiguous || lost && out[k].Value != "" {
				t.Errorf("%d results for the three, item %d: %+v", given, k, out[k])
			}
		}
	}
	absent := errors.New("absent")
	if out, err = clients.MatchByID(ids, []row{{"b", "2"}}, absent, readRow); err != nil || out[0].Err != absent || out[4].Err != absent || out[1].Err != nil {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err = clients.MatchByID(ids, []row{{"a", "1"}, {"a", "1"}, {"a", "1"}, {"a", "1"}}, nil, readRow); !errors.Is(err, windrow.ErrProtocol) {
		t.Errorf("one result too many: %v", err)
	}
}

// A stream tells how long the limiter was shut, while it runs and after it.
func TestThrottledForOfAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(c *call) error {
			if c.id() == "i0" && c.nth == 1 {
				return windrow.Throttled(errBusy, 7*time.Second)
			}
			return nil
		})
		s := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.Concurrency(1)).Stream(t.Context(), windrow.FromSlice(ids(3)))
		before := s.Stats().ThrottledFor
		for range s.All() {
			if d := s.Stats().ThrottledFor; d < 7*time.Second {
				t.Errorf("%v while it runs", d)
			}
		}
		after := s.Stats().ThrottledFor
		time.Sleep(time.Hour)
		if before != 0 || after < 7*time.Second || after > 8*time.Second || s.Stats().ThrottledFor != after {
			t.Errorf("%v before, %v after, %v later", before, after, s.Stats().ThrottledFor)
		}
	})
}

// What was sent and proved not to be applied was attempted.
func TestTextOfAnItemThatWasNotApplied(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]string{0: "item 3 was not applied: no", 1: "item 3 was not applied: no", 4: "item 3 was not applied after 4 attempts: no"} {
		err := &windrow.ItemError{Index: 3, State: windrow.NotAttempted, Attempts: attempts, Err: errors.New("no")}
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// The log of a run or a stream that was stopped says by what, and names no key.
func TestLogOfAStoppedRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		in   []string
		err  error
		want string
	}{
		"to its end":    {[]string{"a", "b"}, errors.New("no"), ""},
		"fatal":         {[]string{"a", "b"}, windrow.Fatal(errors.New("no token")), "every further call would fail: no token"},
		"duplicate key": {[]string{"secret", "secret"}, nil, "duplicate key"},
	} {
		for _, stream := range []bool{false, true} {
			if stream && name == "duplicate key" {
				continue // that needs the whole input
			}
			var log bytes.Buffer
			f := newFake(t, func(*call) error { return tt.err })
			p := windrow.NewCreateProcessor[string, string](client{fake: f}, windrow.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			p.Key = byItself
			if stream {
				p.Key = nil
			}
			_, _ = results(t, p, stream, tt.in)
			text := log.String()
			if got := strings.Contains(text, "cause="); got != (tt.want != "") || !strings.Contains(text, tt.want) || strings.Contains(text, "secret") {
				t.Errorf("%s, stream %t: %s", name, stream, text)
			}
		}
	}
}

// A panic in a hook says in which, and one of Validate for which item.
func TestPanicsNameTheirHook(t *testing.T) {
	t.Parallel()
	validate := func(p *windrow.BatchProcessor[string, string]) {
		p.Validate = func(in string) error {
			if in == "i2" {
				panic(secret)
			}
			return nil
		}
	}
	for name, tt := range map[string]struct {
		set  func(p *windrow.BatchProcessor[string, string])
		opts []windrow.Option
		hook string
		want string
	}{
		"Validate":   {validate, nil, "Validate", "Validate of item 2 panicked with a value of type string"},
		"OnProgress": {nil, []windrow.Option{windrow.OnProgress(func(windrow.Progress) { panic(secret) })}, "OnProgress", "OnProgress panicked with a value of type string"},
		"OnResult": {func(p *windrow.BatchProcessor[string, string]) {
			p.OnResult = func(windrow.Result[string, string]) { panic(secret) }
		}, nil, "OnResult", "OnResult panicked with a value of type string"},
	} {
		p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil)}, tt.opts...)
		if tt.set != nil {
			tt.set(p)
		}
		_, err := p.Run(t.Context(), ids(4))
		panicked, ok := errors.AsType[*windrow.PanicError](err)
		if !ok || panicked.Hook != tt.hook || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	func() {
		defer func() {
			if panicked, ok := recover().(*windrow.PanicError); !ok || panicked.Hook != "Validate" || panicked.Index != 2 {
				t.Errorf("%+v goes on to the caller", panicked)
			}
		}()
		p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil)}, windrow.PropagatePanics())
		validate(p)
		_, _ = p.Run(t.Context(), ids(4))
	}()
	p := windrow.NewCreateProcessor[string, string](client{fake: newFake(t, nil)})
	validate(p)
	var texts []string
	for _, err := range p.Stream(context.Background(), windrow.FromSlice(ids(4))).All() {
		if err != nil {
			texts = append(texts, err.Error())
		}
	}
	if diff := cmp.Diff([]string{"item 2 failed: Validate of item 2 panicked with a value of type string"}, texts); diff != "" {
		t.Errorf("errors of a stream (-want +got):\n%s", diff)
	}
}

// An item without a key, which a journal refuses, is told what Validate says of it, too.
func TestJournalWithoutAKeyAndValidate(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		p := journaled(newFake(t, nil), newMemory(), windrow.Capabilities{}, false)
		p.Validate = func(in string) error {
			switch in {
			case "":
				return &windrow.FieldError{Field: "name", Message: "is missing"}
			case "boom":
				panic(secret)
			}
			return nil
		}
		key := p.Key
		p.Key = func(in string) string {
			if in == "boom" {
				return ""
			}
			return key(in)
		}
		all, _ := results(t, p, stream, []string{"a", "", "boom"})
		if fields := windrow.FieldErrors(all[1].Err); len(fields) != 1 || fields[0].Field != "name" || !strings.Contains(all[1].Err.Error(), "has no key") {
			t.Errorf("stream %t: %v", stream, all[1].Err)
		}
		if _, ok := errors.AsType[*windrow.PanicError](all[2].Err); !ok || all[2].State != windrow.Failed || all[0].State != windrow.Succeeded {
			t.Errorf("stream %t: %v, %v", stream, all[0].State, all[2].Err)
		}
	}
}

// A budget of which only the size is given refills as the default one does.
func TestRetryBudgetOfASizeAlone(t *testing.T) {
	t.Parallel()
	for _, budget := range []windrow.RetryBudget{{Size: 1}, {Size: 2}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(c *call) error {
				if c.nth == 1 {
					return windrow.Transient(errBusy)
				}
				return nil
			})
			s := createVerb.run(t.Context(), f, ids(40), windrow.Concurrency(1), windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(0), Budget: budget}))
			if s.err != nil || s.stats.Succeeded != 40 {
				t.Errorf("%+v: %+v, %v", budget, s.stats, s.err)
			}
		})
	}
}
