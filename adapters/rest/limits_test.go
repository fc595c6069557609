package rest

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/internal/testkit"
	"github.com/windrow-go/windrow/clients"
)

// What an answer's headers say, as it is handed to the limiter. The dialects themselves are tested where they are read.
func TestF13LimitsOfAnAnswer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 23, 40, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		status  int
		header  string // lines of name: value
		dialect Dialect
		want    limits
	}{
		{"nothing", 200, "", DialectAuto, limits{}},
		{"DatoCMS, within its limit", 200, "X-RateLimit-Limit: 60|X-RateLimit-Remaining: 59", DialectDeltaSeconds, limits{
			quotas: []clients.Quota{{Name: "X-RateLimit-*/", Limit: 60, Remaining: 59, RemainingKnown: true}}}},
		{"DatoCMS, over it", 429, "X-RateLimit-Limit: 60|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 3", DialectDeltaSeconds, limits{
			throttled: true, after: 3 * time.Second,
			quotas: []clients.Quota{{Name: "X-RateLimit-*/", Limit: 60, RemainingKnown: true, Reset: 3 * time.Second, ResetUnit: time.Second}}}},
		{"Retry-After takes precedence", 429, "Retry-After: 7|RateLimit: \"d\";r=0;t=60", DialectAuto, limits{
			throttled: true, after: 7 * time.Second,
			quotas: []clients.Quota{{Name: "RateLimit/d", RemainingKnown: true, Reset: time.Minute, ResetUnit: time.Second}}}},
		{"503 with Retry-After", 503, "Retry-After: 2", DialectAuto, limits{throttled: true, after: 2 * time.Second}},
		{"503 without", 503, "", DialectAuto, limits{}},
		{"429 bare", 429, "", DialectAuto, limits{throttled: true}},
		{"Retry-After: 0 is not silence", 429, "Retry-After: 0", DialectAuto, limits{throttled: true, after: 1}},
		{"several policies", 200, "RateLimit-Policy: \"burst\";q=100;w=60,\"daily\";q=1000;w=86400|RateLimit: \"burst\";r=50;t=30,\"daily\";r=7;t=80000", DialectAuto, limits{
			quotas: []clients.Quota{
				{Name: "RateLimit/burst", Limit: 100, Remaining: 50, RemainingKnown: true, Reset: 30 * time.Second, ResetUnit: time.Second, Window: time.Minute},
				{Name: "RateLimit/daily", Limit: 1000, Remaining: 7, RemainingKnown: true, Reset: 80000 * time.Second, ResetUnit: time.Second, Window: 24 * time.Hour},
			}}},
		{"a limit of something else", 200, "RateLimit-Policy: \"b\";q=9;w=1;qu=\"content-bytes\"|RateLimit: \"b\";r=0;t=9", DialectAuto, limits{}},
		{"switched off", 200, "X-RateLimit-Limit: 60|X-RateLimit-Remaining: 0|X-RateLimit-Reset: 3", DialectOff, limits{}},
		{"an absurd reset is no reset", 200, "X-RateLimit-Remaining: 5|X-RateLimit-Reset: 99999999999999", DialectAuto, limits{
			quotas: []clients.Quota{{Name: "X-RateLimit-*/", Remaining: 5, RemainingKnown: true}}}},
	} {
		h := http.Header{}
		for line := range strings.SplitSeq(tt.header, "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				h.Add(name, value)
			}
		}
		got := limitsOf(tt.status, h, now, tt.dialect, nil)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(limits{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// window is an API that takes 10 writes in each window of 2 seconds, and tells so in its headers.
func window(now func() time.Time, header func(h http.Header, remaining int, reset time.Duration)) (handler http.HandlerFunc, refused func() int) {
	var mu sync.Mutex
	var ends time.Time
	var used, over int
	return func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if at := now(); !at.Before(ends) {
				ends, used = at.Truncate(2*time.Second).Add(2*time.Second), 0
			}
			used++
			w.Header().Set("Content-Type", "application/json")
			header(w.Header(), max(0, 10-used), ends.Sub(now()))
			if used > 10 {
				over++
				w.WriteHeader(http.StatusTooManyRequests)
			}
			fmt.Fprint(w, "{}")
		}, func() int {
			mu.Lock()
			defer mu.Unlock()
			return over
		}
}

func seconds(d time.Duration) string { return fmt.Sprint(int(math.Ceil(d.Seconds()))) }

// The transport hands what headers say to the limiter, inside runs and outside: hardly anything is refused, where a
// limiter that hears nothing runs into the limit in every window.
func TestTheLimiterHearsWhatHeadersSay(t *testing.T) {
	t.Parallel()
	x := func(h http.Header, remaining int, reset time.Duration) {
		h.Set("X-RateLimit-Limit", "10")
		h.Set("X-RateLimit-Remaining", fmt.Sprint(remaining))
		h.Set("X-RateLimit-Reset", seconds(reset))
	}
	standard := func(h http.Header, remaining int, reset time.Duration) {
		h.Set("RateLimit-Policy", `"default";q=10;w=2`)
		h.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%s`, remaining, seconds(reset)))
	}
	run := func(t *testing.T, header func(http.Header, int, time.Duration), d Dialect, inside bool) (refused int) {
		synctest.Test(t, func(t *testing.T) {
			handler, over := window(time.Now, header)
			s := serve(t, handler)
			limiter := windrow.NewLimiter()
			client := &http.Client{Transport: &Transport{Base: s.base, Limiter: limiter, Dialect: d}}
			post := func(ctx context.Context, _ int) error {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cms.test/", strings.NewReader("{}"))
				if err != nil {
					return err
				}
				res, err := client.Do(req)
				if err != nil {
					return err
				}
				defer res.Body.Close()
				time.Sleep(50 * time.Millisecond)
				if res.StatusCode != http.StatusOK {
					return windrow.Throttled(fmt.Errorf("status %d", res.StatusCode), 0)
				}
				return nil
			}
			opts := []windrow.Option{windrow.Concurrency(8)}
			if inside {
				opts = []windrow.Option{windrow.WithLimiter(limiter)}
			}
			create := windrow.NoOutput(post)
			if !inside { // the transport's requests belong to no attempt that it knows
				create = windrow.NoOutput(func(_ context.Context, i int) error { return post(context.Background(), i) })
			}
			res, err := windrow.CreateMany(t.Context(), windrow.CreateFunc(create), make([]int, 100), opts...)
			if err != nil || res.Stats().Succeeded != 100 {
				t.Errorf("%+v, %v", res.Stats(), err)
			}
			refused = over()
		})
		return refused
	}
	for name, inside := range map[string]bool{"inside a run": true, "outside": false} {
		deaf := run(t, x, DialectOff, inside)
		if deaf < 5 {
			t.Fatalf("%s: a limiter that hears nothing was refused %d times: the test shows nothing", name, deaf)
		}
		if n := run(t, x, DialectDeltaSeconds, inside); n > deaf/2 {
			t.Errorf("%s: refused %d times with X-RateLimit, %d without", name, n, deaf)
		}
		if n := run(t, standard, DialectAuto, inside); n > deaf/2 {
			t.Errorf("%s: refused %d times with RateLimit, %d without", name, n, deaf)
		}
	}
}

func TestWithDialect(t *testing.T) {
	t.Parallel()
	c, err := New("https://cms.example", WithDialect(DialectEpochSeconds))
	if err != nil || c.transport.Dialect != DialectEpochSeconds {
		t.Errorf("dialect %v, error %v", c.transport.Dialect, err)
	}
	if _, err := New("https://cms.example", WithDialect(DialectOff+1)); err == nil {
		t.Error("a dialect that there is not was taken")
	}
}

// An API whose manual says how long a limit lasts, and whose headers do not.
func TestTransportTellsTheWindow(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		window time.Duration
		header []string
		want   []clients.Quota
	}{
		{0, []string{"X-RateLimit-Limit", "60", "X-RateLimit-Remaining", "59"}, []clients.Quota{{Name: "X-RateLimit-*/", Limit: 60, Remaining: 59, RemainingKnown: true}}},
		{3 * time.Second, []string{"X-RateLimit-Limit", "60", "X-RateLimit-Remaining", "59"},
			[]clients.Quota{{Name: "X-RateLimit-*/", Limit: 60, Remaining: 59, RemainingKnown: true, Window: 3 * time.Second}}},
		{-time.Second, []string{"X-RateLimit-Remaining", "59"}, []clients.Quota{{Name: "X-RateLimit-*/", Remaining: 59, RemainingKnown: true}}},
		{3 * time.Second, []string{"RateLimit-Policy", `"a";q=10;w=60`, "RateLimit", `"a";r=5;t=30`}, // which say it themselves
			[]clients.Quota{{Name: "RateLimit/a", Limit: 10, Remaining: 5, RemainingKnown: true, Reset: 30 * time.Second, ResetUnit: time.Second, Window: time.Minute}}},
		{3 * time.Second, nil, nil},
	} {
		transport := &Transport{Window: test.window}
		testkit.Check(t, "quotas", test.want, transport.limits(reply(http.StatusOK, test.header...), nil).quotas)
	}
	// A client takes it over from the transport that it is given.
	c, err := New("http://cms.test", WithHTTPClient(&http.Client{Transport: &Transport{Window: time.Minute}}), WithLimiter(&windrow.Limiter{}))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Check(t, "window of the client", time.Minute, c.transport.Window)
}
