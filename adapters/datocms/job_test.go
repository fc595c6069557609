package datocms_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/clients"
)

// The answer to the question for a job is a 200, whatever came of the job: its own status counts.
func TestA77_TheStatusOfTheJobCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault datocmstest.JobFault
		once  bool // only the first job fails
		want  string
		jobs  int
	}{
		"422":                    {datocmstest.JobFault{Status: 422, Code: "REQUIRED_BY_ASSOCIATION"}, false, "failed", 1},
		"404":                    {datocmstest.JobFault{Status: 404, Code: "NOT_FOUND"}, false, "skipped not_found", 1},
		"422, transient":         {datocmstest.JobFault{Status: 422, Code: "ITEM_LOCKED", Transient: true}, true, "succeeded", 2},
		"500":                    {datocmstest.JobFault{Status: 500}, true, "succeeded", 2},
		"500, always":            {datocmstest.JobFault{Status: 500}, false, "unknown", 5},
		"422, transient, always": {datocmstest.JobFault{Status: 422, Transient: true}, false, "failed", 5},
		"429":                    {datocmstest.JobFault{Status: 429}, true, "succeeded", 2},
		"ends later":             {datocmstest.JobFault{Extra: time.Minute}, true, "succeeded", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := start(t, datocmstest.Config{})
				id := fill(server, 1)[0]
				jobs := 0
				server.FailJobs(func(datocmstest.Job) *datocmstest.JobFault {
					if jobs++; tt.once && jobs > 1 {
						return nil
					}
					return &tt.fault
				})
				res, err := windrow.DeleteMany(t.Context(), articlesOf(client), []string{id})
				testkit.Check(t, "ends", []string{tt.want}, ends(res))
				testkit.Check(t, "jobs", tt.jobs, jobs)
				if tt.want == "failed" || tt.want == "unknown" {
					if e, ok := errors.AsType[*datocms.Error](err); !ok || e.Status != tt.fault.Status || e.Job == "" || e.Method != http.MethodDelete {
						t.Errorf("error %v", err)
					}
				}
			})
		})
	}
}

// F22: a job that does not end is waited for so long and no longer. Then nobody knows, and the error has its name.
func TestF22_AJobThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		client.Poll = clients.PollPolicy{First: time.Second, Longest: 4 * time.Second, Deadline: time.Minute}
		ids := fill(server, 300)
		server.FailJobs(func(datocmstest.Job) *datocmstest.JobFault { return &datocmstest.JobFault{Never: true} })
		began := time.Now()
		res, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids, fast)
		accounts(t, 300, res)
		testkit.Check(t, "unknown", 300, res.Stats().Unknown)
		if took := time.Since(began); took < 50*time.Second || took > time.Minute {
			t.Errorf("it took %v, want about a minute, however many attempts there may be", took)
		}
		job, ok := errors.AsType[*clients.JobError](err)
		if !ok || job.Handle == "" || !errors.Is(err, clients.ErrPending) {
			t.Errorf("error %v", err)
		}
		testkit.Check(t, "records", 300, server.Len(""))

		// To run it again goes on with the same jobs, and starts no others.
		res, _ = windrow.NewDeleteProcessor(articlesOf(client), fast).Rerun(t.Context(), res)
		testkit.Check(t, "unknown", 300, res.Stats().Unknown)
		testkit.Check(t, "bulk operations", 2, server.Count(http.MethodPost, "/items/bulk/destroy"))
		testkit.Check(t, "single deletes", 0, server.Count(http.MethodDelete, "/items/"))
	})
}

// The question for a job is lost, refused or answered by a proxy: it is asked again, and the work is not begun twice.
func TestALostQuestionForAJob(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]datocmstest.Fault{
		"lost": {Lose: true}, "proxy": {Status: 502, HTML: true}, "500": {Status: 500}, "429": {Status: 429}, "page": {Status: 200, HTML: true},
		"transient": {Status: 422, Transient: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server, client := start(t, datocmstest.Config{})
				ids := fill(server, 5)
				server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
					if strings.HasPrefix(r.Path, "/job-results/") && r.N <= 3 {
						return &fault
					}
					return nil
				})
				if _, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids); err != nil {
					t.Fatal(err)
				}
				testkit.Check(t, "bulk operations", 1, server.Count(http.MethodPost, "/items/bulk/destroy"))
				testkit.Check(t, "records", 0, server.Len(""))
			})
		})
	}
}

