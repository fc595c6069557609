package windrowtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/windrowtest"
)

// check compares what is with what is to be.
func check[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the request, or of its body
}

// ask makes a request. The body is sent as it is when it is a string, and as JSON otherwise.
func ask(t testing.TB, s *windrowtest.Server, method, target string, body any, header ...string) answer {
	t.Helper()
	return askFor(t.Context(), t, s, method, target, body, header...)
}

func askFor(ctx context.Context, t testing.TB, s *windrowtest.Server, method, target string, body any, header ...string) answer {
	t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+target, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(all), err}
}

// served runs a test in a bubble, with a server in front of records.
func served(t *testing.T, f func(t *testing.T, s *windrowtest.Server, r *windrowtest.Records)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &windrowtest.Records{}
		f(t, windrowtest.NewServer(t, r), r)
	})
}

// today waits until a date on which an epoch is more than the seconds of a delay, as the clock of a bubble begins in
// 2000.
func today() time.Time {
	time.Sleep(time.Until(time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC)))
	return time.Now()
}

// batchOf makes a batch of creates.
func batchOf(keys ...string) map[string]any {
	var records []any
	for _, key := range keys {
		records = append(records, map[string]any{"data": map[string]any{"key": key}})
	}
	return map[string]any{"operation": "create", "records": records}
}

// results returns the results of a batch answer.
func results(t *testing.T, a answer) (all []map[string]any) {
	t.Helper()
	var doc struct{ Results []map[string]any }
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return doc.Results
}

// column returns a field of each.
func column(all []map[string]any, name string) []any {
	var values []any
	for _, one := range all {
		values = append(values, one[name])
	}
	return values
}
