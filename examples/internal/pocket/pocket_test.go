package pocket_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/examples/internal/pocket"
)

// start runs a server that ends with the test.
func start(t *testing.T, cfg pocket.Config) *pocket.Server {
	t.Helper()
	s, err := pocket.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// call sends one request with the user's token and returns status, header and
// body.
func call(t *testing.T, s *pocket.Server, method, path string, body any) (int, http.Header, []byte) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("marshal the body: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("make the request: %v", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", s.Token())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return res.StatusCode, res.Header, answer
}

const records = "/api/collections/symbols/records"

// record is a body that the collection accepts.
func record(key string) map[string]any {
	return map[string]any{"key": key, "import_path": "p", "name": key, "kind": "func"}
}

func TestStoresEveryFieldUnchanged(t *testing.T) {
	t.Parallel()
	s := start(t, pocket.Config{})

	want := map[string]any{
		"key":         "unicode/utf8.RuneError",
		"import_path": "unicode/utf8",
		"name":        "RuneError",
		"kind":        "const",
		"synopsis":    "the \"error\" Rune <&> or \u2028 “Unicode replacement character”",
		"doc":         strings.Repeat("wörd\t\n", 26_000/6) + "\n\n ",
		"deprecated":  true,
	}
	status, _, body := call(t, s, http.MethodPost, records, want)
	if status != http.StatusOK {
		t.Fatalf("create: status %d: %s", status, body)
	}
	var created map[string]any
	if err := json.Unmarshal(body, &created); err != nil {
		t.Fatalf("decode the created record: %v", err)
	}
	id, _ := created["id"].(string)

	status, _, body = call(t, s, http.MethodGet, records+"/"+id, nil)
	if status != http.StatusOK {
		t.Fatalf("view: status %d: %s", status, body)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("decode the viewed record: %v", err)
	}
	for _, extra := range []string{"id", "collectionId", "collectionName"} {
		delete(got, extra)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored record (-want +got):\n%s", diff)
	}
}

