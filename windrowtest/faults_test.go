package windrowtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/windrowtest"
)

// Each of the faults that a fake server should offer, as it is seen on the wire.

// Fault 1: 429 with the reset in each dialect, and without any.
func TestFault1_ThrottledInEveryDialect(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		now := today()
		for _, d := range windrowtest.Dialects(now, 30*time.Second) {
			s.Script(windrowtest.Throttled(d.Header))
			a := ask(t, s, "POST", notes, note{Key: d.Name})
			check(t, "status", 429, a.status)
			for name := range d.Header {
				check(t, d.Name+": "+name, d.Header.Get(name), a.header.Get(name))
			}
		}
		check(t, "records", 0, r.Len(notes))
	})
}

// Fault 2: 200, and items in it that are 429 or 503.
func TestFault2_ItemsThatFailInsideAGoodAnswer(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		for round, status := range []int{429, 503} {
			s.Script(windrowtest.ItemStatus(1, status))
			a := ask(t, s, "POST", notes+"/batch", batchOf("a", "b", "c"))
			check(t, "indexes", []any{0.0, 1.0, 2.0}, column(results(t, a), "index"))
			check(t, "applied", []int{round + 1, 0, round + 1}, []int{r.Ledger.Times("a"), r.Ledger.Times("b"), r.Ledger.Times("c")})
			check(t, "status", 200, a.status)
			all := results(t, a)
			check(t, "success", []any{true, false, true}, column(all, "success"))
			check(t, "status of the item", any(float64(status)), all[1]["status"])
		}
		s.Script(windrowtest.ItemStatus(3, 429), windrowtest.ItemStatus(0, 429))
		check(t, "no such item", 3, len(results(t, ask(t, s, "POST", notes+"/batch", batchOf("a", "b", "c")))))
		check(t, "no batch", 201, ask(t, s, "POST", notes, note{Key: "x"}).status)
	})
}

// Fault 3: results short, long, shuffled, without an id, and with an id twice.
func TestFault3_ResultsThatDoNotFit(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		for _, test := range []struct {
			name string
			step windrowtest.Step
			want []any // indexes
		}{
			{"as it is", windrowtest.Pass, []any{0.0, 1.0, 2.0}},
			{"short", windrowtest.Short(1), []any{0.0, 1.0}},
			{"shorter than nothing", windrowtest.Short(9), nil},
			{"long", windrowtest.Long(2), []any{0.0, 1.0, 2.0, 2.0, 2.0}},
			{"shuffled", windrowtest.Shuffled(), []any{2.0, 1.0, 0.0}},
			{"without an id", windrowtest.WithoutID(1), []any{0.0, nil, 2.0}},
			{"an id twice", windrowtest.SameID(2, 0), []any{0.0, 1.0, 0.0}},
			{"of none", windrowtest.SameID(7, 0), []any{0.0, 1.0, 2.0}},
		} {
			before := r.Len(notes)
			s.Script(test.step)
			a := ask(t, s, "POST", notes+"/batch", batchOf("a", "b", "c"))
			check(t, test.name, test.want, column(results(t, a), "index"))
			check(t, test.name+": records made", 3, r.Len(notes)-before)
			ids := column(results(t, a), "id")
			check(t, test.name+": id is there", test.name != "without an id", len(ids) < 2 || ids[1] != nil)
			check(t, test.name+": id is the first one's", test.name == "an id twice", len(ids) == 3 && ids[2] == ids[0])
		}
		s.Script(windrowtest.Short(1)) // of what is no batch
		check(t, "not a batch", 201, ask(t, s, "POST", notes, note{Key: "x"}).status)
	})
}

// Fault 4: the connection is cut after the write was applied: before the answer, in its header, in its body. And before
// it was applied: while the request is being read, or after.
func TestFault4_TheAnswerIsLost(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		for _, test := range []struct {
			name    string
			step    windrowtest.Step
			applied int
			err     error
		}{
			{"no answer", windrowtest.LostAnswer(), 1, io.EOF},
			{"half a header", windrowtest.Step{Ending: windrowtest.CutHead, At: 20}, 1, io.ErrUnexpectedEOF},
			{"no body", windrowtest.CutAnswer(0), 1, io.ErrUnexpectedEOF},
			{"half a body", windrowtest.CutAnswer(7), 1, io.ErrUnexpectedEOF},
			{"all of the body", windrowtest.CutAnswer(1000), 1, nil},
			{"not applied", windrowtest.LostRequest(), 0, io.EOF},
		} {
			before := r.Len(notes)
			s.Script(test.step)
			a := ask(t, s, "POST", notes, note{Key: "k"})
			if !errors.Is(a.err, test.err) {
				t.Errorf("%s: %v", test.name, a.err)
			}
			if test.step.Ending == windrowtest.CutBody && test.step.At < 1000 && (a.status != 201 || len(a.body) != test.step.At) {
				t.Errorf("%s: status %d, body %q", test.name, a.status, a.body)
			}
			check(t, test.name+": applied", test.applied, r.Len(notes)-before)
		}
		s.CutRequests(1, 3)
		if a := ask(t, s, "POST", notes, strings.Repeat("x", 1<<20)); a.err == nil {
			t.Errorf("the connection was cut while the request was sent: %+v", a)
		}
		check(t, "a new connection", 201, ask(t, s, "POST", notes, note{Key: "k"}).status)
	})
}

