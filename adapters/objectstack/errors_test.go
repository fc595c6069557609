package objectstack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/intercept"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/objectstack"
	"github.com/windrow-go/windrow/adapters/objectstack/objectstacktest"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/mixed"
	"github.com/windrow-go/windrow/windrowtest"
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
		{"what records are told, of a request", 400, `{"error":"m","code":"ROLLED_BACK"}`, "ROLLED_BACK", windrow.Classification{Kind: windrow.KindValidation}},
		{"not found", 404, `{"error":"m","code":"OBJECT_NOT_FOUND"}`, "OBJECT_NOT_FOUND", windrow.Classification{Kind: windrow.KindResource}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, &objectstacktest.Server{})
			var header []string
			if tt.body == `{}` {
				header = []string{"Retry-After", "9"}
			}
			w.always("/batch", testkit.Respond(tt.status, tt.body, header...))
			_, err := w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "create", Records: []objectstack.BatchRecord{{Data: account{}}}})
			e := testkit.ErrorOf[*objectstack.Error](t, err)
			testkit.Check(t, "code", tt.code, e.Code)
			testkit.Check(t, "status", tt.status, e.StatusCode())
			got := windrow.Classify(err)
			testkit.Check(t, "class", tt.want.Class, got.Class)
			testkit.Check(t, "after", tt.want.After, got.After)
			testkit.Check(t, "max", tt.want.MaxItems, got.MaxItems)
			if errors.Is(err, windrow.ErrRolledBack) {
				t.Errorf("error %v says that the whole request may be sent again", err)
			}
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
		w.always("/batch", testkit.Respond(200, body))
		_, err := w.client.Batch(t.Context(), "account", objectstack.BatchUpdateRequest{Operation: "create", Records: []objectstack.BatchRecord{{Data: account{}}}})
		got := windrow.Classify(err)
		if testkit.ErrorOf[*objectstack.Error](t, err).Code == "" || got.Class != want.Class || got.After != want.After || got.MaxItems != want.MaxItems {
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
		{`{"code":"X","httpStatus":401}`, fatal, 0, windrow.KindResource, nil},
		{`{"code":"rolled_back"}`, transient, 0, windrow.KindSystem, windrow.ErrRolledBack},
		{`{"code":"NOT_ATTEMPTED"}`, transient, 0, windrow.KindSystem, windrow.ErrRolledBack},
		{`{}`, permanent, 0, windrow.KindSystem, nil},
	} {
		w := start(t, &objectstacktest.Server{})
		w.always("/batch", testkit.Respond(200, `{"success":false,"results":[{"success":false,"index":0,"errors":[`+tt.error+`]}]}`))
		out, err := w.accounts.CreateBatch(t.Context(), make([]account, 1))
		if err != nil {
			t.Fatal(err)
		}
		got := windrow.Classify(out[0].Err)
		if got.Class != tt.class || got.After != tt.after || got.Kind != tt.kind || tt.match != nil && !errors.Is(out[0].Err, tt.match) {
			t.Errorf("%s is %v after %v, kind %v: %v", tt.error, got.Class, got.After, got.Kind, out[0].Err)
		}
		testkit.ErrorOf[*objectstack.Error](t, out[0].Err)
	}
	// A timeout in an atomic batch leaves nothing open: all was undone.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.first("/batch", testkit.Respond(200, `{"results":[{"success":false,"errors":[{"code":"rolled_back"}]},{"success":false,"errors":[{"code":"timeout"}]}]}`))
		res, err := windrow.CreateMany(t.Context(), w.accounts, make([]account, 2), windrow.Atomic(), testkit.Quick)
		testkit.Check(t, "states", []windrow.State{ok, ok}, testkit.States(t, res))
		if err != nil || len(w.fake.Records("account")) != 2 {
			t.Errorf("%d records, %v", len(w.fake.Records("account")), err)
		}
	})
	// A refusal without any error, and one with several.
	w := start(t, &objectstacktest.Server{})
	w.always("/batch", testkit.Respond(200, `{"results":[{"success":false},{"success":false,"errors":[
		{"code":"A","message":"m","fieldErrors":[{"field":"x","message":"m"}]},{"code":"B","message":"m","fieldErrors":[{"field":"y"},{"field":"z"}]}]},{"success":false,"error":"boom"}]}`))
	out, err := w.accounts.CreateBatch(t.Context(), make([]account, 3))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"objectstack: the server refused the record without a code", "objectstack: A at x\nobjectstack: B at y, z", "objectstack: the server refused the record without a code",
	} {
		testkit.Check(t, "text", want, out[i].Err.Error())
	}
	if got := windrow.FieldErrors(out[1].Err); len(got) != 3 || testkit.ErrorOf[*objectstack.Error](t, out[2].Err).Message != "boom" {
		t.Errorf("field errors %v", got)
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
			w.always("/batch", testkit.Respond(status, `{"error":"Bearer `+token+` says hidden content","code":"X","message":"hidden content","results":[
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
		w.always("/batch", intercept.HangUp)
		_, err := windrow.CreateMany(t.Context(), w.accounts, []account{{Name: "hidden content"}}, once)
		texts = append(texts, fmt.Sprint(err), log.String())
		for _, text := range texts {
			if strings.Contains(text, token) || strings.Contains(text, "hidden content") {
				t.Errorf("a secret shows in %s", text)
			}
		}
	})
}

// Behind a windrowtest.Server the fake misbehaves by script.
func TestFaultsByScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &objectstacktest.Server{})
		w.http.On(windrowtest.Is("POST", "/api/v1/data/account/batch"), windrowtest.RetryAfter(429, "2"), windrowtest.LostAnswer())
		began := time.Now()
		res, _ := windrow.CreateMany(t.Context(), w.accounts, make([]account, 4), windrow.BatchSize(2), windrow.PreserveOrder(), testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, lost, ok, ok}, testkit.States(t, res))
		testkit.Check(t, "accounts", 4, len(w.fake.Records("account")))
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Only a batch that was too large tells how many records one may hold.
func TestOnlyTooLargeTeachesTheSizeOfABatch(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{"BATCH_TOO_LARGE": 3, "VALIDATION_FAILED": objectstack.MaxRecords} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, &objectstacktest.Server{})
			w.always("/batch", testkit.Respond(400, `{"error":"m","code":"`+code+`","max":3}`))
			_, _ = mixed.Run(t.Context(), w.client.Transaction(), []mixed.Operation{op(windrow.OpCreate, "project", "", "", record{"name": "Apollo"})}, windrow.Atomic())
			testkit.Check(t, code, want, w.client.Transaction().Capabilities().MaxItems)
		})
	}
}
