package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

// The class of an error follows from method and status, whatever the body says.
func TestErrorClass(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method string
		status int
		header []string
		want   windrow.Class
	}{
		{"POST", 400, nil, windrow.ClassPermanent},
		{"POST", 401, nil, windrow.ClassFatal},
		{"POST", 403, nil, windrow.ClassFatal},
		{"GET", 404, nil, windrow.ClassPermanent},
		{"POST", 409, nil, windrow.ClassPermanent},
		{"POST", 413, nil, windrow.ClassTooLarge},
		{"POST", 422, nil, windrow.ClassPermanent},
		{"POST", 425, nil, windrow.ClassTransient},
		{"POST", 429, nil, windrow.ClassThrottled},
		{"POST", 500, nil, windrow.ClassAmbiguous},
		{"POST", 503, nil, windrow.ClassAmbiguous},
		{"POST", 503, []string{"Retry-After", "1"}, windrow.ClassThrottled},
		{"POST", 503, []string{"Retry-After", "0"}, windrow.ClassThrottled},
		{"POST", 503, []string{"Retry-After", "-1"}, windrow.ClassAmbiguous},
		{"POST", 301, nil, windrow.ClassPermanent},
		{"POST", 302, nil, windrow.ClassAmbiguous},
		{"DELETE", 303, nil, windrow.ClassAmbiguous},
		{"POST", 307, nil, windrow.ClassPermanent},
		{"GET", 304, nil, windrow.ClassPermanent},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, status(test.status, test.header...))
			_, err := s.client(t).Do(t.Context(), Request{Method: test.method, Path: "/articles"}, new(article))
			if got := windrow.Classify(err).Class; got != test.want {
				t.Errorf("%s answered with %d %q: class %v, want %v", test.method, test.status, test.header, got, test.want)
			}
		})
	}
}

func TestErrorMatches(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err              *Error
		notFound, exists bool
	}{
		{&Error{Method: "GET", Status: 404}, true, false},
		{&Error{Method: "POST", Status: 410}, true, false},
		{&Error{Method: "POST", Status: 409}, false, true},
		{&Error{Method: "PATCH", Status: 409}, false, false},
		{&Error{Method: "POST", Status: 422}, false, false},
	} {
		if errors.Is(test.err, windrow.ErrNotFound) != test.notFound || errors.Is(test.err, windrow.ErrAlreadyExists) != test.exists {
			t.Errorf("%v matches ErrNotFound: %v, ErrAlreadyExists: %v", test.err, errors.Is(test.err, windrow.ErrNotFound), errors.Is(test.err, windrow.ErrAlreadyExists))
		}
		if errors.Is(test.err, io.EOF) {
			t.Errorf("%v matches io.EOF", test.err)
		}
	}
}

func TestErrorRetryAfter(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{"": 0, "soon": 0, "0": 1, "5": 5 * time.Second, "Sat, 01 Jan 2000 00:00:09 GMT": 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			_, err := serve(t, status(500, "Retry-After", value)).client(t).Do(t.Context(), Request{}, nil)
			e, _ := errors.AsType[*Error](err)
			if e == nil {
				t.Fatal(err)
			}
			testkit.Check(t, value, want, e.RetryAfter())
			time.Sleep(time.Minute)
			testkit.Check(t, "later", want, e.RetryAfter())
			testkit.Check(t, "header", value, e.Header.Get("Retry-After"))
			testkit.Check(t, "body", `{"code":"because"}`+"\n", string(e.Body))
		})
	}
}