// Fault 5: 202 with a job, which is not found n times, then tells what became of it; one that never ends; counts only.
func TestFault5_Jobs(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		const result = `{"data":{"type":"job_result","id":"%d","attributes":{"status":%d,"payload":%s}}}`
		for i, test := range []struct {
			job     windrowtest.JobScript
			applied int
			status  int
			payload string
		}{
			{windrowtest.JobScript{Polls: 3}, 1, 201, `{"id":"1","key":"k"}`},
			{windrowtest.JobScript{Status: 422}, 0, 422, `{"data":[{"id":"2","type":"api_error","attributes":{"code":"JOB_FAILED"}}]}`},
			{windrowtest.JobScript{Polls: 1, Status: 500, Payload: `"oh"`}, 0, 500, `"oh"`},
			{windrowtest.JobScript{Status: 200, Payload: `{"data":[],"meta":{"successful":198,"failed":2}}`}, 1, 200, `{"data":[],"meta":{"successful":198,"failed":2}}`},
			{windrowtest.JobScript{Never: true}, 1, 0, ""},
		} {
			before := r.Len(notes)
			s.Script(s.StartJob(test.job))
			a := ask(t, s, "POST", notes, note{Key: "k"})
			check(t, "accepted", []any{202, fmt.Sprintf(`{"data":{"type":"job","id":"%d"}}`, i+1)}, []any{a.status, a.body})
			check(t, "applied", test.applied, r.Len(notes)-before)
			polls := test.job.Polls
			if test.job.Never {
				polls = 50
			}
			path := fmt.Sprint("/job-results/", i+1)
			for range polls {
				check(t, "not yet", 404, ask(t, s, "GET", path, nil).status)
			}
			if !test.job.Never {
				a := ask(t, s, "GET", path, nil)
				check(t, "ended", []any{200, fmt.Sprintf(result, i+1, test.status, test.payload)}, []any{a.status, a.body})
			}
		}
		check(t, "a job that there is not", 404, ask(t, s, "GET", "/job-results/77", nil).status)
	})
}

// Fault 6: a page of a proxy, with status 200 or 502.
func TestFault6_Pages(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		for _, status := range []int{200, 502} {
			s.Script(windrowtest.HTML(status))
			a := ask(t, s, "POST", notes, note{Key: "k"})
			check(t, "answer", []any{status, "text/html; charset=utf-8", true}, []any{a.status, a.header.Get("Content-Type"), strings.Contains(a.body, "<html>")})
		}
		check(t, "records", 0, r.Len(notes))
		step := windrowtest.HTML(502)
		step.Applied = true
		s.Script(step)
		check(t, "status", 502, ask(t, s, "POST", notes, note{Key: "k"}).status)
		check(t, "records when it was applied", 1, r.Len(notes))
	})
}

// Fault 7: too many items, in three ways to say so.
func TestFault7_TooLarge(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		for _, test := range []struct {
			wrong  func(count, most int) windrowtest.Step
			status int
			says   string
		}{
			{windrowtest.TooLarge, 400, `"code":"BATCH_TOO_LARGE","count":3,"max":2`},
			{func(int, int) windrowtest.Step { return windrowtest.EntityTooLarge() }, 413, "Request Entity Too Large"},
			{func(_, most int) windrowtest.Step { return windrowtest.AirtableTooMany(most) }, 422, `an array of up to 2 record IDs.`},
		} {
			s.Reset()
			s.Add(windrowtest.MoreThan(2, test.wrong))
			before := r.Len(notes)
			a := ask(t, s, "POST", notes+"/batch", batchOf("a", "b", "c"))
			if a.status != test.status || !strings.Contains(a.body, test.says) {
				t.Errorf("%d %s", a.status, a.body)
			}
			check(t, "records", 0, r.Len(notes)-before)
			check(t, "that fits", 200, ask(t, s, "POST", notes+"/batch", batchOf("a", "b")).status)
			check(t, "no batch", 201, ask(t, s, "POST", notes, note{Key: "x"}).status)
			check(t, "no JSON", 400, ask(t, s, "POST", notes, "[").status)
		}
	})
}

