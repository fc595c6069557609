package objectstack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/internal/pipehttp"
)

// C10, C25, C-n12, wire 6.2: both envelopes, codes in either case, and what follows from the error of a request.
func TestC25_C_n12_ErrorsOfRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		code   string
		want   windrow.Classification
	}{
		{"flat", 400, `{"error":"Invalid batch request","code":"VALIDATION_FAILED","fields":[{"field":"records.0.data","code":"required","message":"m"}],"object":"account"}`,
			"VALIDATION_FAILED", windrow.Classification{Kind: windrow.KindValidation}},
		{"nested, lower case", 400, `{"success":false,"error":{"code":"validation_error","message":"m","category":"validation","details":{"fieldErrors":[{"field":"email"}]}}}`,
			"VALIDATION_ERROR", windrow.Classification{Kind: windrow.KindValidation}},
		{"too large, flat", 400, `{"error":"Batch too large: 201 records (max 120)","code":"BATCH_TOO_LARGE","count":201,"max":120,"object":"account"}`,
			"BATCH_TOO_LARGE", windrow.Classification{Class: windrow.ClassTooLarge, MaxItems: 120, Kind: windrow.KindValidation}},
		{"too large, nested, lower case", 400, `{"success":false,"error":{"code":"batch_too_large","message":"m","max":7}}`,
			"BATCH_TOO_LARGE", windrow.Classification{Class: windrow.ClassTooLarge, MaxItems: 7, Kind: windrow.KindValidation}},
		{"too large by status", 413, `<html>`, "", windrow.Classification{Class: windrow.ClassTooLarge, Kind: windrow.KindValidation}},
		{"not implemented", 501, `{"error":"Transactional batch not supported by this runtime","code":"NOT_IMPLEMENTED"}`,
			"NOT_IMPLEMENTED", windrow.Classification{Kind: windrow.KindResource}},
		{"not implemented, by status", 501, ``, "", windrow.Classification{Kind: windrow.KindResource}},
		{"not authenticated", 401, `{"error":"m","code":"UNAUTHENTICATED"}`, "UNAUTHENTICATED", windrow.Classification{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"throttled, in seconds", 429, `{"success":false,"error":{"code":"rate_limit_exceeded","message":"m","retryable":true,"retryStrategy":"retry_after","retryAfter":60}}`,
			"RATE_LIMIT_EXCEEDED", windrow.Classification{Class: windrow.ClassThrottled, After: time.Minute}},
		{"throttled, whatever the status", 400, `{"error":"m","code":"CONCURRENT_LIMIT_EXCEEDED"}`, "CONCURRENT_LIMIT_EXCEEDED", windrow.Classification{Class: windrow.ClassThrottled}},
		{"throttled, the header tells", 429, `{}`, "", windrow.Classification{Class: windrow.ClassThrottled, After: 9 * time.Second}},
		{"may be retried", 409, `{"error":"m","code":"CONCURRENT_MODIFICATION","retryable":true,"retryAfter":0.5}`,
			"CONCURRENT_MODIFICATION", windrow.Classification{Class: windrow.ClassTransient, After: 500 * time.Millisecond, Kind: windrow.KindValidation}},
		{"a server error, retryable: it may have written", 500, `{"error":"m","code":"INTERNAL_ERROR","retryable":true}`, "INTERNAL_ERROR", windrow.Classification{Class: windrow.ClassAmbiguous}},
		{"forbidden", 403, `{"error":"m","code":"PERMISSION_DENIED","retryable":true}`, "PERMISSION_DENIED", windrow.Classification{Class: windrow.ClassFatal, Kind: windrow.KindResource}},
		{"not found", 404, `{"error":"m","code":"OBJECT_NOT_FOUND"}`, "OBJECT_NOT_FOUND", windrow.Classification{Kind: windrow.KindResource}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &objectstacktest.Server{})
			var header []string
			if tt.body == `{}` {
				header = []string{"Retry-After", "9"}
			}
			w.always("/batch", reply(tt.status, tt.body, header...))
			_, err := w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "create", Records: []objectstack.BatchRecord{{Data: account{}}}})
			e := errorOf(t, err)
			check(t, "code", tt.code, e.Code)
			check(t, "status", tt.status, e.StatusCode())
			got := windrow.Classify(err)
			check(t, "class", tt.want.Class, got.Class)
			check(t, "after", tt.want.After, got.After)
			check(t, "max", tt.want.MaxItems, got.MaxItems)
			if _, ok := errors.AsType[*rest.Error](err); !ok {
				t.Errorf("error %v does not unwrap to a *rest.Error", err)
			}
			if strings.HasPrefix(tt.name, "nested") && windrow.FieldErrors(err)[0].Field != "email" || tt.name == "flat" && windrow.FieldErrors(err)[0].Field != "records.0.data" {
				t.Errorf("field errors %v", windrow.FieldErrors(err))
			}
		})
	}
}