// No error shows what may be an item's content or a secret.
func TestErrorTextsShowNoContent(t *testing.T) {
	t.Parallel()
	const secret = "SECRET"
	type unsupported struct{ C chan int }
	body := map[string]any{
		"code": "BAD", "message": secret, "error": map[string]any{"message": secret, "code": secret + " with blanks"},
		"errors": []any{map[string]any{"field": "title", "code": "TOO_LONG", "message": secret}}, "data": map[string]any{"id": secret},
	}
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		in      any
		out     any
		want    string
	}{
		{"refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Secret", secret)
			answer(w, 422, body)
		}, nil, nil, "rest: POST /api/articles: status 422 (BAD)"},
		{"no code", func(w http.ResponseWriter, _ *http.Request) { answer(w, 400, secret) }, nil, nil, "rest: POST /api/articles: status 400"},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+secret) }, nil, nil,
			"rest: POST /api/articles: status 200: the response is not JSON"},
		{"broken JSON", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":`+secret)
		}, nil, new(article), "rest: POST /api/articles: status 200: the response is not the JSON that was expected"},
		{"another type", func(w http.ResponseWriter, _ *http.Request) { answer(w, 201, map[string]any{"id": 12345}) }, nil, new(article),
			"rest: POST /api/articles: status 201: the response's id does not fit into a string"},
		{"another type of all", func(w http.ResponseWriter, _ *http.Request) { answer(w, 201, secret) }, nil, new(article),
			"rest: POST /api/articles: status 201: the response does not fit into a rest.article"},
		{"input", good, map[string]any{"x": math.NaN()}, nil, "rest: POST /api/articles: the input cannot be turned into JSON"},
		{"type of the input", good, unsupported{}, nil, "rest: POST /api/articles: the input cannot be turned into JSON: it holds a chan int"},
		{"no answer", hangUp, nil, nil, "rest: POST /api/articles: EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, test.handler).client(t, WithToken(secret))
				_, err := c.Do(t.Context(), Request{
					Method: http.MethodPost, Path: "/articles", Query: url.Values{"token": {secret}}, In: test.in,
					Header: http.Header{"X-Api-Key": {secret}},
				}, test.out)
				testkit.Check(t, "text", test.want, fmt.Sprint(err))
				for e := err; e != nil; e = errors.Unwrap(e) {
					if _, ok := e.(*url.Error); ok && strings.Contains(e.Error(), secret) {
						t.Errorf("%v shows the query", e)
					}
				}
			})
		})
	}
}

// The kinds of what is wrong with an input, and of what cannot be read.
func TestErrorsUnwrap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, map[string]any{"id": 1}) })
		c := s.client(t)
		_, err := c.Do(t.Context(), Request{In: map[string]any{"x": math.NaN()}}, nil)
		if _, ok := errors.AsType[*json.UnsupportedValueError](err); !ok {
			t.Errorf("%v holds no UnsupportedValueError", err)
		}
		testkit.Check(t, "kind", windrow.KindValidation, windrow.Classify(err).Kind)
		testkit.Check(t, "requests", 0, len(s.requests()))
		_, err = c.Do(t.Context(), Request{}, new(article))
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
			t.Errorf("%v holds no UnmarshalTypeError", err)
		}
		limited, err := New("http://cms.test", WithLimiter(windrow.NewLimiter(windrow.Rate(1, time.Hour))))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = limited.transport.Limiter.Wait(ctx, 1) // the only one
		_, err = limited.Do(ctx, Request{}, nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "rest: GET /: waiting for the limiter: ") {
			t.Errorf("error %v of a wait", err)
		}
		_, err = c.Do(t.Context(), Request{Method: "NO SUCH METHOD"}, nil)
		testkit.Check(t, "class of a bad method", windrow.ClassPermanent, windrow.Classify(err).Class)
		testkit.Check(t, "kind of a bad method", windrow.KindValidation, windrow.Classify(err).Kind)
	})
}

