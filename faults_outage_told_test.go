package windrow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
)

// F63: while a run waits for a server that takes no calls OnAdjust, Progress and the log say so and why, and afterwards
// RunStats and LimiterStats say for how long.
func TestF63TheOutageIsTold(t *testing.T) {
	t.Parallel()
	const begins, lasts = 600 * time.Millisecond, 20 * time.Second
	for _, f := range []hostFailure{refusedDial, answered(502), resetRead} {
		for _, m := range []runMode{byRun, byStream, byBatches} {
			t.Run(f.says+"/"+m.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t, between(begins, begins+lasts, f))
					told := &listener{began: h.began}
					l := windrow.NewLimiter(windrow.OnAdjust(told.adjust))
					s := upserts.on(h, m, windrow.WithLimiter(l), windrow.OnProgress(told.progress), windrow.WithLogger(slog.New(told))).run(t.Context(), 4_000)
					if s.count(windrow.Succeeded) != 4_000 {
						t.Fatalf("%+v, stopped by %v", s.stats, s.cause)
					}
					told.mu.Lock()
					defer told.mu.Unlock()
					const soon = begins + time.Second
					pause := 3 * time.Second // between two probes at most
					if f.sent {
						pause = 11 * time.Second
					}
					late := begins + lasts + pause
					in := func(what string, at, from, until time.Duration) {
						t.Helper()
						if at < from || at > until {
							t.Errorf("%s after %v, want from %v to %v", what, at, from, until)
						}
					}
					if len(told.downAt) != 1 || len(told.ended) != 1 {
						t.Fatalf("OnAdjust told of the outage %d times, and of its end %d times: %q", len(told.downAt), len(told.ended), told.why)
					}
					in("OnAdjust told of the outage", told.downAt[0], begins, soon)
					in("OnAdjust told of its end", told.ended[0], begins+lasts, late)
					if !strings.Contains(told.why[0], "takes no calls") || !strings.Contains(told.why[0], f.says) {
						t.Errorf("OnAdjust gives the reason %q", told.why[0])
					}
					if len(told.waiting) == 0 {
						t.Fatal("Progress never said that the run waits")
					}
					first, last := told.waiting[0], told.waiting[len(told.waiting)-1]
					in("Progress said first that it waits", first.at, begins, soon+100*time.Millisecond)
					in("Progress said last that it waits", last.at, begins+lasts-pause, late)
					if !strings.Contains(first.Waiting, "takes no calls") || first.ETA != -1 {
						t.Errorf("Progress says %q, ETA %v", first.Waiting, first.ETA)
					}
					if n := len(told.logged); n < 2 || n > 4 {
						t.Errorf("%d lines are logged: %q", n, told.logged)
					}
					if first := told.logged[0]; !strings.Contains(first, "level=WARN") || !strings.Contains(first, "takes no calls") || !strings.Contains(first, f.says) {
						t.Errorf("the first line is %q", first)
					}
					if last := told.logged[len(told.logged)-1]; !strings.Contains(last, "takes calls again") {
						t.Errorf("the last line is %q", last)
					}
					in("RunStats: the outage ended", s.stats.OutageFor, lasts-time.Second, lasts+pause)
					if s.stats.ThrottledFor > 0 || s.stats.Throttled > 0 {
						t.Errorf("it is counted as a throttle: %+v", s.stats)
					}
					if text, err := json.Marshal(s.stats); err != nil || !bytes.Contains(text, []byte(`"outage_ns":`)) {
						t.Errorf("JSON: %s, %v", text, err)
					}
					stats := l.Stats()
					in("LimiterStats: the outage ended", stats.OutageFor, lasts-time.Second, lasts+pause)
					if stats.Outage || stats.Outages != 1 {
						t.Errorf("%+v", stats)
					}
				})
			})
		}
	}
}

// listener keeps what a run tells.
type listener struct {
	began time.Time

	mu      sync.Mutex
	outage  bool
	downAt  []time.Duration // when OnAdjust said that it is out
	ended   []time.Duration // and that it is not
	why     []string
	waiting []waiting
	logged  []string
}

// waiting is a step of the progress in which the run waits.
type waiting struct {
	windrow.Progress
	at time.Duration
}

func (l *listener) adjust(s windrow.LimiterStats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case s.Outage && !l.outage:
		l.downAt = append(l.downAt, time.Since(l.began))
		l.why = append(l.why, s.Why)
	case !s.Outage && l.outage:
		l.ended = append(l.ended, time.Since(l.began))
		l.why = append(l.why, s.Why)
	}
	l.outage = s.Outage
}

func (l *listener) progress(p windrow.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Waiting != "" {
		l.waiting = append(l.waiting, waiting{p, time.Since(l.began)})
	}
}

func (l *listener) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *listener) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *listener) WithGroup(string) slog.Handler                    { return l }

// Handle keeps the lines that speak of calls.
func (l *listener) Handle(ctx context.Context, r slog.Record) error {
	var text bytes.Buffer
	if err := slog.NewTextHandler(&text, nil).Handle(ctx, r); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(text.String(), "calls") {
		l.logged = append(l.logged, text.String())
	}
	return nil
}

// F63: the end of a run that an outage stopped is told by a name of its own.
func TestF63TheReasonNamesTheOutage(t *testing.T) {
	t.Parallel()
	for _, f := range []hostFailure{refusedDial, answered(503), answered(500)} {
		for _, m := range []runMode{byRun, byStream} {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, between(300*time.Millisecond, 0, f))
				s := upserts.on(h, m).run(t.Context(), 2_000)
				if !errors.Is(s.cause, windrow.ErrOutage) || errors.Is(s.cause, windrow.ErrThrottled) || !errors.Is(s.cause, f.err) {
					t.Errorf("%s: stopped by %v", f.says, s.cause)
				}
				if s.cause == nil || !strings.Contains(s.cause.Error(), f.says) || !strings.Contains(s.cause.Error(), "5m") {
					t.Errorf("%s: the reason is %v", f.says, s.cause)
				}
				if s.stats.OutageFor < 295*time.Second || s.stats.OutageFor > 310*time.Second {
					t.Errorf("%s: the outage is said to have lasted %v", f.says, s.stats.OutageFor)
				}
			})
		}
	}
}

// F61: a throttle is no outage, and an item's own failure is none.
func TestF61WhatIsNoOutageIsNotToldAsOne(t *testing.T) {
	t.Parallel()
	for _, f := range []hostFailure{answered(429).after(3 * time.Second), answered(503).after(3 * time.Second), answered(422), answered(404), answered(409)} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t, between(300*time.Millisecond, 3*time.Second, f))
			told := &listener{began: h.began}
			l := windrow.NewLimiter(windrow.OnAdjust(told.adjust))
			s := gets.on(h, byRun, windrow.WithLimiter(l), windrow.OnProgress(told.progress)).run(t.Context(), 2_000)
			if stats := l.Stats(); stats.Outages > 0 || stats.OutageFor > 0 || s.stats.OutageFor > 0 || len(told.downAt) > 0 || s.cause != nil {
				t.Errorf("%s: %+v, %+v, stopped by %v", f.says, stats, s.stats, s.cause)
			}
		})
	}
}
