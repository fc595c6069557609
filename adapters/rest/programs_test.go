package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/rest"
	"github.com/windrow-go/windrow/windrowtest"
)

// The programs here are what an author of an application writes, on the public interface alone.

// thisYear lets a bubble's clock go on to a year whose seconds since 1970 look like those that servers send.
func thisYear() { time.Sleep(30 * 365 * 24 * time.Hour) }

// issues is the client of an SDK: it knows nothing of windrow, and its errors tell neither class nor time.
type issues struct{ web *http.Client }

type sdkError struct{ Message string }

func (e *sdkError) Error() string { return "issues: " + e.Message }

func (c issues) Create(ctx context.Context, title string) (int, error) {
	body, err := json.Marshal(map[string]string{"title": title})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://code.test/issues", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	res, err := c.web.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var answer struct {
		Number  int
		Message string
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusCreated {
		return 0, &sdkError{answer.Message}
	}
	return answer.Number, nil
}

// A code host has two limits, and refuses with a 403 what is beyond either: one for an hour, told by X-RateLimit-Remaining
// and -Reset, and one for bursts, told by Retry-After. Each issue is created once, and none ends as forbidden.
func TestProgramIssuesOfACodeHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		thisYear()
		const hourly, burst, n = 60, 20, 150
		began := time.Now()
		var mu sync.Mutex
		created := map[string]int{}
		hour, used, minute, inMinute := 0, 0, 0, 0
		refusals := map[string]int{}
		server := windrowtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			into := time.Since(began)
			if h := int(into / (10 * time.Minute)); h != hour {
				hour, used = h, 0
			}
			if m := int(into / time.Minute); m != minute {
				minute, inMinute = m, 0
			}
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			refuse := func(why string) {
				refusals[why]++
				w.WriteHeader(http.StatusForbidden)
				_ = json.NewEncoder(w).Encode(map[string]string{"message": why})
			}
			switch {
			case used >= hourly:
				w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(hourly))
				w.Header().Set("X-Ratelimit-Remaining", "0")
				w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(began.Add(time.Duration(hour+1)*10*time.Minute).Unix()+1, 10))
				refuse("API rate limit exceeded")
				return
			case inMinute >= burst:
				w.Header().Set("Retry-After", strconv.Itoa(int((time.Minute-into%time.Minute)/time.Second)+1))
				refuse("You have exceeded a secondary rate limit")
				return
			}
			used++
			inMinute++
			var in struct{ Title string }
			_ = json.NewDecoder(req.Body).Decode(&in)
			created[in.Title]++
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(map[string]int{"number": len(created)})
		}))
		sdk := issues{&http.Client{Transport: &rest.Transport{Base: server.Client().Transport}}}
		var titles []string
		for k := range n {
			titles = append(titles, fmt.Sprintf("issue %d", k))
		}
		res, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(sdk.Create), titles,
			windrow.Concurrency(8), windrow.Retry(windrow.RetryPolicy{MaxThrottleWait: time.Hour}))
		if err != nil {
			t.Fatal(err)
		}
		for r := range res.All() {
			if r.State != windrow.Succeeded || created[r.Input] != 1 {
				t.Errorf("%s: %v, created %d times", r.Input, r.State, created[r.Input])
			}
		}
		t.Logf("%d issues in %v; refused: %v", n, time.Since(began), refusals)
		if len(refusals) != 2 {
			t.Errorf("only these limits were met: %v", refusals)
		}
		if took := time.Since(began); took < 20*time.Minute || took > 26*time.Minute {
			t.Errorf("took %v: the limits allow 22 minutes", took)
		}
	})
}

// A shop's GraphQL API has a budget of points that fills up by 50 a second, answers everything with the status 200, and says
// in the body what is left. The program's classifier reads there how long to wait.
func TestProgramGraphQLWithACostBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most, restored, cost, n = 1000.0, 50.0, 10.0, 400
		var mu sync.Mutex
		left, last := most, time.Now()
		created, throttled := map[string]int{}, 0
		server := windrowtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			var in struct {
				Query     string
				Variables struct{ Title string }
			}
			_ = json.NewDecoder(req.Body).Decode(&in)
			mu.Lock()
			defer mu.Unlock()
			left = min(most, left+time.Since(last).Seconds()*restored)
			last = time.Now()
			extensions := map[string]any{"cost": map[string]any{"requestedQueryCost": cost, "throttleStatus": map[string]any{
				"maximumAvailable": most, "currentlyAvailable": left, "restoreRate": restored,
			}}}
			w.Header().Set("Content-Type", "application/json")
			if left < cost {
				throttled++
				_ = json.NewEncoder(w).Encode(map[string]any{"data": nil, "extensions": extensions, "errors": []any{
					map[string]any{"message": "Throttled", "extensions": map[string]string{"code": "THROTTLED"}},
				}})
				return
			}
			left -= cost
			created[in.Variables.Title]++
			_ = json.NewEncoder(w).Encode(map[string]any{"extensions": extensions, "data": map[string]any{
				"productCreate": map[string]string{"id": in.Variables.Title},
			}})
		}))
		shop, err := rest.New(server.URL, rest.WithHTTPClient(server.Client()), rest.WithClassifier(func(e *rest.Error) error {
			var body struct {
				Errors []struct {
					Extensions struct{ Code string }
				}
				Extensions struct {
					Cost struct {
						RequestedQueryCost float64
						ThrottleStatus     struct{ CurrentlyAvailable, RestoreRate float64 }
					}
				}
			}
			if json.Unmarshal(e.Body, &body) != nil || len(body.Errors) == 0 || body.Errors[0].Extensions.Code != "THROTTLED" {
				return nil
			}
			budget := body.Extensions.Cost
			missing := budget.RequestedQueryCost - budget.ThrottleStatus.CurrentlyAvailable
			return windrow.Throttled(e, time.Duration(missing/budget.ThrottleStatus.RestoreRate*float64(time.Second)))
		}))
		if err != nil {
			t.Fatal(err)
		}
		create := windrow.CreateFunc(func(ctx context.Context, title string) (string, error) {
			var answer struct {
				Data struct{ ProductCreate struct{ ID string } }
			}
			_, err := shop.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/graphql", In: map[string]any{
				"query": "mutation($title: String!) { productCreate(title: $title) { id } }", "variables": map[string]string{"title": title},
			}}, &answer)
			return answer.Data.ProductCreate.ID, err
		})
		var titles []string
		for k := range n {
			titles = append(titles, fmt.Sprintf("product %d", k))
		}
		began := time.Now()
		res, err := windrow.CreateMany(t.Context(), create, titles, windrow.Concurrency(8))
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for r := range res.All() {
			if r.Value != r.Input || created[r.Input] != 1 || r.Attempts != 1 {
				t.Errorf("%s: %v %q, created %d times in %d attempts", r.Input, r.State, r.Value, created[r.Input], r.Attempts)
			}
		}
		floor := time.Duration((n*cost - most) / restored * float64(time.Second))
		t.Logf("%d products in %v, at least %v; %d throttled", n, time.Since(began), floor, throttled)
		if took := time.Since(began); throttled == 0 || took > floor*2 {
			t.Errorf("took %v, and the budget allows %v; %d throttled", took, floor, throttled)
		}
	})
}