func TestReadEnvelope(t *testing.T) {
	t.Parallel()
	type envelope struct {
		Code   string
		Fields []windrow.FieldError
	}
	fields := func(fields ...windrow.FieldError) []windrow.FieldError { return fields }
	for _, test := range []struct {
		name, body string
		want       envelope
	}{
		{"flat", `{"code":"NOT_UNIQUE","message":"m"}`, envelope{Code: "NOT_UNIQUE"}},
		{"nested", `{"error":{"code":"VALIDATION_FAILED","message":"m","details":[{"field":"title","code":"TOO_LONG","message":"is too long"}]}}`,
			envelope{"VALIDATION_FAILED", fields(windrow.FieldError{Field: "title", Code: "TOO_LONG", Message: "is too long"})}},
		{"list", `{"errors":[{"code":"TAKEN","field":"slug"},{"code":"BLANK","field":"title"}]}`,
			envelope{"", fields(windrow.FieldError{Field: "slug", Code: "TAKEN"}, windrow.FieldError{Field: "title", Code: "BLANK"})}},
		{"list without fields", `{"errors":[{"code":"LOCKED","message":"m"},{"code":"OTHER"}]}`, envelope{Code: "LOCKED"}},
		{"bare list", `[{"message":"m","errorCode":"DUPLICATES_DETECTED","fields":[]}]`, envelope{Code: "DUPLICATES_DETECTED"}},
		{"PocketBase", `{"status":400,"message":"Failed to create record.","data":{"title":{"code":"validation_required","message":"Missing required value."},"slug":{"code":"validation_not_unique","message":"Value must be unique."}}}`,
			envelope{"", fields(
				windrow.FieldError{Field: "slug", Code: "validation_not_unique", Message: "Value must be unique."},
				windrow.FieldError{Field: "title", Code: "validation_required", Message: "Missing required value."})}},
		{"PocketBase without fields", `{"status":404,"message":"The requested resource wasn't found.","data":{}}`, envelope{}},
		{"data that is none of an error", `{"data":{"title":{"code":"x"}}}`, envelope{}},
		{"RFC 9457", `{"type":"https://cms.example/problems/out-of-range","title":"t","status":422,"errors":[{"detail":"must be positive","pointer":"#/age"}]}`,
			envelope{"https://cms.example/problems/out-of-range", fields(windrow.FieldError{Field: "#/age", Message: "must be positive"})}},
		{"RFC 9457 of no type", `{"type":"about:blank","title":"Not Found","status":404}`, envelope{}},
		{"JSON:API", `{"errors":[{"status":"422","code":"blank","title":"t","detail":"d","source":{"pointer":"/data/attributes/title"}}]}`,
			envelope{"", fields(windrow.FieldError{Field: "/data/attributes/title", Code: "blank", Message: "d"})}},
		{"Rails", `{"errors":{"title":["can't be blank","is too short"],"slug":["is taken"]}}`, envelope{"", fields(
			windrow.FieldError{Field: "slug", Message: "is taken"}, windrow.FieldError{Field: "title", Message: "can't be blank"},
			windrow.FieldError{Field: "title", Message: "is too short"})}},
		{"one text a field", `{"errors":{"title":"is taken"}}`, envelope{"", fields(windrow.FieldError{Field: "title", Message: "is taken"})}},
		{"ObjectStack", `{"error":"Invalid batch request","code":"VALIDATION_FAILED","fields":[{"path":["records",0,"name"],"code":"required"}]}`,
			envelope{"VALIDATION_FAILED", fields(windrow.FieldError{Field: "records.0.name", Code: "required"})}},
		{"Strapi", `{"data":null,"error":{"status":400,"name":"ValidationError","message":"m","details":{"errors":[{"path":["title"]}]}}}`, envelope{Code: "ValidationError"}},
		{"Stripe", `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"id"}}`, envelope{Code: "resource_missing"}},
		{"Airtable", `{"error":{"type":"INVALID_RECORDS","message":"m"}}`, envelope{Code: "INVALID_RECORDS"}},
		{"Airtable, short", `{"error":"NOT_FOUND"}`, envelope{Code: "NOT_FOUND"}},
		{"OAuth", `{"error":"invalid_grant","error_description":"d"}`, envelope{Code: "invalid_grant"}},
		{"Google", `{"error":{"code":422,"status":"INVALID_ARGUMENT","message":"m"}}`, envelope{Code: "INVALID_ARGUMENT"}},
		{"FastAPI", `{"detail":[{"loc":["body","title"],"msg":"field required","type":"value_error.missing"}]}`,
			envelope{"", fields(windrow.FieldError{Field: "body.title", Code: "value_error.missing", Message: "field required"})}},
		{"details of one field", `{"code":"INVALID_FIELD","details":{"field":"title","code":"VALIDATION_REQUIRED"}}`,
			envelope{"INVALID_FIELD", fields(windrow.FieldError{Field: "title", Code: "VALIDATION_REQUIRED"})}},
		{"details of several fields", `{"code":"INVALID","details":{"slug":"is taken","title":["is too long"]}}`,
			envelope{"INVALID", fields(windrow.FieldError{Field: "slug", Message: "is taken"}, windrow.FieldError{Field: "title", Message: "is too long"})}},
		{"number", `{"code":4711}`, envelope{Code: "4711"}},
		{"number that is the status", `{"code":422,"error":"Unprocessable Entity"}`, envelope{}},
		{"number of nothing", `{"code":0,"type":"LOCKED"}`, envelope{Code: "LOCKED"}},
		{"text that is the status", `{"code":"422","status":"error"}`, envelope{}},
		{"status that is another number", `{"status":40001}`, envelope{}},
		{"sentence in place of a code", `{"code":"The title Secret is taken"}`, envelope{}},
		{"letters and digits at the ends", `{"code":"azAZ09_-.:/#"}`, envelope{Code: "azAZ09_-.:/#"}},
		{"signs beside the letters and digits", `{"code":"{"}`, envelope{}},
		{"longest code", `{"code":"` + strings.Repeat("x", 128) + `"}`, envelope{Code: strings.Repeat("x", 128)}},
		{"very long code", `{"code":"` + strings.Repeat("x", 129) + `"}`, envelope{}},
		{"messages of other types", `{"errors":{"a":1,"b":null,"c":{},"d":[[["x"]]],"e":[{"code":"E"}]}}`, envelope{"", fields(windrow.FieldError{Field: "e", Code: "E"})}},
		{"number", `1`, envelope{}},
		{"text", `"BAD"`, envelope{}},
		{"null", `null`, envelope{}},
		{"nothing", ``, envelope{}},
		{"broken", `{"code":"BAD"`, envelope{}},
		{"empty list", `[]`, envelope{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got envelope
			var found []*windrow.FieldError
			got.Code, found = readEnvelope([]byte(test.body), 422)
			for _, f := range found {
				got.Fields = append(got.Fields, *f)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	many := bytes.Repeat([]byte(`{"field":"f"},`), 200)
	_, found := readEnvelope([]byte(`{"errors":[`+string(many)+`{}]}`), 422)
	testkit.Check(t, "fields of many", maxFields, len(found))
}

// A server that sends back the credential: the error keeps what it sent for those who look, and shows it in no form.
func TestErrorShowsNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const token = "s3cr3t-t0k3n"
		s := serve(t, func(w http.ResponseWriter, req *http.Request) {
			given := req.Header.Get("Authorization")
			w.Header().Set("X-You-Sent", given)
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, given)
		})
		_, err := articlesOf(s.client(t, WithToken(token))).Get(t.Context(), "1")
		e, ok := errors.AsType[*Error](err)
		if !ok || !strings.Contains(e.Header.Get("X-You-Sent"), token) || !strings.Contains(string(e.Body), token) {
			t.Fatalf("error %v", err)
		}
		inJSON, jsonErr := json.Marshal(map[string]any{"pointer": e, "value": *e, "error": err})
		if jsonErr != nil {
			t.Error(jsonErr)
		}
		texts := []string{string(inJSON)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			for _, value := range []any{e, *e, err, []error{err}, struct{ Err error }{err}, struct{ E Error }{*e}, fmt.Errorf("wrapped: %w", err)} {
				texts = append(texts, fmt.Sprintf(verb, value))
			}
		}
		for _, text := range texts {
			if hidden := []string{token, fmt.Sprintf("%x", token), fmt.Sprintf("%d", []byte(token)), base64.StdEncoding.EncodeToString([]byte("Bearer " + token))}; slices.ContainsFunc(hidden, func(secret string) bool {
				return strings.Contains(text, strings.Trim(secret, "[]"))
			}) {
				t.Errorf("it shows the token: %s", text)
			}
		}
		testkit.Check(t, "%#v", `&rest.Error{Method:"GET", Path:"/api/articles/1", Status:422, Code:"", Fields:[], Header:(4 fields), Body:(19 bytes), Err:<nil>}`, fmt.Sprintf("%#v", e))
		testkit.Check(t, "%-40s", "rest: GET /api/articles/1: status 422   |", fmt.Sprintf("%-40s|", e))
	})
}

