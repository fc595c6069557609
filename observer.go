package windrow

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
	"github.com/windrow-go/windrow/internal/identity"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/neterr"
)

// Attempt is one call of a client's method by a run, as an [Observer] sees it. Clients get more of it with AttemptFrom
// of package clients. The zero Attempt belongs to no run.
type Attempt struct {
	// Op is the operation.
	Op OpKind
	// Index is the index of the item in the input of the run; that of the first item of a chunk.
	Index int
	// Items is how many items the call carries: 1, or more for a native batch.
	Items int
	// Number counts the charged attempts, this one included, from 1.
	Number int
	// Key is the key of the item, or its id; "" without either, and for a chunk of several items.
	Key string
}

// WithObserver makes runs report their attempts to an observer, such as for tracing.
func WithObserver(obs Observer) Option {
	return option("WithObserver", !inspect.IsNil(obs), "nil", "must be an observer", func(o *options) { o.observer = obs })
}

// Observer watches runs. Its methods are called from many goroutines at once and must not block.
type Observer interface {
	// StartRun is called before anything is sent. items is -1 for a stream. The returned context, unless it is nil, is
	// the parent of the contexts of all attempts. end is called when the run is over, and may be nil.
	StartRun(ctx context.Context, op OpKind, items int) (_ context.Context, end func(RunStats, error))
	// StartAttempt is called before each call of the client. The returned context, unless it is nil, is passed to the
	// client. end is called with the client's error, or with that of its panic, and may be nil.
	StartAttempt(ctx context.Context, a Attempt) (_ context.Context, end func(error))
}

// watchAttempts returns a function that reports the attempts of a run to the observer and the log; nil without both.
func (p *BatchProcessor[In, Out]) watchAttempts(ctx context.Context) func(context.Context, *engine.Attempt) (context.Context, func(error)) {
	observer, log := p.opts.observer, p.logAttempts(ctx)
	if observer == nil && log == nil {
		return nil
	}
	return func(ctx context.Context, e *engine.Attempt) (context.Context, func(error)) {
		a := Attempt(identity.Describe[OpKind](e))
		var end func(error)
		if observer != nil {
			var watched context.Context
			watched, end = observer.StartAttempt(ctx, a)
			ctx = cmp.Or(watched, ctx)
		}
		began := time.Now()
		return ctx, func(err error) {
			if log != nil {
				log(ctx, a, e, time.Since(began), err)
			}
			if end != nil {
				end(err)
			}
		}
	}
}

// logAttempts returns a function that logs the end of an attempt; nil when the logger does not take that level. A panic
// of the logger only loses the line.
func (p *BatchProcessor[In, Out]) logAttempts(ctx context.Context) func(ctx context.Context, a Attempt, e *engine.Attempt, took time.Duration, err error) {
	logger, debug := p.opts.logger, false
	if logger == nil {
		return nil
	}
	_ = guarded(func() error { debug = logger.Enabled(ctx, slog.LevelDebug); return nil })
	if !debug {
		return nil
	}
	judge := judgeOf(p.op, p.opts.retry.Classify, nil)
	return func(ctx context.Context, a Attempt, e *engine.Attempt, took time.Duration, err error) {
		_ = guarded(func() error {
			attrs := make([]slog.Attr, 0, 8)
			attrs = append(attrs, slog.String("operation", p.op.String()), slog.Int("index", a.Index), slog.Int("items", a.Items), slog.Int("number", a.Number))
			if a.Key != "" {
				attrs = append(attrs, slog.String("key", a.Key))
			}
			status := e.Status()
			if err != nil {
				j := judge.Attempt(e, err)
				class := slog.String("class", Class(j.Class).String())
				if j.Skip != engine.NoReason {
					class = slog.String("skipped", Reason(j.Skip).String())
				}
				attrs = append(attrs, class)
				status = cmp.Or(status, neterr.Status(err))
			}
			if status != 0 {
				attrs = append(attrs, slog.Int("status", status))
			}
			logger.LogAttrs(ctx, slog.LevelDebug, "windrow: attempt ended", append(attrs, slog.Duration("latency", took))...)
			return nil
		})
	}
}

// logOutages returns a function that logs the start and the end of an outage, nil without a logger.
func (p *BatchProcessor[In, Out]) logOutages(ctx context.Context) func(down bool, why string) {
	logger := p.opts.logger
	if logger == nil {
		return nil
	}
	return func(down bool, why string) {
		_ = guarded(func() error {
			if down {
				logger.WarnContext(ctx, "windrow: the server takes no calls", "operation", p.op.String(), "why", why)
			} else {
				logger.InfoContext(ctx, "windrow: the outage has ended", "operation", p.op.String(), "why", why)
			}
			return nil
		})
	}
}

// logThrottles returns a function that logs a throttle, at most once a second; nil without a logger.
func logThrottles(op OpKind, logger *slog.Logger) func(*engine.Attempt, engine.Judgement) {
	if logger == nil {
		return nil
	}
	var logged atomic.Int64 // when a throttle was last logged
	return func(a *engine.Attempt, j engine.Judgement) {
		now := time.Now().Unix()
		if last := logged.Load(); last != now && logged.CompareAndSwap(last, now) {
			logger.WarnContext(a, "windrow: the server throttles", "operation", op.String(), "retry_after", j.After)
		}
	}
}
