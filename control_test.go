package windrow_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/journal"
)

// steered starts a run or a stream of creates of n items with a Control, in chunks or not, and returns a channel that
// gets its stats and its error when it has ended.
func steered(t *testing.T, f *fake, kind string, n int, opts ...windrow.Option) <-chan struct {
	windrow.RunStats
	error
} {
	t.Helper()
	var c windrow.Creator[string, string] = client{fake: f}
	if kind != "Run" && kind != "Stream" {
		c = bulkClient{client{fake: f, capabilities: windrow.Capabilities{MaxItems: 5}}}
	}
	p := windrow.NewCreateProcessor(c, opts...)
	ended := make(chan struct {
		windrow.RunStats
		error
	}, 1)
	go func() {
		var out struct {
			windrow.RunStats
			error
		}
		if kind == "Stream" || kind == "Stream of chunks" {
			s := p.Stream(t.Context(), windrow.FromSlice(ids(n)))
			for _, err := range s.All() {
				out.error = err
			}
			out.RunStats = s.Stats()
		} else {
			res, err := p.Run(t.Context(), ids(n))
			out.RunStats, out.error = res.Stats(), err
		}
		ended <- out
	}()
	return ended
}

var steeredKinds = []string{"Run", "Stream", "Run of chunks", "Stream of chunks"}

// Pause lets nothing begin, also of a run that waits for the rate, and cuts nothing; Resume goes on.
func TestControlPause(t *testing.T) {
	t.Parallel()
	for _, kind := range steeredKinds {
		for name, opts := range map[string][]windrow.Option{"free": nil, "with a rate": {windrow.Rate(20, time.Second)}} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error { time.Sleep(40 * time.Millisecond); return c.ctx.Err() })
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						time.Sleep(40 * time.Millisecond)
						return outcomes(c.ids), c.ctx.Err()
					}
					var control windrow.Control
					ended := steered(t, f, kind, 100, append(opts, windrow.WithControl(&control))...)
					time.Sleep(110 * time.Millisecond)
					control.Pause()
					if !control.Paused() {
						t.Error("Paused is false")
					}
					before := len(f.order())
					time.Sleep(time.Hour)
					if after := len(f.order()); after != before || f.inFlight > 0 {
						t.Errorf("%d calls began in the pause, %d are in flight", after-before, f.inFlight)
					}
					control.Resume()
					if out := <-ended; out.error != nil || out.Succeeded != 100 {
						t.Errorf("%+v, %v", out.RunStats, out.error)
					}
					sum := 0
					for _, n := range f.sizes() {
						sum += n
					}
					if sum != 100 {
						t.Errorf("%d items were sent", sum)
					}
				})
			})
		}
	}
}

// A paused run does not keep another user of its limiter waiting.
func TestControlIsOfItsRunAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var paused windrow.Control
		paused.Pause()
		limiter := windrow.NewLimiter(windrow.Concurrency(1))
		f := newFake(t, nil)
		ended := steered(t, f, "Run", 3, windrow.WithLimiter(limiter), windrow.WithControl(&paused))
		synctest.Wait()
		if _, err := windrow.CreateMany[string, string](t.Context(), client{fake: newFake(t, nil)}, ids(10), windrow.WithLimiter(limiter)); err != nil {
			t.Error(err)
		}
		if n := len(f.order()); n > 0 {
			t.Errorf("the paused run made %d calls", n)
		}
		paused.Resume()
		if out := <-ended; out.error != nil {
			t.Error(out.error)
		}
	})
}

// A fast run, whose workers hold leases, ends within the calls in flight.
func TestControlPauseOfAFastRun(t *testing.T) {
	t.Parallel()
	var control windrow.Control
	var calls, late atomic.Int64
	p := windrow.NewBatchProcessor(func(context.Context, int) (struct{}, error) {
		if calls.Add(1) == 1000 {
			control.Pause()
		} else if control.Paused() {
			late.Add(1)
		}
		return struct{}{}, nil
	}, windrow.Concurrency(8), windrow.WithControl(&control))
	done := make(chan error, 1)
	go func() {
		_, err := p.Run(context.Background(), make([]int, 100_000))
		done <- err
	}()
	for !control.Paused() {
		time.Sleep(time.Millisecond)
	}
	control.Resume()
	if err := <-done; err != nil || calls.Load() != 100_000 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
	if late.Load() > 16 { // eight workers, each in a call and on its way to the next
		t.Errorf("%d calls began in the pause", late.Load())
	}
}