// A refusal may come with a status that says success.
func TestC25_ErrorInASuccess(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]windrow.Classification{
		`{"success":false,"error":{"code":"rate_limit_exceeded","message":"m","retryAfter":3}}`:               {Class: windrow.ClassThrottled, After: 3 * time.Second},
		`{"success":false,"total":1,"error":{"code":"batch_too_large","message":"m","max":7},"results":null}`: {Class: windrow.ClassTooLarge, MaxItems: 7},
		`{"error":{"code":"VALIDATION_FAILED","message":"m"},"success":false}`:                                {Class: windrow.ClassPermanent},
	} {
		w := start(t, &objectstacktest.Server{})
		w.always("/batch", reply(200, body))
		_, err := w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "create", Records: make([]objectstack.BatchRecord, 1)})
		got := windrow.Classify(err)
		if errorOf(t, err).Code == "" || got.Class != want.Class || got.After != want.After || got.MaxItems != want.MaxItems {
			t.Errorf("%s is %+v: %v", body, got, err)
		}
	}
}

// C10, C-n3, C-n12: what the error of a record means, whatever the status of the answer.
func TestC10_C_n12_ErrorsOfRecords(t *testing.T) {
	t.Parallel()
	const permanent, transient, throttled, ambiguous, fatal = windrow.ClassPermanent, windrow.ClassTransient, windrow.ClassThrottled, windrow.ClassAmbiguous, windrow.ClassFatal
	for _, tt := range []struct {
		error string
		class windrow.Class
		after time.Duration
		kind  windrow.ErrorKind
		match error
	}{
		{`{"code":"validation_error","message":"Invalid email format"}`, permanent, 0, windrow.KindValidation, nil},
		{`{"code":"MISSING_REQUIRED_FIELD"}`, permanent, 0, windrow.KindValidation, nil},
		{`{"code":"X","httpStatus":422}`, permanent, 0, windrow.KindValidation, nil},
		{`{"code":"record_not_found","httpStatus":404}`, permanent, 0, windrow.KindResource, windrow.ErrNotFound},
		{`{"code":"DUPLICATE_VALUE"}`, permanent, 0, windrow.KindResource, windrow.ErrAlreadyExists},
		{`{"code":"RECORD_LOCKED","httpStatus":409}`, permanent, 0, windrow.KindResource, nil},
		{`{"code":"X","category":"authorization"}`, permanent, 0, windrow.KindResource, nil},
		{`{"code":"PERMISSION_DENIED","httpStatus":403}`, permanent, 0, windrow.KindResource, nil},
		{`{"code":"INTERNAL_ERROR"}`, permanent, 0, windrow.KindSystem, nil},
		{`{"code":"X","category":"server","retryable":false}`, permanent, 0, windrow.KindSystem, nil},
		{`{"code":"LOCK_CONFLICT","retryable":true,"retryStrategy":"retry_backoff"}`, transient, 0, windrow.KindResource, nil},
		{`{"code":"LOCK_CONFLICT","retryable":true,"retryStrategy":"no_retry"}`, permanent, 0, windrow.KindResource, nil},
		{`{"code":"LOCK_CONFLICT","retryStrategy":"retry_after","retryAfter":2}`, transient, 2 * time.Second, windrow.KindResource, nil},
		{`{"code":"LOCK_CONFLICT","retryable":false,"retryStrategy":"retry_after"}`, permanent, 0, windrow.KindResource, nil},
		{`{"code":"service_unavailable"}`, transient, 0, windrow.KindSystem, nil},
		{`{"code":"SERVICE_UNAVAILABLE","retryable":false}`, permanent, 0, windrow.KindSystem, nil},
		{`{"code":"RATE_LIMIT_EXCEEDED","retryAfter":1.5}`, throttled, 1500 * time.Millisecond, windrow.KindSystem, nil},
		{`{"code":"X","category":"rate_limit"}`, throttled, 0, windrow.KindSystem, nil},
		{`{"code":"TIMEOUT"}`, ambiguous, 0, windrow.KindTimeout, nil},
		{`{"code":"X","httpStatus":504}`, ambiguous, 0, windrow.KindSystem, nil},
		{`{"code":"EXPIRED_TOKEN","category":"authentication"}`, fatal, 0, windrow.KindResource, nil},
		{`{"code":"rolled_back"}`, transient, 0, windrow.KindSystem, windrow.ErrRolledBack},
		{`{"code":"NOT_ATTEMPTED"}`, transient, 0, windrow.KindSystem, windrow.ErrRolledBack},
		{`{}`, permanent, 0, windrow.KindSystem, nil},
	} {
		w := start(t, &objectstacktest.Server{})
		w.always("/batch", reply(200, `{"success":false,"results":[{"success":false,"index":0,"errors":[`+tt.error+`]}]}`))
		out, err := w.accounts.CreateBatch(t.Context(), make([]account, 1))
		if err != nil {
			t.Fatal(err)
		}
		got := windrow.Classify(out[0].Err)
		if got.Class != tt.class || got.After != tt.after || got.Kind != tt.kind || tt.match != nil && !errors.Is(out[0].Err, tt.match) {
			t.Errorf("%s is %v after %v, kind %v: %v", tt.error, got.Class, got.After, got.Kind, out[0].Err)
		}
		errorOf(t, out[0].Err)
	}
	// A timeout in an atomic batch leaves nothing open: all was undone.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.first("/batch", reply(200, `{"results":[{"success":false,"errors":[{"code":"rolled_back"}]},{"success":false,"errors":[{"code":"timeout"}]}]}`))
		res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), windrow.Atomic(), quick)
		check(t, "states", []windrow.State{ok, ok}, states(t, res))
		if err != nil || len(w.fake.Records("account")) != 2 {
			t.Errorf("%d records, %v", len(w.fake.Records("account")), err)
		}
	})
	// A refusal without any error, and one with several.
	w := start(t, &objectstacktest.Server{})
	w.always("/batch", reply(200, `{"results":[{"success":false},{"success":false,"errors":[
		{"code":"A","message":"m","fieldErrors":[{"field":"x","message":"m"}]},{"code":"B","message":"m","fieldErrors":[{"field":"y"},{"field":"z"}]}]},{"success":false,"error":"boom"}]}`))
	out, err := w.accounts.CreateBatch(t.Context(), make([]account, 3))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"objectstack: the server refused the record without a code", "objectstack: A at x\nobjectstack: B at y, z", "objectstack: the server refused the record without a code",
	} {
		check(t, "text", want, out[i].Err.Error())
	}
	if got := windrow.FieldErrors(out[1].Err); len(got) != 3 || errorOf(t, out[2].Err).Message != "boom" {
		t.Errorf("field errors %v", got)
	}
}

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
			check(t, "states", []windrow.State{no, no, no, no}, states(t, res))
			if !errors.Is(err, windrow.ErrRolledBack) || errors.Is(err, objectstack.ErrNoTransactions) != probed {
				t.Errorf("error %v", err)
			}
			want := []string{"GET /discovery"}
			if !probed {
				want = []string{"POST /data/account/batch"}
				check(t, "code", objectstack.CodeNotImplemented, errorOf(t, err).Code)
			}
			check(t, "requests", want, w.paths())
			check(t, "records", 0, len(w.fake.Records("account")))
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
		w.always("/discovery", reply(tt.status, tt.body))
		f, err := w.client.Probe(t.Context())
		if f.Transactions != tt.want || (err != nil) != tt.fails || f.DryRun {
			t.Errorf("%d %s: %+v, %v", tt.status, tt.body, f, err)
		}
		want := windrow.AtomicitySelectable
		if !tt.want && !tt.fails {
			want = windrow.AtomicityPartial
		}
		check(t, tt.body, want, w.accounts.Capabilities().Atomicity)
	}
	// It is asked once.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		for range 2 {
			if _, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), windrow.Atomic()); err != nil {
				t.Error(err)
			}
		}
		check(t, "requests", []string{"GET /discovery", "POST /data/account/batch", "POST /data/account/batch"}, w.paths())
	})
	// When it cannot be asked, nothing is sent, and the run goes on when it can.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.first("/discovery", pipehttp.HangUp)
		res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), windrow.Atomic(), quick)
		if err != nil {
			t.Error(err)
		}
		check(t, "states", []windrow.State{ok, ok}, states(t, res))
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
				check(t, "requests", tt.wanted, got)
				check(t, "records", 0, len(w.fake.Records("account")))
				w.accounts.ExternalID = func(a account) string { return a.Name }
				created, err1 := windrow.CreateMany(t.Context(), w.accounts, four, windrow.DryRun())
				upserted, err2 := windrow.UpsertMany(t.Context(), w.accounts, four, windrow.DryRun())
				want := []windrow.State{skip, skip, skip, skip}
				if tt.want {
					want[1] = bad // the server has looked at them
					check(t, "last", "upsert", w.body(t, len(w.http.Requests())-1).(map[string]any)["operation"])
				} else if err := errors.Join(err1, err2); err != nil {
					t.Error(err)
				}
				check(t, "states", want, states(t, created))
				check(t, "states", want, states(t, upserted))
				check(t, "records", 0, len(w.fake.Records("account")))
				if _, err := w.client.Batch(t.Context(), "account", dry); (err == nil) != tt.want {
					t.Errorf("validateOnly: %v", err)
				}
			})
		})
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
		{"no object", func(*world) any { return "x" }, "is no object"},
		{"no JSON", func(*world) any { return func() {} }, "cannot be turned into JSON"},
		{"server error", func(w *world) any { w.always("/batch", reply(500, `{}`)); return account{} }, "status 500"},
		{"not looked", func(w *world) any {
			w.http.Intercept(func(req *http.Request) http.HandlerFunc {
				if req.Method == http.MethodGet {
					return reply(503, `{}`)
				}
				return nil
			})
			return account{}
		}, "status 503"},
		{"not deleted", func(w *world) any {
			w.http.Intercept(func(req *http.Request) http.HandlerFunc {
				if req.Method == http.MethodDelete {
					return reply(403, `{}`)
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

// No credential, and nothing of a record, is in any error, log line or form of a client.
func TestNoSecretsAnywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, nil))
		var texts []string
		for _, status := range []int{200, 400, 401, 403, 404, 413, 429, 500, 501, 503} {
			limiter := windrow.NewLimiter()
			w := start(t, &objectstacktest.Server{}, rest.WithLimiter(limiter))
			w.always("/batch", reply(status, `{"error":"Bearer `+token+` says hidden content","code":"X","message":"hidden content","results":[
				{"success":false,"errors":[{"code":"X","message":"hidden content","fieldErrors":[{"field":"email","message":"bad","value":"hidden content"}]}]},
				{"success":true,"data":{"name":7,"x":"hidden content"}}]}`))
			res, err := windrow.CreateMany(t.Context(), w.accounts, []account{{Name: "hidden content"}, {Name: "hidden content"}},
				once, windrow.WithLimiter(limiter), windrow.WithLogger(logger), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 1, MaxThrottleWait: time.Second}))
			for r := range res.All() {
				texts = append(texts, fmt.Sprint(r.Err, r.Warnings))
			}
			logger.Error("failed", "err", err, "client", w.client, "resource", w.accounts)
			texts = append(texts, fmt.Sprint(err))
			for _, v := range []any{w.client, *w.accounts, w.accounts, w.accounts.Inserter(), w.client.Transaction()} {
				js, _ := json.Marshal(v)
				texts = append(texts, fmt.Sprintf("%v %+v %#v %s", v, v, v, js))
			}
		}
		w := start(t, &objectstacktest.Server{})
		w.always("/batch", pipehttp.HangUp)
		_, err := windrow.CreateMany(t.Context(), w.accounts, []account{{Name: "hidden content"}}, once)
		texts = append(texts, fmt.Sprint(err), log.String())
		for _, text := range texts {
			if strings.Contains(text, token) || strings.Contains(text, "hidden content") {
				t.Errorf("a secret shows in %s", text)
			}
		}
	})
}
