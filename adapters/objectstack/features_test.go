package objectstack_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
)

// C-n2: a runtime that cannot roll back says 501 or, at /discovery, no. In both cases nothing is written and all may be
// sent again.
func TestC_n2_NoTransactions(t *testing.T) {
	t.Parallel()
	for _, probed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{NoTransactions: true})
			if !probed {
				w.client.Assume(objectstack.Features{Transactions: true}) // and so the server has to say it
			}
			res, err := windrow.CreateMany(t.Context(), w.accounts, four, windrow.Atomic())
			testkit.Check(t, "states", []windrow.State{no, no, no, no}, testkit.States(t, res))
			if !errors.Is(err, windrow.ErrRolledBack) || errors.Is(err, objectstack.ErrNoTransactions) != probed {
				t.Errorf("error %v", err)
			}
			want := []string{"GET /discovery"}
			if !probed {
				want = []string{"POST /data/account/batch"}
				testkit.Check(t, "code", objectstack.CodeNotImplemented, testkit.ErrorOf[*objectstack.Error](t, err).Code)
			}
			testkit.Check(t, "requests", want, w.paths())
			testkit.Check(t, "records", 0, len(w.fake.Records("account")))
			if probed { // it is known now: the run is refused as a whole
				_, err := windrow.CreateMany(t.Context(), w.accounts, four, windrow.Atomic())
				if opt, ok := errors.AsType[*windrow.OptionError](err); !ok || opt.Option != "Atomic" || len(w.http.Requests()) != 1 {
					t.Errorf("error %v", err)
				}
			}
			if res, err := windrow.CreateMany(t.Context(), w.accounts, four); res.Stats().Succeeded != 3 {
				t.Errorf("without Atomic: %v", err)
			}
		})
	}
}

// C-n2: what the server says of itself, in all forms.
func TestC_n2_Probe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		want   bool
		fails  bool
	}{
		{200, `{"success":true,"data":{"capabilities":{"transactionalBatch":{"enabled":true}}}}`, true, false},
		{200, `{"capabilities":{"transactionalBatch":true}}`, true, false},
		{200, `{"capabilities":{"transactionalBatch":{"enabled":false}}}`, false, false},
		{200, `{"capabilities":{"transactionalBatch":false}}`, false, false},
		{200, `{"capabilities":{"transactionalBatch":"yes"}}`, false, false},
		{200, `{"capabilities":{}}`, false, false},
		{200, `{"version":"16"}`, false, false},
		{404, `{"error":"Not found","code":"endpoint_not_found"}`, false, false},
		{500, `{}`, false, true},
		{401, `{}`, false, true},
	} {
		w := start(t, &objectstacktest.Server{})
		w.always("/discovery", testkit.Respond(tt.status, tt.body))
		f, err := w.client.Probe(t.Context())
		if f.Transactions != tt.want || (err != nil) != tt.fails || f.DryRun {
			t.Errorf("%d %s: %+v, %v", tt.status, tt.body, f, err)
		}
		want := windrow.AtomicitySelectable
		if !tt.want && !tt.fails {
			want = windrow.AtomicityPartial
		}
		testkit.Check(t, tt.body, want, w.accounts.Capabilities().Atomicity)
	}
	// It is asked once.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		for range 2 {
			if _, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), windrow.Atomic()); err != nil {
				t.Error(err)
			}
		}
		testkit.Check(t, "requests", []string{"GET /discovery", "POST /data/account/batch", "POST /data/account/batch"}, w.paths())
	})
	// When it cannot be asked, nothing is sent, and the run goes on when it can.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.first("/discovery", intercept.HangUp)
		res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), windrow.Atomic(), testkit.Quick)
		if err != nil {
			t.Error(err)
		}
		testkit.Check(t, "states", []windrow.State{ok, ok}, testkit.States(t, res))
	})
}