// The bounds hold for all runs of a Control together, beside those of their limiters, and can be moved and removed.
func TestControlBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var control windrow.Control
		if err := errors.Join(control.SetConcurrency(3), control.SetRate(50, time.Second)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		f := newFake(t, func(*call) error { time.Sleep(100 * time.Millisecond); return nil })
		one := steered(t, f, "Run", 60, windrow.WithControl(&control), windrow.Concurrency(10))
		two := steered(t, f, "Stream", 60, windrow.WithControl(&control), windrow.Concurrency(10))
		time.Sleep(time.Second)
		if n := len(f.order()); f.most != 3 || n < 27 || n > 33 {
			t.Errorf("%d calls at once, %d in a second, want 3 and 30", f.most, n)
		}
		_ = control.SetConcurrency(0)
		time.Sleep(time.Second)
		if n := len(f.order()); n > 90 || f.most < 4 {
			t.Errorf("%d calls after another second at 50/s, %d at once", n, f.most)
		}
		_ = control.SetRate(0, 0)
		if a, b := <-one, <-two; a.error != nil || b.error != nil {
			t.Error(a.error, b.error)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	var control windrow.Control
	for _, err := range []error{control.SetConcurrency(-1), control.SetConcurrency(100_001), control.SetRate(-1, time.Second), control.SetRate(1, 0)} {
		if _, ok := errors.AsType[*windrow.OptionError](err); !ok {
			t.Errorf("error %v", err)
		}
	}
}

// Stop lets calls in flight finish and count; the rest is NotAttempted, and the cause is known.
func TestControlStop(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for _, kind := range steeredKinds {
		for _, paused := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, " paused ", paused), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFake(t, func(c *call) error { time.Sleep(40 * time.Millisecond); return c.ctx.Err() })
					f.batch = func(c *call) ([]windrow.Outcome[string], error) {
						time.Sleep(40 * time.Millisecond)
						return outcomes(c.ids), c.ctx.Err()
					}
					var control windrow.Control
					ended := steered(t, f, kind, 100, windrow.WithControl(&control), windrow.Window(16))
					time.Sleep(50 * time.Millisecond)
					if paused {
						control.Pause()
						time.Sleep(time.Minute)
					}
					control.Stop(enough)
					control.Stop(errors.New("too late"))
					before := len(f.order())
					out := <-ended
					if !errors.Is(out.error, windrow.ErrStopped) || !errors.Is(out.error, enough) {
						t.Errorf("error %v", out.error)
					}
					sum := 0
					for _, n := range f.sizes() {
						sum += n
					}
					if out.Succeeded != sum || out.Failed+out.Unknown > 0 || len(f.order()) != before || sum == 100 {
						t.Errorf("%+v, %d items sent, %d calls after Stop", out.RunStats, sum, len(f.order())-before)
					}
					if _, err := windrow.CreateMany[string, string](t.Context(), client{fake: f}, ids(2), windrow.WithControl(&control)); !errors.Is(err, enough) || len(f.order()) != before {
						t.Errorf("a later run: %v", err)
					}
				})
			})
		}
	}
}