// The server's fields come out of a run as validation errors do.
func TestErrorFields(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(422)
			_, _ = io.WriteString(w, `{"errors":{"title":["is taken"]}}`)
		})
		res, err := windrow.CreateMany(t.Context(), articlesOf(s.client(t)), []draft{{"a"}})
		testkit.Check(t, "fields", []*windrow.FieldError{{Field: "title", Message: "is taken"}}, windrow.FieldErrors(res.At(0).Err))
		testkit.Check(t, "kind", windrow.KindValidation, res.At(0).Kind)
		if !strings.HasSuffix(err.Error(), "item 0 failed: rest: POST /api/articles: status 422") {
			t.Errorf("error %q", err)
		}
	})
}

// FuzzReadEnvelope feeds what a server may send.
func FuzzReadEnvelope(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"X","details":[{"field":"a","code":"b"}]},"errors":{"a":["b"]},"data":{"a":{"code":"b"}},"message":"m"}`), 422)
	f.Add([]byte(`[{"errorCode":"X","fields":["a"]}]`), 400)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		code, fields := readEnvelope(body, status)
		if len(code) > maxCode || strings.ContainsAny(code, " \n\"<>{}") || len(fields) > maxFields {
			t.Errorf("code %q, %d fields", code, len(fields))
		}
		isErrorBody(body)
	})
}