// Fault 8: an atomic batch is refused, with the index of the bad item, and without.
func TestFault8_AtomicRejection(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		s.On(windrowtest.Holds("poison"), windrowtest.AtomicRejection(2), windrowtest.AtomicRejection(-1))
		a := ask(t, s, "POST", notes+"/batch", batchOf("a", "b", "poison"))
		check(t, "with index", []any{400, true}, []any{a.status, strings.Contains(a.body, `"requests":{"2":{`)})
		a = ask(t, s, "POST", notes+"/batch", batchOf("a", "b", "poison"))
		check(t, "without", []any{400, true}, []any{a.status, strings.Contains(a.body, `"requests":{}`)})
		check(t, "records", 0, r.Len(notes))
		check(t, "without poison", 200, ask(t, s, "POST", notes+"/batch", batchOf("a", "b")).status)
	})
}

// Fault 9: 201 and 207 in place of 200.
func TestFault9_OtherGoodStatuses(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, _ *windrowtest.Records) {
		for _, status := range []int{201, 207} {
			s.Script(windrowtest.WithStatus(status))
			a := ask(t, s, "POST", notes+"/batch", batchOf("a", "b"))
			check(t, "status", status, a.status)
			check(t, "results", 2, len(results(t, a)))
		}
	})
}

// Fault 10: a list that shrinks while it is read page by page, and one that grows at the front.
func TestFault10_ListsThatChange(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		var ids []string
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			ids = append(ids, r.Put(notes, windrowtest.Fields{"key": key}))
		}
		page := func(query string) (keys []string, next string) {
			var doc struct {
				Items []note
				Total int
				Next  string
			}
			if err := json.Unmarshal([]byte(ask(t, s, "GET", notes+query, nil).body), &doc); err != nil {
				t.Fatal(err)
			}
			for _, n := range doc.Items {
				keys = append(keys, n.Key)
			}
			return keys, doc.Next
		}
		first, next := page("?limit=2&offset=0")
		check(t, "first page", []string{"a", "b"}, first)
		s.Script(windrowtest.Step{Before: func() { r.Remove(notes, ids[0]) }})
		second, _ := page("?limit=2&offset=2")
		check(t, "second page by offset: c is skipped", []string{"d", "e"}, second)
		after, _ := page("?limit=2&after=" + next)
		check(t, "second page by key", []string{"c", "d"}, after)
		s.Script(windrowtest.Step{Before: func() { r.PutFirst(notes, windrowtest.Fields{"key": "new"}) }})
		second, _ = page("?limit=2&offset=2")
		check(t, "second page after an insert at the front: c comes now", []string{"c", "d"}, second)
		first, _ = page("?limit=1")
		check(t, "first", []string{"new"}, first)
		all, next := page("")
		check(t, "all", []string{"new", "b", "c", "d", "e"}, all)
		check(t, "next of the last", "", next)
	})
}

// Fault 11: an item that takes longer than the client waits, and succeeds.
func TestFault11_SlowAndWell(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		s.Script(windrowtest.Slow(time.Minute))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		a := askFor(ctx, t, s, "POST", notes, note{Key: "k"})
		if !errors.Is(a.err, context.DeadlineExceeded) {
			t.Error(a.err)
		}
		check(t, "waited", 10*time.Second, time.Since(start))
		check(t, "records then", 0, r.Len(notes))
		time.Sleep(time.Minute)
		check(t, "records later", 1, r.Len(notes))
		check(t, "in the ledger", 1, r.Ledger.Times("k"))
	})
}

// Fault 12: the server's clock is wrong.
func TestFault12_ClockSkew(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, _ *windrowtest.Records) {
		for _, ahead := range []time.Duration{0, time.Hour, -time.Hour} {
			s.Script(windrowtest.Skewed(ahead))
			a := ask(t, s, "GET", notes, nil)
			date, err := http.ParseTime(a.header.Get("Date"))
			if err != nil || date.Sub(time.Now().Truncate(time.Second)) != ahead {
				t.Errorf("ahead by %v: Date is %v, %v", ahead, date, err)
			}
		}
	})
}

// Fault 13: all that is found in a Retry-After.
func TestFault13_RetryAfter(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, _ *windrowtest.Records) {
		now := today()
		for _, form := range windrowtest.RetryAfters(now, 37*time.Second) {
			for _, status := range []int{429, 503} {
				s.Script(windrowtest.RetryAfter(status, form.Value))
				a := ask(t, s, "POST", notes, note{Key: "k"})
				check(t, form.Name, []any{status, form.Value}, []any{a.status, a.header.Get("Retry-After")})
			}
		}
	})
}

