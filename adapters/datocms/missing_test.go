package datocms_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
)

// A 404 says that a record is gone only where it speaks of that record.
func TestWhatA404Says(t *testing.T) {
	t.Parallel()
	const page, endpoint = "<html><h1>404 Not Found</h1></html>", `{"data":[{"type":"api_error","attributes":{"code":"INVALID_ENDPOINT"}}]}`
	const missing = `{"data":[{"type":"api_error","attributes":{"code":"NOT_FOUND"}}]}`
	for _, tt := range []struct {
		name, contentType, body string
		gone                    bool
		class                   windrow.Class // of a single request that may be repeated
		requests                int           // of the deletion of two records
	}{
		{"a page", "text/html", page, false, windrow.ClassTransient, 3},
		{"no such endpoint", "application/json", endpoint, false, windrow.ClassPermanent, 3},
		{"no such record", "application/json", missing, true, windrow.ClassPermanent, 3},
		{"no code", "application/json", `{}`, true, windrow.ClassPermanent, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				items := articlesOf(handled(t, func(w http.ResponseWriter, _ *http.Request) {
					requests.Add(1)
					w.Header().Set("Content-Type", tt.contentType)
					w.WriteHeader(http.StatusNotFound)
					_, _ = w.Write([]byte(tt.body))
				}))
				_, read := items.Get(t.Context(), "1")
				for what, err := range map[string]error{"get": read, "delete": items.Delete(t.Context(), "1")} {
					testkit.Check(t, what, tt.gone, errors.Is(err, windrow.ErrNotFound))
					testkit.Check(t, what, tt.class, windrow.Classify(err).Class)
					if e, ok := errors.AsType[*rest.Error](err); !ok || e.Status != http.StatusNotFound {
						t.Errorf("%s: error %v holds no *rest.Error", what, err)
					}
				}
				_, listed := items.GetBatch(t.Context(), []string{"1", "2"})
				_, deleted := items.DeleteBatch(t.Context(), []string{"1", "2"})
				_, created := items.Create(t.Context(), draft{Title: "a"})
				for what, err := range map[string]error{"list": listed, "delete many": deleted, "create": created} {
					_, ok := errors.AsType[*datocms.Error](err)
					testkit.Check(t, what, true, ok)
					testkit.Check(t, what, false, errors.Is(err, windrow.ErrNotFound) && tt.name != "no such record")
				}
				testkit.Check(t, "a create", windrow.ClassPermanent, windrow.Classify(created).Class)
				requests.Store(0)
				res, err := windrow.DeleteMany(t.Context(), items, []string{"1", "2"}, windrow.Retry(windrow.RetryPolicy{MaxAttempts: 3, Strategy: windrow.Constant(0)}))
				testkit.Check(t, "requests", tt.requests, int(requests.Load()))
				for r := range res.All() {
					testkit.Check(t, "skipped", tt.gone, r.State == windrow.Skipped)
				}
				testkit.Check(t, "error", !tt.gone, err != nil)
			})
		})
	}
}

// The user's classifier is asked first, of answers and of jobs, and the package's own of what it leaves as it is.
func TestTheUsersClassifierComesFirst(t *testing.T) {
	t.Parallel()
	quota := rest.WithClassifier(func(e *rest.Error) error {
		if e.Code == "QUOTA" || strings.Contains(string(e.Body), `"QUOTA"`) {
			return windrow.Throttled(e, time.Second)
		}
		return e // which is to leave it as it is
	})
	synctest.Test(t, func(t *testing.T) {
		server, client := start(t, datocmstest.Config{}, quota)
		id := fill(server, 1)[0]
		server.Fault(func(r datocmstest.Request) *datocmstest.Fault {
			if r.Method == http.MethodDelete && r.N == 1 {
				return &datocmstest.Fault{Status: http.StatusForbidden, Code: "QUOTA"}
			}
			return nil
		})
		jobs := 0
		server.FailJobs(func(datocmstest.Job) *datocmstest.JobFault {
			if jobs++; jobs == 1 {
				return &datocmstest.JobFault{Status: http.StatusUnprocessableEntity, Code: "QUOTA"}
			}
			return nil
		})
		res, err := windrow.DeleteMany(t.Context(), articlesOf(client), []string{id}, fast)
		testkit.Check(t, "ends", []string{"succeeded"}, ends(res))
		testkit.Check(t, "jobs", 2, jobs)
		testkit.Check(t, "error", nil, err)
		_, err = articlesOf(client).Get(t.Context(), id)
		if _, ok := errors.AsType[*datocms.Error](err); !ok || !errors.Is(err, windrow.ErrNotFound) {
			t.Errorf("error %v is not the package's own", err)
		}
	})
}