// Stop ends a run whose limiter is shut, and one whose look-ups are still to come.
func TestControlStopWhileItWaits(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(*call) error{
		"throttled": func(*call) error { return windrow.Throttled(errors.New("slow down"), time.Hour) },
		"look-up":   func(*call) error { return windrow.Ambiguous(errors.New("lost")) },
		"retry":     func(*call) error { return windrow.Transient(errors.New("broken")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, script)
				f.lookUp = func(string) (bool, error) { return false, windrow.Transient(errors.New("not now")) }
				var control windrow.Control
				p := windrow.NewCreateProcessor(client{fake: f}, windrow.WithControl(&control), windrow.Retry(windrow.RetryPolicy{Strategy: windrow.Constant(time.Hour), MaxThrottleWait: 9 * time.Hour}))
				p.Reconcile = f.find
				began := time.Now()
				go func() {
					time.Sleep(time.Minute)
					control.Stop(nil)
				}()
				res, err := p.Run(t.Context(), ids(3))
				if !errors.Is(err, windrow.ErrStopped) || time.Since(began) > time.Minute {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				s := res.Stats()
				if want := name == "look-up"; want && s.Unknown != 3 || !want && s.NotAttempted != 3 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// A run that was stopped goes on with its journal, and sends nothing twice.
func TestControlStopWithAJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "creates.journal")
	f := newFake(t, nil)
	for n := 20; ; n += 20 {
		j, err := journal.Open(path, "creates")
		if err != nil {
			t.Fatal(err)
		}
		var control windrow.Control
		f.script = func(*call) error {
			if len(f.order()) == n {
				control.Stop(nil)
			}
			return nil
		}
		p := windrow.NewCreateProcessor(client{fake: f}, windrow.WithControl(&control), windrow.WithJournal(j), windrow.Concurrency(3))
		p.Key = byItself
		_, err = p.Run(t.Context(), ids(100))
		if late := j.Close(); late != nil {
			t.Fatal(late)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, windrow.ErrStopped) {
			t.Fatal(err)
		}
	}
	sent := f.order()
	slices.Sort(sent)
	if len(sent) != 100 || len(slices.Compact(sent)) != 100 {
		t.Errorf("%d calls for 100 items", len(sent))
	}
}

// Progress says that the run is paused.
func TestControlInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var control windrow.Control
		var last atomic.Pointer[windrow.Progress]
		control.Pause()
		ended := steered(t, newFake(t, nil), "Run", 3, windrow.WithControl(&control), windrow.OnProgress(func(p windrow.Progress) { last.Store(&p) }))
		time.Sleep(time.Second)
		if p := last.Load(); p == nil || p.Waiting != "the run is paused" || p.ETA != -1 {
			t.Errorf("%+v", p)
		}
		control.Resume()
		<-ended
		if p := last.Load(); p.Waiting != "" || p.Done != 3 {
			t.Errorf("%+v", p)
		}
	})
}

// recorder is a journal that keeps what Record is given.
type recorder struct {
	windrow.Journal
	entries chan windrow.JournalEntry
}

func (r *recorder) Record(entries ...windrow.JournalEntry) error {
	for _, e := range entries {
		r.entries <- e
	}
	return r.Journal.Record(entries...)
}

// A journal is given what the result says.
func TestJournalEntriesSayWhatResultsSay(t *testing.T) {
	t.Parallel()
	j, err := journal.Open(filepath.Join(t.TempDir(), "creates.journal"), "creates")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	f := newFake(t, func(c *call) error {
		switch {
		case c.id() == "i1":
			return windrow.Permanent(errors.New("locked"))
		case c.id() == "i2":
			return windrow.Transient(errors.New("broken"))
		case c.id() == "i3":
			return windrow.Ambiguous(errors.New("lost"))
		case c.id() == "i4" && c.nth == 1:
			return windrow.Transient(errors.New("broken"))
		}
		return nil
	})
	r := &recorder{j, make(chan windrow.JournalEntry, 100)}
	p := windrow.NewCreateProcessor(client{fake: f}, windrow.WithJournal(r), windrow.Retry(windrow.RetryPolicy{MaxAttempts: 2, Strategy: windrow.Constant(0)}))
	p.Key = byItself
	res, _ := p.Run(t.Context(), ids(5))
	close(r.entries)
	entries := map[string]windrow.JournalEntry{}
	for e := range r.entries {
		entries[e.Key] = e
	}
	for want := range res.All() {
		e := entries[want.Key]
		if e.State != want.State || e.Kind != want.Kind || e.Err != want.Err || e.Resend != want.Resend || e.Attempts != want.Attempts || e.Elapsed != want.Elapsed {
			t.Errorf("%+v\nwant %+v", e, want)
		}
	}
	if !entries["i2"].Resend || entries["i2"].Attempts != 2 || entries["i4"].Attempts != 2 || entries["i3"].State != windrow.Unknown {
		t.Errorf("%+v", entries)
	}
}