// Fault 14: a store that answers 403 unless it is sent what was agreed; and the job after the upload fails.
func TestFault14_Uploads(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		put := windrowtest.Is("PUT", "/bucket/image.png")
		s.Add(windrowtest.NeedsHeader(put, "X-Amz-Acl", "public-read"))
		check(t, "without the header", 403, ask(t, s, "PUT", "/bucket/image.png", "{}").status)
		check(t, "with another value", 403, ask(t, s, "PUT", "/bucket/image.png", "{}", "X-Amz-Acl", "private").status)
		check(t, "records", 0, r.Len("/bucket"))
		check(t, "with the header", 201, ask(t, s, "PUT", "/bucket/image.png", "{}", "X-Amz-Acl", "public-read").status)
		check(t, "another path", 201, ask(t, s, "PUT", "/bucket/other.png", "{}").status)
		s.On(windrowtest.Is("POST", "/uploads"), s.StartJob(windrowtest.JobScript{Polls: 1, Status: 422}))
		check(t, "upload", 202, ask(t, s, "POST", "/uploads", "{}").status)
		check(t, "not yet", 404, ask(t, s, "GET", "/job-results/1", nil).status)
		a := ask(t, s, "GET", "/job-results/1", nil)
		check(t, "failed", []any{200, true}, []any{a.status, strings.Contains(a.body, `"status":422`)})
		check(t, "uploads", 0, r.Len("/uploads"))
	})
}

// Fault 15: 401 on the first of many.
func TestFault15_Unauthorised(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		s.Script(windrowtest.Status(401))
		inputs := make([]note, 1000)
		for i := range inputs {
			inputs[i].Key = fmt.Sprint("k", i)
		}
		client := newNotes(s.URL, s.Client(), "", windrow.Capabilities{MaxItems: 1})
		res, err := windrow.CreateMany(t.Context(), client, inputs, windrow.Concurrency(1))
		check(t, "requests", 1, len(s.Requests()))
		if !errors.Is(err, windrow.ErrFatal) {
			t.Error(err)
		}
		if err := windrowtest.Verify(&r.Ledger, res, keyOf); err != nil {
			t.Error(err)
		}
		check(t, "the next", 201, ask(t, s, "POST", notes, note{Key: "k"}).status)
	})
}

// Fault 16: a call of several requests is done by half.
func TestFault16_HalfDone(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		const attendees = "/meetings/1/attendees"
		s.On(windrowtest.Is("POST", attendees), windrowtest.Pass, windrowtest.Status(500))
		check(t, "meeting", 201, ask(t, s, "POST", "/meetings", note{Key: "weekly"}).status)
		check(t, "attendee 1", 201, ask(t, s, "POST", attendees, note{Key: "ann"}).status)
		check(t, "attendee 2", 500, ask(t, s, "POST", attendees, note{Key: "bob"}).status)
		check(t, "attendee 3", 201, ask(t, s, "POST", attendees, note{Key: "cat"}).status)
		check(t, "meetings", 1, r.Len("/meetings"))
		check(t, "attendees", 2, r.Len(attendees))
	})
}

// Beside the list: connections that are refused, or stale, and answers that never end.
func TestOtherFaults(t *testing.T) {
	served(t, func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records) {
		s.FailDials(1, nil)
		if a := ask(t, s, "POST", notes, note{Key: "k"}); !errors.Is(a.err, syscall.ECONNREFUSED) {
			t.Error(a.err)
		}
		oh := errors.New("oh")
		s.FailDials(2, oh)
		for range 2 {
			if a := ask(t, s, "POST", notes, note{Key: "k"}); !errors.Is(a.err, oh) {
				t.Error(a.err)
			}
		}
		check(t, "then it works", 201, ask(t, s, "POST", notes, note{Key: "k"}).status)
		s.Script(windrowtest.Step{Ending: windrowtest.HangUp})
		check(t, "a connection that ends after the answer", 201, ask(t, s, "POST", notes, note{Key: "k"}).status)
		synctest.Wait()
		check(t, "another connection", 201, ask(t, s, "POST", notes, note{Key: "k"}).status)
		for _, test := range []struct {
			step    windrowtest.Step
			applied int
		}{
			{windrowtest.NeverAnswers(false), 0}, {windrowtest.NeverAnswers(true), 1},
			{windrowtest.Step{Ending: windrowtest.StallBody, At: 5}, 1},
		} {
			before := r.Len(notes)
			s.Script(test.step)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			start := time.Now()
			a := askFor(ctx, t, s, "POST", notes, note{Key: "k"})
			cancel()
			if !errors.Is(a.err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
				t.Errorf("%v: after %v: %v", test.step.Ending, time.Since(start), a.err)
			}
			check(t, "applied", test.applied, r.Len(notes)-before)
			check(t, "body", min(test.step.At, 5), len(a.body))
		}
		s.Always(nil, windrowtest.NeverAnswers(false)) // and the test can end
	})
}