// record is a line of an import.
type record struct {
	Key string `json:"key"`
	N   int    `json:"n"`
}

// verdict is what the import says of it.
type verdict struct {
	Key   string `json:"key"`
	Error string `json:"error,omitempty"`
}

// An import endpoint takes JSON Lines and answers with a line for each: some are refused, and the rest goes in.
func TestProgramJSONLinesImport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n, bad = 1000, 7
		var mu sync.Mutex
		stored, requests := map[string]int{}, 0
		server := windrowtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			requests++
			if requests == 2 { // it is busy once
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(http.StatusLocked)
				return
			}
			if got := req.Header.Get("Content-Type"); got != "application/x-ndjson" {
				t.Errorf("the type is %q", got)
			}
			w.Header().Set("Content-Type", "application/x-ndjson")
			answer := bufio.NewWriter(w)
			defer answer.Flush()
			for lines := bufio.NewScanner(req.Body); lines.Scan(); {
				var in record
				if json.Unmarshal(lines.Bytes(), &in) != nil {
					t.Errorf("no JSON: %q", lines.Bytes())
				}
				out := verdict{Key: in.Key}
				if in.N%(n/bad) == 3 {
					out.Error = "out of range"
				} else {
					stored[in.Key]++
				}
				line, _ := json.Marshal(out)
				_, _ = answer.Write(append(line, '\n'))
			}
		}))
		api, err := rest.New(server.URL, rest.WithHTTPClient(server.Client()))
		if err != nil {
			t.Fatal(err)
		}
		load := windrow.NewBatchProcessor(func(context.Context, record) (string, error) { return "", errors.New("only in batches") }, windrow.Linger(time.Second))
		load.Capabilities = windrow.Capabilities{MaxItems: 200, BatchOfOne: true}
		load.Key = func(r record) string { return r.Key }
		load.Batch = func(ctx context.Context, in []record) ([]windrow.Outcome[string], error) {
			var answer rest.Lines[verdict]
			if _, err := api.Do(ctx, rest.Request{Method: http.MethodPost, Path: "/import", In: rest.Lines[record](in)}, &answer); err != nil {
				return nil, err
			}
			keys := make([]string, len(in))
			for k := range in {
				keys[k] = in[k].Key
			}
			return windrow.MatchByID(keys, answer, windrow.ErrNotFound, func(v verdict) (string, windrow.Outcome[string]) {
				if v.Error != "" {
					return v.Key, windrow.Outcome[string]{Err: errors.New("the import refused it")}
				}
				return v.Key, windrow.Outcome[string]{Value: v.Key}
			})
		}
		var file strings.Builder
		for k := range n {
			fmt.Fprintf(&file, "{\"key\":\"k%d\",\"n\":%d}\n", k, k)
		}
		lines := func(yield func(record, error) bool) { // as the file is read
			for scan := bufio.NewScanner(io.Reader(strings.NewReader(file.String()))); scan.Scan(); {
				var r record
				err := json.Unmarshal(scan.Bytes(), &r)
				if !yield(r, err) {
					return
				}
			}
		}
		states := map[windrow.State]int{}
		stream := load.Stream(t.Context(), lines)
		for r := range stream.All() {
			states[r.State]++
			mu.Lock()
			times := stored[r.Input.Key]
			mu.Unlock()
			if (r.State == windrow.Succeeded) != (times == 1) {
				t.Errorf("%s: %v, stored %d times", r.Input.Key, r.State, times)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%v with %d requests", states, requests)
		if states[windrow.Failed] < bad || states[windrow.Succeeded]+states[windrow.Failed] != n || requests > 8 {
			t.Errorf("%v with %d requests", states, requests)
		}
	})
}