// A question that is refused for good, such as one with credentials that were revoked, ends the waiting: nobody knows what
// became of the job.
func TestARefusedQuestionForAJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{})
		ids := fill(server, 5)
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if strings.HasPrefix(r.Path, "/job-results/") {
				return &datocmstest.Fault{Status: 401, Code: "INVALID_AUTHORIZATION_HEADER"}
			}
			return nil
		})
		res, _ := windrow.DeleteMany(t.Context(), articlesOf(client), ids, windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1}))
		testkit.Check(t, "unknown", 5, res.Stats().Unknown)
	})
}

// The run ends while a job runs: it is not known how that ended, and the caller is not kept waiting.
func TestCancelWhileAJobRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{JobTime: time.Hour})
		ids := fill(server, 300)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		res, _ := windrow.DeleteMany(ctx, articlesOf(client), ids)
		testkit.Check(t, "time", 10*time.Second, time.Since(began))
		testkit.Check(t, "unknown", 300, res.Stats().Unknown)
	})
}

// Every question counts against the limit, the first, too: with a limiter of the client, and with that of the run alone.
func TestQuestionsCountAgainstTheLimit(t *testing.T) {
	t.Parallel()
	for _, ofClient := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			limiter := windrow.NewLimiter(windrow.Rate(10, time.Second), windrow.Burst(1))
			var opts []rest.Option
			if ofClient {
				opts = append(opts, rest.WithLimiter(limiter))
			}
			server, client := start(t, datocmstest.Config{JobTime: 1500 * time.Millisecond}, opts...)
			ids := fill(server, 20)
			p := windrow.NewDeleteProcessor(articlesOf(client), windrow.WithLimiter(limiter))
			p.Batch = nil // one by one
			if _, err := p.Run(t.Context(), ids); err != nil {
				t.Fatal(err)
			}
			seen := server.Seen()
			if len(seen) < 60 { // a delete and two questions each, or more
				t.Errorf("%d requests", len(seen))
			}
			for k := 1; k < len(seen); k++ {
				if gap := seen[k].At - seen[k-1].At; gap < 99*time.Millisecond {
					t.Fatalf("with a limiter of the client %t: requests %d and %d are %v apart", ofClient, k-1, k, gap)
				}
			}
		})
	}
}

// Any endpoint may answer with a job one day.
func TestACreateThatIsAJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		client := handled(t, func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.Path)
			w.Header().Set("Content-Type", "application/json")
			switch {
			case r.Method == http.MethodPost:
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte(`{"data":{"type":"job","id":"4235"}}`))
			case len(asked) < 4:
				w.WriteHeader(http.StatusNotFound)
			default:
				_, _ = w.Write([]byte(`{"data":{"type":"job_result","id":"4235","attributes":{"status":200,"payload":{"data":{"id":"1","type":"item","attributes":{"title":"a"}}}}}}`))
			}
		})
		out, err := articlesOf(client).Create(t.Context(), draft{Title: "a"})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "title", "a", out.Title)
		testkit.Check(t, "requests", []string{"POST /items", "GET /job-results/4235", "GET /job-results/4235", "GET /job-results/4235"}, asked)
	})
}

// Results that cannot be read are not known.
func TestBadJobResults(t *testing.T) {
	t.Parallel()
	for _, result := range []string{
		`{"data":{"type":"job_result","id":"1","attributes":{}}}`, `{"data":null}`, `{}`,
		`{"data":{"type":"job_result","id":"1","attributes":{"status":"200"}}}`,
		`{"data":{"type":"job_result","id":"1","attributes":{"status":200,"payload":[1]}}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			client := handled(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.Method == http.MethodDelete {
					w.WriteHeader(http.StatusAccepted)
					_, _ = w.Write([]byte(`{"data":{"type":"job","id":"1"}}`))
					return
				}
				_, _ = w.Write([]byte(result))
			})
			err := articlesOf(client).Delete(t.Context(), "1")
			if c := windrow.Classify(err); err == nil || c.Class != windrow.ClassAmbiguous {
				t.Errorf("%s: error %v, %v", result, err, c.Class)
			}
		})
	}
}

// An attempt that takes too long leaves its job to the next one.
func TestAttemptTimeoutOfAJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{JobTime: 7 * time.Second})
		ids := fill(server, 5)
		if _, err := windrow.DeleteMany(t.Context(), articlesOf(client), ids, windrow.AttemptTimeout(3500*time.Millisecond), fast); err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "bulk operations", 1, server.Count(http.MethodPost, "/items/bulk/destroy"))
		testkit.Check(t, "records", 0, server.Len(""))
	})
}