func TestOrdinaryUserMayDoEverythingAndAGuestNothing(t *testing.T) {
	t.Parallel()
	s := start(t, pocket.Config{})

	status, _, body := call(t, s, http.MethodPost, records, record("p.A"))
	if status != http.StatusOK {
		t.Fatalf("create: status %d: %s", status, body)
	}
	var created struct{ ID string }
	if err := json.Unmarshal(body, &created); err != nil {
		t.Fatalf("decode: %v", err)
	}
	if n, err := s.Count(); err != nil || n != 1 {
		t.Errorf("Count() = %d, %v; want 1, nil", n, err)
	}
	if status, _, body := call(t, s, http.MethodPost, records, record("p.A")); status != http.StatusBadRequest {
		t.Errorf("second create under the same key: status %d, want 400: %s", status, body)
	}
	for _, step := range []struct {
		method, path string
		body         any
		want         int
	}{
		{http.MethodGet, records, nil, http.StatusOK},
		{http.MethodGet, records + "/" + created.ID, nil, http.StatusOK},
		{http.MethodPatch, records + "/" + created.ID, map[string]any{"doc": "changed"}, http.StatusOK},
		{http.MethodDelete, records + "/" + created.ID, nil, http.StatusNoContent},
	} {
		if status, _, body := call(t, s, step.method, step.path, step.body); status != step.want {
			t.Errorf("%s %s: status %d, want %d: %s", step.method, step.path, status, step.want, body)
		}
	}
	if n, err := s.Count(); err != nil || n != 0 {
		t.Errorf("Count() after the delete = %d, %v; want 0, nil", n, err)
	}

	res, err := http.Post(s.URL()+records, "application/json", strings.NewReader(`{"key":"p.B"}`))
	if err != nil {
		t.Fatalf("create as a guest: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("create as a guest: status %d, want 400", res.StatusCode)
	}
}

// TestLimiterRefusesWhatIsOverTheRate sends bursts and checks, for every
// action, that no window of the server's clock lets more through than the
// rate, that the rest is refused with a bare 429, and that a fresh window
// opens again. Each action has windows of its own.
func TestLimiterRefusesWhatIsOverTheRate(t *testing.T) {
	t.Parallel()
	const rate, burst = 5, 20

	actions := []struct {
		name string
		send func(t *testing.T, s *pocket.Server, i int) (int, http.Header, []byte)
		ok   int
	}{
		{"create", func(t *testing.T, s *pocket.Server, i int) (int, http.Header, []byte) {
			return call(t, s, http.MethodPost, records, record(fmt.Sprintf("p.F%d", i)))
		}, http.StatusOK},
		{"list", func(t *testing.T, s *pocket.Server, i int) (int, http.Header, []byte) {
			return call(t, s, http.MethodGet, fmt.Sprintf("%s?page=%d&perPage=1000&skipTotal=1", records, i+1), nil)
		}, http.StatusOK},
		{"view", func(t *testing.T, s *pocket.Server, i int) (int, http.Header, []byte) {
			return call(t, s, http.MethodGet, records+"/nosuchrecord", nil)
		}, http.StatusNotFound},
		{"update", func(t *testing.T, s *pocket.Server, i int) (int, http.Header, []byte) {
			return call(t, s, http.MethodPatch, records+"/nosuchrecord", map[string]any{"doc": "x"})
		}, http.StatusNotFound},
		{"delete", func(t *testing.T, s *pocket.Server, i int) (int, http.Header, []byte) {
			return call(t, s, http.MethodDelete, records+"/nosuchrecord", nil)
		}, http.StatusNotFound},
	}
	s := start(t, pocket.Config{Rate: rate})
	for _, action := range actions {
		t.Run(action.name, func(t *testing.T) {
			first := time.Now().Unix()
			passed, throttled := 0, 0
			for i := range burst {
				status, header, body := action.send(t, s, i)
				switch status {
				case action.ok:
					passed++
				case http.StatusTooManyRequests:
					throttled++
					for name := range header {
						if strings.Contains(strings.ToLower(name), "retry") || strings.Contains(strings.ToLower(name), "ratelimit") {
							t.Errorf("the 429 carries %s: %s", name, header.Get(name))
						}
					}
				default:
					t.Fatalf("status %d: %s", status, body)
				}
			}
			windows := int(time.Now().Unix()-first) + 1
			if passed < min(rate, burst) || passed > windows*rate {
				t.Errorf("%d passed in %d windows of %d", passed, windows, rate)
			}
			if throttled == 0 {
				t.Errorf("none of %d requests in %d windows of %d was refused", burst, windows, rate)
			}

			time.Sleep(time.Until(time.Unix(time.Now().Unix()+1, 0)))
			if status, _, body := action.send(t, s, burst); status != action.ok {
				t.Errorf("in the next window: status %d, want %d: %s", status, action.ok, body)
			}
		})
	}

	if got := s.Traffic(http.MethodPost); got.Requests != burst+1 || got.Throttled == 0 {
		t.Errorf("Traffic(POST) = %+v, want %d requests, some throttled", got, burst+1)
	}
	n, err := s.Count()
	if got := s.Traffic(http.MethodPost); err != nil || n != got.Requests-got.Throttled {
		t.Errorf("Count() = %d, %v; the server let %d of %d creates pass", n, err, got.Requests-got.Throttled, got.Requests)
	}
}

func TestWithoutRateNothingIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, pocket.Config{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if status, _, body := call(t, s, http.MethodPost, records, record(fmt.Sprintf("p.F%d", i))); status != http.StatusOK {
				t.Errorf("create %d: status %d: %s", i, status, body)
			}
		})
	}
	wg.Wait()
	if got, want := s.Traffic(http.MethodPost), (pocket.Traffic{Requests: 40}); got != want {
		t.Errorf("Traffic(POST) = %+v, want %+v", got, want)
	}
}

func TestCloseRemovesTheFolderUnlessKept(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep=%t", keep), func(t *testing.T) {
			t.Parallel()
			s, err := pocket.Start(t.Context(), pocket.Config{Keep: keep})
			if err != nil {
				t.Fatalf("Start: %v", err)
			}
			t.Cleanup(func() { os.RemoveAll(s.Dir()) })
			if _, err := os.Stat(s.Dir()); err != nil {
				t.Fatalf("the data folder while serving: %v", err)
			}
			for i := range 2 {
				if err := s.Close(); err != nil {
					t.Fatalf("Close %d: %v", i+1, err)
				}
			}
			if _, err := http.Get(s.URL() + "/api/health"); err == nil {
				t.Error("the server still answers after Close")
			}
			_, err = os.Stat(s.Dir())
			if gone := errors.Is(err, os.ErrNotExist); gone == keep {
				t.Errorf("the data folder after Close: %v, keep %t", err, keep)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	if _, err := pocket.Start(t.Context(), pocket.Config{Rate: -1}); err == nil || !strings.Contains(err.Error(), "-1") {
		t.Errorf("Start with rate -1: %v, want an error that names it", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pocket.Start(ctx, pocket.Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start with a cancelled context: %v, want %v", err, context.Canceled)
	}
}
