package datocms_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/adapters/datocms"
	"github.com/windrow-go/windrow/adapters/datocms/datocmstest"
	"github.com/windrow-go/windrow/adapters/rest"
)

// work is what came of many creates against the limit of 60 requests in 3 seconds.
type work struct {
	took      time.Duration
	requests  int
	throttled int
	lost      int
}

// share is how many of 100 requests were throttled.
func (w work) share() float64 { return 100 * float64(w.throttled) / float64(w.requests) }

// use is how much of the capacity was used for n requests, which is 20 a second, in percent. It may be more than 100:
// the windows at the beginning and at the end are not used up.
func (w work) use(n int) float64 { return 100 * float64(n) / 20 / w.took.Seconds() }

// creates makes n articles with run, at any moment of the server's window, and counts those that are there. Requests go to
// the server's handler without a connection between, which is of no account here, and takes the race detector long.
func creates(t *testing.T, n int, phase time.Duration, run func(t *testing.T, connect func(...rest.Option) *datocms.Client) error) (w work) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(phase)
		server := datocmstest.New(datocmstest.Config{Token: "token", Requests: 60, Latency: latency, Models: []datocmstest.Model{{
			ID: articleModel, Fields: []datocmstest.Field{{APIKey: "title"}, {APIKey: "slug"}, {APIKey: "pages"}},
		}}})
		t.Cleanup(server.Close)
		began := time.Now()
		if err := run(t, func(opts ...rest.Option) *datocms.Client { return handled(t, server.ServeHTTP, opts...) }); err != nil {
			t.Error(err)
		}
		w = work{took: time.Since(began), throttled: server.Throttled(), requests: len(server.Seen()), lost: n - server.Len("")}
	})
	return w
}

const (
	mostThrottled = 0.5  // percent of the requests, in the mean of all phases
	leastUse      = 98.0 // percent of the capacity
)

// phases are moments of the server's window.
var phases = []time.Duration{13 * time.Millisecond, 1013 * time.Millisecond, 2013 * time.Millisecond}

// A thousand creates against DatoCMS's limit and its headers, of which Reset only comes with a 429, told nothing: in a run
// with no option at all, whose own limiter learns from the headers, and with a limiter that the client has, too. Beside
// them the guide's own loop.
func TestA1A69TheLimitIsFound(t *testing.T) {
	t.Parallel()
	const n = 1000
	for name, of := range map[string]func() ([]rest.Option, []windrow.Option){
		"no option": func() ([]rest.Option, []windrow.Option) { return nil, nil },
		"one limiter": func() ([]rest.Option, []windrow.Option) {
			limiter := &windrow.Limiter{}
			return []rest.Option{rest.WithLimiter(limiter)}, []windrow.Option{windrow.WithLimiter(limiter)}
		},
	} {
		var throttled, use float64
		for _, phase := range phases {
			w := creates(t, n, phase, func(t *testing.T, connect func(...rest.Option) *datocms.Client) error {
				ofClient, ofRun := of()
				res, err := windrow.CreateMany(t.Context(), articlesOf(connect(ofClient...)), drafts(n), ofRun...)
				accounts(t, n, res)
				return err
			})
			t.Logf("%s, phase %v: %.2f %% throttled (%d of %d), %.1f %% of the capacity, %d lost, %v", name, phase, w.share(), w.throttled, w.requests, w.use(n), w.lost, w.took)
			if w.lost != 0 {
				t.Errorf("%s, phase %v: %d lost", name, phase, w.lost)
			}
			throttled, use = throttled+w.share()/float64(len(phases)), use+w.use(n)/float64(len(phases))
		}
		if throttled > mostThrottled || use < leastUse {
			t.Errorf("%s: %.2f %% throttled, %.1f %% of the capacity: want at most %v %% and at least %v %%", name, throttled, use, mostThrottled, leastUse)
		}
	}
	const few = 200
	guide := creates(t, few, phases[0], func(t *testing.T, connect func(...rest.Option) *datocms.Client) error {
		articles := articlesOf(connect())
		var wait sync.WaitGroup
		for batch := range slices.Chunk(drafts(few), 20) {
			for _, d := range batch {
				wait.Go(func() { _, _ = articles.Create(context.Background(), d) }) // failures are collected
			}
			wait.Wait()
			time.Sleep(time.Second)
		}
		return nil
	})
	t.Logf("the guide's loop: %.2f %% throttled, %.1f %% of the capacity, %d lost, %v", guide.share(), guide.use(few), guide.lost, guide.took)
}

// The documented limit as a preset: no throttle at all.
func TestA69ThePreset(t *testing.T) {
	t.Parallel()
	const n = 300
	for _, phase := range []time.Duration{13 * time.Millisecond, 1913 * time.Millisecond} {
		w := creates(t, n, phase, func(t *testing.T, connect func(...rest.Option) *datocms.Client) error {
			limiter := datocms.NewLimiter()
			res, err := windrow.CreateMany(t.Context(), articlesOf(connect(rest.WithLimiter(limiter))), drafts(n), windrow.WithLimiter(limiter))
			accounts(t, n, res)
			return err
		})
		t.Logf("phase %v: %d throttled of %d, %.1f %% of the capacity, %v", phase, w.throttled, w.requests, w.use(n), w.took)
		if w.throttled > 0 || w.lost != 0 {
			t.Errorf("phase %v: %+v", phase, w)
		}
	}
}

// How long the window lasts no header tells, so that the client says it. Once a window was seen to begin, requests are
// spread over its 3 seconds. Without that two or three times as many are refused.
func TestTheLengthOfTheWindowIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := &windrow.Limiter{}
		server, client := start(t, datocmstest.Config{Requests: 60}, rest.WithLimiter(limiter))
		id := fill(server, 1)[0]
		for range 2 { // a window that is used up, and the next
			for range 60 {
				if _, err := articlesOf(client).Get(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(3 * time.Second)
		}
		if rate := limiter.Stats().Rate; rate < 19 || rate > 21 {
			t.Errorf("%v requests a second, want about 20: %s", rate, limiter.Stats().Why)
		}
	})
}