// C17, C-n1: a dry run of the server is not trusted before it was seen to write nothing.
func TestC17_C_n1_ValidateOnly(t *testing.T) {
	t.Parallel()
	sample := account{Name: "sample", Email: "s@example.com"}
	dry := objectstack.BatchUpdateRequest{Operation: "create", Records: []objectstack.BatchRecord{{Data: sample}}, Options: objectstack.BatchOptions{ValidateOnly: true}}
	for _, tt := range []struct {
		name   string
		fake   *objectstacktest.Server
		want   bool
		wanted []string // requests of VerifyDryRun
	}{
		// Its dry run creates the record, which is found and deleted.
		{"old", &objectstacktest.Server{Old: true}, false, []string{"POST /data/account/batch", "GET /data/account/ID", "DELETE /data/account/ID"}},
		{"new", &objectstacktest.Server{}, false, []string{"POST /data/account/batch"}},
		{"honest", &objectstacktest.Server{DryRuns: true}, true, []string{"POST /data/account/batch", "GET /data/account/ID"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, tt.fake)
				if _, err := w.client.Batch(t.Context(), "account", dry); err == nil || len(w.http.Requests()) != 0 {
					t.Errorf("validateOnly was sent before it was verified: %v", err)
				}
				if _, err := w.accounts.DryRun(t.Context(), []account{sample}); err == nil || len(w.http.Requests()) != 0 {
					t.Errorf("validateOnly was sent before it was verified: %v", err)
				}
				res, err := windrow.CreateMany(t.Context(), w.accounts, four, windrow.DryRun())
				if err != nil || res.Stats().Skipped != 4 || len(w.http.Requests()) != 0 {
					t.Errorf("windrow's own dry run asked the server: %v", err)
				}
				verified, err := w.client.VerifyDryRun(t.Context(), "account", sample)
				if verified != tt.want || err != nil {
					t.Fatalf("verified %t, %v", verified, err)
				}
				var got []string
				for _, r := range w.paths() {
					if before, _, ok := strings.Cut(r, "windrow-dry-run-"); ok {
						r = before + "ID"
					}
					got = append(got, r)
				}
				testkit.Check(t, "requests", tt.wanted, got)
				testkit.Check(t, "records", 0, len(w.fake.Records("account")))
				w.accounts.ExternalID = func(a account) string { return a.Name }
				created, err1 := windrow.CreateMany(t.Context(), w.accounts, four, windrow.DryRun())
				upserted, err2 := windrow.UpsertMany(t.Context(), w.accounts, four, windrow.DryRun())
				want := []windrow.State{skip, skip, skip, skip}
				if tt.want {
					want[1] = bad // the server has looked at them
					testkit.Check(t, "last", "upsert", w.body(t, len(w.http.Requests())-1).(map[string]any)["operation"])
				} else if err := errors.Join(err1, err2); err != nil {
					t.Error(err)
				}
				testkit.Check(t, "states", want, testkit.States(t, created))
				testkit.Check(t, "states", want, testkit.States(t, upserted))
				testkit.Check(t, "records", 0, len(w.fake.Records("account")))
				if _, err := w.client.Batch(t.Context(), "account", dry); (err == nil) != tt.want {
					t.Errorf("validateOnly: %v", err)
				}
			})
		})
	}
}

// A server whose dry run writes, and chooses the id itself: the record is found under that id, and deleted. An id that
// the server only names is no record.
func TestC_n1_VerifyDryRunOfAServerThatChoosesIDs(t *testing.T) {
	t.Parallel()
	for _, writes := range []bool{true, false} {
		w := start(t, &objectstacktest.Server{DryRuns: true})
		var asked string
		w.api.Intercept(func(req *http.Request) http.HandlerFunc {
			if !strings.HasSuffix(req.URL.Path, "/batch") {
				return nil
			}
			return func(rw http.ResponseWriter, req *http.Request) {
				id := "chosen"
				if writes {
					id = w.fake.Add("account", objectstacktest.Record{"name": "sample"})
				}
				asked = "/data/account/" + id
				testkit.Respond(200, `{"success":true,"total":1,"succeeded":1,"failed":0,"results":[{"id":"`+id+`","success":true}]}`)(rw, req)
			}
		})
		verified, err := w.client.VerifyDryRun(t.Context(), "account", account{Name: "sample"})
		if verified == writes || err != nil || w.accounts.Capabilities().VerifiedDryRun != verified {
			t.Errorf("it writes %t: verified %t, %v", writes, verified, err)
		}
		want := []string{"GET " + asked}
		if writes {
			want = append(want, "DELETE "+asked)
		}
		testkit.Check(t, "requests", want, w.paths()[2:]) // after the batch, and the look at the id that was sent
		testkit.Check(t, "records", 0, len(w.fake.Records("account")))
	}
}

// VerifyDryRun says so when it cannot tell.
func TestC_n1_VerifyDryRunCannotTell(t *testing.T) {
	t.Parallel()
	verify := func(w *world, data any) error {
		_, err := w.client.VerifyDryRun(t.Context(), "account", data)
		return err
	}
	for _, tt := range []struct {
		name  string
		setUp func(w *world) any
		want  string
	}{
		{"refused", func(*world) any { return account{Email: "none"} }, "give one that it would create"},
		{"no object", func(*world) any { return "x" }, "is not an object"},
		{"no JSON", func(*world) any { return func() {} }, "cannot be turned into JSON"},
		{"server error", func(w *world) any { w.always("/batch", testkit.Respond(500, `{}`)); return account{} }, "status 500"},
		{"not looked", func(w *world) any {
			w.api.Intercept(func(req *http.Request) http.HandlerFunc {
				if req.Method == http.MethodGet {
					return testkit.Respond(503, `{}`)
				}
				return nil
			})
			return account{}
		}, "status 503"},
		{"not deleted", func(w *world) any {
			w.api.Intercept(func(req *http.Request) http.HandlerFunc {
				if req.Method == http.MethodDelete {
					return testkit.Respond(403, `{}`)
				}
				return nil
			})
			return account{}
		}, "could not be deleted"},
	} {
		w := start(t, &objectstacktest.Server{Old: tt.name == "not deleted", DryRuns: tt.name != "not deleted"})
		if err := verify(w, tt.setUp(w)); err == nil || !strings.Contains(err.Error(), tt.want) || w.accounts.Capabilities().VerifiedDryRun {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := start(t, &objectstacktest.Server{}).client.VerifyDryRun(t.Context(), "", account{}); err == nil {
		t.Error("no object")
	}
}
