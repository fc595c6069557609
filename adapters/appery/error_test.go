package appery_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/appery"
	"github.com/windrow-go/windrow/adapters/appery/apperytest"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

// E15, E20: errors of operations, of requests and of single calls, in both shapes.
func TestE15_E20_Errors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		body   string
		code   string
		text   string
		class  windrow.Class
		match  error
	}{
		{"request", 400, `{"code":"DBAC001","error":"hidden content"}`, "DBAC001", "appery: POST /rest/1/db/collections/Labels: status 400 (DBAC001)", windrow.ClassPermanent, nil},
		{"number", 403, `{"code":403,"error":"hidden content"}`, "403", "appery: POST /rest/1/db/collections/Labels: status 403", windrow.ClassFatal, nil},
		{"single call", 400, `{"code":"DBSU110","description":"hidden content"}`, "DBSU110", "appery: POST /rest/1/db/collections/Labels: status 400 (DBSU110)", windrow.ClassPermanent, nil},
		{"not found, whatever the status", 400, `{"code":"DBSU205","description":"hidden content"}`, "DBSU205", "appery: POST /rest/1/db/collections/Labels: status 400 (DBSU205)", windrow.ClassPermanent, windrow.ErrNotFound},
		{"no such address", 404, `{}`, "", "appery: POST /rest/1/db/collections/Labels: status 404", windrow.ClassPermanent, nil},
		{"token", 401, `{"code":"DBUC310","error":"hidden content"}`, "DBUC310", "appery: POST /rest/1/db/collections/Labels: status 401 (DBUC310)", windrow.ClassFatal, nil},
		{"throttled", 429, `{"code":"X","error":"m"}`, "X", "appery: POST /rest/1/db/collections/Labels: status 429 (X)", windrow.ClassThrottled, nil},
		{"server", 502, `<html>hidden content`, "", "appery: POST /rest/1/db/collections/Labels: status 502", windrow.ClassAmbiguous, nil},
	} {
		w := start(t, &apperytest.Server{})
		w.always("/collections", testkit.Respond(tt.status, tt.body))
		_, err := w.labels.Create(t.Context(), label{Name: "hidden content"})
		e := testkit.ErrorOf[*appery.Error](t, err)
		testkit.Check(t, tt.name, tt.code, e.Code)
		testkit.Check(t, tt.name, tt.text, err.Error())
		testkit.Check(t, tt.name, tt.status, e.StatusCode())
		testkit.Check(t, tt.name, tt.class, windrow.Classify(err).Class)
		if strings.Contains(tt.body, "hidden") && tt.status < 500 != (e.Description == "hidden content") {
			t.Errorf("%s: description %q", tt.name, e.Description)
		}
		if kind := windrow.Classify(err).Kind; tt.match != nil && kind != windrow.KindResource {
			t.Errorf("%s: kind %v", tt.name, kind)
		}
		if r, ok := errors.AsType[*rest.Error](err); !ok || r.Status != tt.status || tt.match != nil && !errors.Is(err, tt.match) || errors.Is(err, windrow.ErrNotFound) != (tt.match != nil) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
	// Of an operation.
	w := start(t, &apperytest.Server{})
	w.always("/batch", testkit.Respond(200, `[{"error":{"code":"DBSU205","description":"d"}},{"error":{}},{"error":{"code":"Y"}}]`))
	out, err := w.labels.UpdateBatch(t.Context(), make3(label{}))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"appery: DBSU205", "appery: the server refused the operation without a code", "appery: Y"} {
		testkit.Check(t, "text", want, out[i].Err.Error())
		if e := testkit.ErrorOf[*appery.Error](t, out[i].Err); e.StatusCode() != 0 || e.RetryAfter() != 0 || errors.Is(e, windrow.ErrNotFound) != (i == 0) {
			t.Errorf("%+v", e)
		}
	}
	// The caller's own knowledge of codes.
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &apperytest.Server{})
		calls := 0
		w.fake.Refuse = func(string, string, string, apperytest.Object) *apperytest.Refusal {
			if calls++; calls == 1 {
				return &apperytest.Refusal{Code: "BUSY"}
			}
			return nil
		}
		policy := windrow.RetryPolicy{Strategy: windrow.Constant(0), Classify: func(err error) windrow.Classification {
			if e, ok := errors.AsType[*appery.Error](err); ok && e.Code == "BUSY" {
				return windrow.Classify(windrow.Transient(e)) // nothing was changed, although there is an answer
			}
			return windrow.Classify(err)
		}}
		if res, err := windrow.CreateMany(t.Context(), w.labels, make([]label, 2), windrow.Retry(policy)); err != nil {
			t.Errorf("%+v, %v", res.Stats(), err)
		}
	})
}

func make3(l label) (all []windrow.Update[string, label]) {
	for i := range 3 {
		all = append(all, windrow.Update[string, label]{ID: fmt.Sprint(i), Data: l})
	}
	return all
}

// E21: times without a zone.
func TestE21_Times(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"2017-02-16 12:08:13.327"`:  "2017-02-16 12:08:13.327",
		`"2017-02-16 12:08:13"`:      "2017-02-16 12:08:13.000",
		`"2017-02-16 12:08:13.3"`:    "2017-02-16 12:08:13.300",
		`"2017-02-16T12:08:13.327"`:  "2017-02-16 12:08:13.327",
		`"2017-02-16T12:08:13.327Z"`: "2017-02-16 12:08:13.327",
	} {
		var got appery.Time
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.String() != want || got.Location() != time.UTC {
			t.Errorf("%s is %v, %v", text, got, err)
		}
		again, err := json.Marshal(got)
		testkit.Check(t, text, `"`+want+`"`, string(again))
		if err != nil {
			t.Error(err)
		}
	}
	tokyo := time.FixedZone("Tokyo", 9*60*60)
	testkit.Check(t, "another zone", "2017-02-16 03:08:13.000", appery.Time{Time: time.Date(2017, 2, 16, 12, 8, 13, 0, tokyo)}.String())
	for _, text := range []string{`null`, `""`} {
		got := appery.Time{Time: time.Now()}
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.IsZero() {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if text, err := json.Marshal(appery.Time{}); string(text) != "null" || err != nil {
		t.Errorf("zero is %s, %v", text, err)
	}
	for _, text := range []string{`"hidden"`, `17`, `"2017-02-16"`, `{}`} {
		if err := json.Unmarshal([]byte(text), new(appery.Time)); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Behind a windrowtest.Server the fake misbehaves by script.
func TestFaultsByScript(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, &apperytest.Server{})
		w.http.On(windrowtest.Is("POST", "/rest/1/db/batch"), windrowtest.RetryAfter(429, "2"), windrowtest.LostAnswer())
		began := time.Now()
		res, _ := windrow.CreateMany(t.Context(), w.labels, make([]label, 4), windrow.BatchSize(2), windrow.PreserveOrder(), testkit.Quick)
		testkit.Check(t, "states", []windrow.State{lost, lost, ok, ok}, testkit.States(t, res))
		testkit.Check(t, "objects", 4, len(w.fake.Objects("Labels")))
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
