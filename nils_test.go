package windrow_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/clients"
	"github.com/windrow-go/windrow/journal"
)

// ended is a context whose methods must not be called on a nil pointer.
type ended struct{ context.Context }

// What is nil, or a nil pointer in an interface, is refused by name before anything is sent, or is its documented default.
// TestANilClientIsRefused has the clients.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	var (
		noContext context.Context
		noEnded   *ended
		noLimiter *windrow.Limiter
		noJournal *journal.Journal
		noLogger  *slog.Logger
		noWatch   *observer
	)
	run := func(ctx context.Context, opts ...windrow.Option) error {
		_, err := windrow.CreateMany(ctx, windrow.CreateFunc(never(t)), ids(2), opts...)
		return err
	}
	stream := func(ctx context.Context, source iter.Seq2[string, error], opts ...windrow.Option) (last error) {
		for _, err := range windrow.NewBatchProcessor(never(t), opts...).Stream(ctx, source).All() {
			last = err
		}
		return last
	}
	rerun := func(ctx context.Context) error {
		_, err := windrow.NewBatchProcessor(never(t)).Rerun(ctx, nil)
		return err
	}
	some, l := windrow.FromSlice(ids(2)), new(windrow.Limiter)
	nothing := func(context.Context) error { t.Error("the function was called"); return nil }
	for name, tt := range map[string]struct {
		got  func() error
		want string
	}{
		"Run, a nil context":               {func() error { return run(noContext) }, windrow.ErrNilContext.Error()},
		"Run, a nil pointer as context":    {func() error { return run(noEnded) }, windrow.ErrNilContext.Error()},
		"Stream, a nil context":            {func() error { return stream(noContext, some) }, windrow.ErrNilContext.Error()},
		"Stream, a nil pointer as context": {func() error { return stream(noEnded, some) }, windrow.ErrNilContext.Error()},
		"Stream, a nil source":             {func() error { return stream(t.Context(), nil) }, "windrow: Stream (nil) needs a source"},
		"Rerun, a nil result":              {func() error { return rerun(t.Context()) }, "windrow: Rerun (nil) needs the result of an earlier run"},
		"WithLimiter":                      {func() error { return run(t.Context(), windrow.WithLimiter(noLimiter)) }, "windrow: WithLimiter (nil) must be a limiter"},
		"WithJournal":                      {func() error { return run(t.Context(), windrow.WithJournal(nil)) }, "windrow: WithJournal (nil) must be a journal"},
		"WithJournal, a nil pointer":       {func() error { return run(t.Context(), windrow.WithJournal(noJournal)) }, "windrow: WithJournal (nil) must be a journal"},
		"WithJournal, in a stream":         {func() error { return stream(t.Context(), some, windrow.WithJournal(noJournal)) }, "windrow: WithJournal (nil) must be a journal"},
		"WithLogger":                       {func() error { return run(t.Context(), windrow.WithLogger(noLogger)) }, "windrow: WithLogger (nil) must be a logger"},
		"WithObserver, a nil pointer":      {func() error { return run(t.Context(), windrow.WithObserver(noWatch)) }, "windrow: WithObserver (nil) must be an observer"},
		"OnProgress":                       {func() error { return run(t.Context(), windrow.OnProgress(nil)) }, "windrow: OnProgress (nil) must be a function"},
		"OnAdjust":                         {func() error { return windrow.NewLimiter(windrow.OnAdjust(nil)).Wait(t.Context(), 1) }, "windrow: OnAdjust (nil) must be a function"},
		"WithKey":                          {func() error { return run(t.Context(), windrow.WithKey[string](nil)) }, "windrow: WithKey (nil) must be a function"},
		"WithResultID":                     {func() error { return run(t.Context(), windrow.WithResultID[string](nil)) }, "windrow: WithResultID (nil) must be a function"},
		"NewBatchProcessor": {func() error {
			_, err := windrow.NewBatchProcessor[int, int](nil).Run(t.Context(), []int{1})
			return err
		}, windrow.ErrNilClient.Error()},
		"a nil limiter, Do":             {func() error { return noLimiter.Do(t.Context(), 1, nothing) }, "windrow: Limiter (nil) must be a limiter: make one with NewLimiter"},
		"a nil limiter, Wait":           {func() error { return noLimiter.Wait(t.Context(), 1) }, "windrow: Limiter (nil) must be a limiter: make one with NewLimiter"},
		"a nil limiter, Drain":          {func() error { return noLimiter.Drain(t.Context()) }, "windrow: Limiter (nil) must be a limiter: make one with NewLimiter"},
		"a nil limiter, SetRate":        {func() error { return noLimiter.SetRate(1, time.Second) }, "windrow: Limiter (nil) must be a limiter: make one with NewLimiter"},
		"a nil limiter, SetConcurrency": {func() error { return noLimiter.SetConcurrency(1) }, "windrow: Limiter (nil) must be a limiter: make one with NewLimiter"},
		"a limiter, Do, a nil context":  {func() error { return l.Do(noEnded, 1, nothing) }, windrow.ErrNilContext.Error()},
		"a limiter, Do, a nil function": {func() error { return l.Do(t.Context(), 1, nil) }, "windrow: Limiter: fn (nil) must be a function"},
		"a limiter, Drain":              {func() error { return l.Drain(noEnded) }, windrow.ErrNilContext.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tt.got()
			if err == nil {
				t.Fatal("no error")
			}
			if _, ok := errors.AsType[*windrow.PanicError](err); ok || !strings.Contains(err.Error(), strings.TrimPrefix(tt.want, "windrow: ")) {
				t.Errorf("error %v\nwant  %s", err, tt.want)
			}
		})
	}
	noLimiter.Pause()
	noLimiter.PauseUntil(time.Now())
	noLimiter.Resume()
	clients.Observe(noLimiter, clients.Feedback{Throttled: true})
	if s := noLimiter.Stats(); s != (windrow.LimiterStats{}) {
		t.Errorf("a nil limiter: %+v", s)
	}
	if err := run(t.Context(), nil, windrow.Options(nil), windrow.DryRun()); err != nil {
		t.Errorf("nil options say nothing, and %v", err)
	}
	strategies := []windrow.Strategy{windrow.Custom(nil), nil}
	for _, s := range strategies {
		p := windrow.NewBatchProcessor(func(context.Context, int) (int, error) { return 0, windrow.Transient(errServer) },
			windrow.Retry(windrow.RetryPolicy{MaxAttempts: 2, Strategy: s}))
		if res, err := p.Run(t.Context(), []int{1}); err == nil || res.Stats().Failed != 1 {
			t.Errorf("a nil strategy: %v", err)
		}
	}
}
