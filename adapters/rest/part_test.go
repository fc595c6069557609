package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
)

var secondaryLimit = WithClassifier(func(e *Error) error {
	if e.Status == http.StatusForbidden && bytes.Contains(e.Body, []byte("secondary rate limit")) {
		return windrow.Throttled(e, time.Minute)
	}
	return nil
})

// What is read of a part is what would be read of a response that came by itself, for each kind of it.
func TestReadPartIsAsDo(t *testing.T) {
	t.Parallel()
	page := http.Header{"Content-Type": {"text/html"}}
	later := http.Header{"Content-Type": {"application/json"}, "Retry-After": {"7"}}
	for _, tt := range []struct {
		name, method string
		part         Response
	}{
		{"good", "POST", Response{201, nil, []byte(`{"id":"1"}`)}},
		{"good, with a mark", "GET", Response{200, nil, []byte("\ufeff{\"id\":\"1\"}")}},
		{"nothing", "DELETE", Response{204, nil, nil}},
		{"nothing, for a read", "GET", Response{200, nil, nil}},
		{"error in a success", "POST", Response{200, nil, []byte(`{"error":"no"}`)}},
		{"no JSON", "POST", Response{200, nil, []byte(`{"id":`)}},
		{"another form", "PUT", Response{200, nil, []byte(`{"id":[1]}`)}},
		{"a page", "PUT", Response{200, page, []byte("<html>")}},
		{"refused", "POST", Response{422, nil, []byte(`{"code":"bad","errors":{"title":["is empty"]}}`)}},
		{"conflict", "POST", Response{409, nil, []byte(`{}`)}},
		{"conflict, later", "POST", Response{409, later, []byte(`{}`)}},
		{"gone", "DELETE", Response{404, nil, []byte(`{}`)}},
		{"a proxy's page for a delete", "DELETE", Response{404, page, []byte("<html>")}},
		{"throttled", "POST", Response{429, later, []byte(`{}`)}},
		{"throttled by the body", "POST", Response{403, nil, []byte(`{"message":"secondary rate limit"}`)}},
		{"forbidden", "POST", Response{403, nil, []byte(`{"message":"no"}`)}},
		{"broken", "POST", Response{500, nil, []byte(`{}`)}},
		{"moved", "PUT", Response{303, nil, nil}},
	} {
		for _, wants := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					maps.Copy(w.Header(), tt.part.Header)
					w.WriteHeader(tt.part.Status)
					_, _ = w.Write(tt.part.Body)
				}).client(t, secondaryLimit)
				var alone, inside article
				var toAlone, toInside any
				if wants {
					toAlone, toInside = &alone, &inside
				}
				r := Request{Method: tt.method, Path: "/articles"}
				_, want := client.Do(t.Context(), r, toAlone)
				r.Path = "/api/articles"
				got := client.ReadPart(r, tt.part, toInside)
				testkit.Check(t, tt.name, fmt.Sprint(want), fmt.Sprint(got))
				testkit.Check(t, tt.name+", judged", fmt.Sprint(windrow.Classify(want)), fmt.Sprint(windrow.Classify(got)))
				for _, is := range []error{windrow.ErrNotFound, windrow.ErrAlreadyExists} {
					testkit.Check(t, tt.name+", matches", errors.Is(want, is), errors.Is(got, is))
				}
				testkit.Check(t, tt.name+", value", alone, inside)
				testkit.Check(t, tt.name+", fields", len(windrow.FieldErrors(want)), len(windrow.FieldErrors(got)))
			})
		}
	}
}

// A part without a status tells nothing, and a method is a GET unless it is named.
func TestReadPartBadInput(t *testing.T) {
	t.Parallel()
	client, err := New("http://cms.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{-1, 0, 99, 600} {
		err := client.ReadPart(Request{Method: "POST"}, Response{Status: status}, nil)
		if windrow.Classify(err).Class != windrow.ClassAmbiguous {
			t.Errorf("status %d: %v", status, err)
		}
	}
	var e *Error
	if err := client.ReadPart(Request{}, Response{Status: 404}, nil); !errors.As(err, &e) || e.Method != "GET" {
		t.Errorf("error %v, want that of a GET", err)
	}
}

// The limiter learns nothing of a part: the run tells it.
func TestReadPartLeavesTheLimiter(t *testing.T) {
	t.Parallel()
	limiter := &windrow.Limiter{}
	client, err := New("http://cms.test", WithLimiter(limiter), secondaryLimit)
	if err != nil {
		t.Fatal(err)
	}
	err = client.ReadPart(Request{Method: "POST"}, Response{Status: 403, Body: []byte("secondary rate limit")}, nil)
	if windrow.Classify(err).Class != windrow.ClassThrottled || limiter.Stats().Throttled != 0 {
		t.Errorf("error %v, %+v", err, limiter.Stats())
	}
}

// batchOf sends drafts in one request, as an author writes it whose API has an endpoint for parts.
type batchOf struct{ *Client }

func (c batchOf) Create(ctx context.Context, d draft) (article, error) {
	out, err := c.CreateBatch(ctx, []draft{d})
	if err != nil {
		return article{}, err
	}
	return out[0].Value, out[0].Err
}

func (c batchOf) CreateBatch(ctx context.Context, drafts []draft) ([]windrow.Outcome[article], error) {
	var parts []struct {
		Status int
		Body   json.RawMessage
	}
	if _, err := c.Do(ctx, Request{Method: "POST", Path: "/$batch", In: drafts}, &parts); err != nil {
		return nil, err
	}
	out := make([]windrow.Outcome[article], len(parts))
	for k, part := range parts {
		out[k].Err = c.ReadPart(Request{Method: "POST", Path: "/articles"}, Response{Status: part.Status, Body: part.Body}, &out[k].Value)
	}
	return out, nil
}

// The classifier reaches the parts of a batch: what it calls a throttle is sent again.
func TestClassifierReachesParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]int{}
		client := serve(t, func(w http.ResponseWriter, req *http.Request) {
			var drafts []draft
			_ = json.NewDecoder(req.Body).Decode(&drafts)
			parts := make([]map[string]any, len(drafts))
			for k, d := range drafts {
				if seen[d.Title]++; d.Title == "b" && seen["b"] == 1 {
					parts[k] = map[string]any{"status": 403, "body": map[string]string{"message": "secondary rate limit"}}
				} else {
					parts[k] = map[string]any{"status": 201, "body": article{ID: d.Title}}
				}
			}
			answer(w, 200, parts)
		}).client(t, secondaryLimit)
		began := time.Now()
		res, err := windrow.CreateMany(t.Context(), batchOf{client}, []draft{{"a"}, {"b"}, {"c"}})
		if err != nil {
			t.Fatal(err)
		}
		testkit.Check(t, "values", []article{{ID: "a"}, {ID: "b"}, {ID: "c"}}, res.Values())
		testkit.Check(t, "sent", map[string]int{"a": 1, "b": 2, "c": 1}, seen)
		within(t, time.Since(began), 60*time.Second, 66*time.Second)
	})
}
