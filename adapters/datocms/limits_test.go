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

// creates makes n articles with create, at any moment of the server's window, and checks that all are there.
func creates(t *testing.T, n int, phase time.Duration, run func(t *testing.T, server *datocmstest.Server) error) (w work) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(phase)
		server, _ := start(t, datocmstest.Config{Requests: 60, Latency: latency})
		began := time.Now()
		if err := run(t, server); err != nil {
			t.Error(err)
		}
		w = work{took: time.Since(began), throttled: server.Throttled(), requests: len(server.Seen()), lost: n - server.Len("")}
	})
	return w
}

const (
	mostThrottled = 10.0 // percent of the requests, in the mean of all phases
	leastUse      = 75.0 // percent of the capacity
)

// A thousand creates against DatoCMS's limit and its headers, of which Reset only comes with a 429, told nothing. Beside
// it the guide's own loop.
func TestA1A69TheLimitIsFound(t *testing.T) {
	t.Parallel()
	const n = 1000
	phases := []time.Duration{13 * time.Millisecond, 1013 * time.Millisecond, 2013 * time.Millisecond} // of the server's window
	var throttled, use float64
	for _, phase := range phases {
		w := creates(t, n, phase, func(t *testing.T, server *datocmstest.Server) error {
			limiter := &windrow.Limiter{}
			res, err := windrow.CreateMany(t.Context(), articlesOf(clientOf(t, server, rest.WithLimiter(limiter))), drafts(n), windrow.WithLimiter(limiter))
			accounts(t, n, res)
			return err
		})
		t.Logf("phase %v: %.2f %% throttled (%d of %d), %.1f %% of the capacity, %d lost, %v", phase, w.share(), w.throttled, w.requests, w.use(n), w.lost, w.took)
		if w.lost != 0 {
			t.Errorf("phase %v: %d lost", phase, w.lost)
		}
		throttled, use = throttled+w.share()/float64(len(phases)), use+w.use(n)/float64(len(phases))
	}
	if throttled > mostThrottled || use < leastUse {
		t.Errorf("%.2f %% throttled, %.1f %% of the capacity: want at most %v %% and at least %v %%", throttled, use, mostThrottled, leastUse)
	}
	guide := creates(t, n, phases[0], func(t *testing.T, server *datocmstest.Server) error {
		articles := articlesOf(clientOf(t, server))
		var wait sync.WaitGroup
		for batch := range slices.Chunk(drafts(n), 20) {
			for _, d := range batch {
				wait.Go(func() { _, _ = articles.Create(context.Background(), d) }) // failures are collected
			}
			wait.Wait()
			time.Sleep(time.Second)
		}
		return nil
	})
	t.Logf("the guide's loop: %.2f %% throttled, %.1f %% of the capacity, %d lost, %v", guide.share(), guide.use(n), guide.lost, guide.took)
}

// The documented limit as a preset: no throttle at all.
func TestA69ThePreset(t *testing.T) {
	t.Parallel()
	const n = 300
	for _, phase := range []time.Duration{13 * time.Millisecond, 1913 * time.Millisecond} {
		w := creates(t, n, phase, func(t *testing.T, server *datocmstest.Server) error {
			limiter := datocms.NewLimiter()
			res, err := windrow.CreateMany(t.Context(), articlesOf(clientOf(t, server, rest.WithLimiter(limiter))), drafts(n), windrow.WithLimiter(limiter))
			accounts(t, n, res)
			return err
		})
		t.Logf("phase %v: %d throttled of %d, %.1f %% of the capacity, %v", phase, w.throttled, w.requests, w.use(n), w.took)
		if w.throttled > 0 || w.lost != 0 {
			t.Errorf("phase %v: %+v", phase, w)
		}
	}
}
