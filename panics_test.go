package windrow_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"testing"

	"github.com/windrow-go/windrow"
)

// brittle is a journal one of whose methods panics.
type brittle struct {
	*memory
	method string
}

func (b brittle) call(method string) {
	if method == b.method {
		panic(secret)
	}
}

func (b brittle) Begin(op windrow.OpKind) error { b.call("Begin"); return b.memory.Begin(op) }
func (b brittle) Scope() string                 { b.call("Scope"); return b.memory.Scope() }
func (b brittle) Find(key string) (windrow.JournalEntry, error) {
	b.call("Find")
	return b.memory.Find(key)
}
func (b brittle) Unfinished() iter.Seq2[windrow.JournalIntent, error] {
	b.call("Unfinished")
	return b.memory.Unfinished()
}
func (b brittle) Intend(ctx context.Context, intent windrow.JournalIntent) error {
	b.call("Intend")
	return b.memory.Intend(ctx, intent)
}
func (b brittle) Record(entries ...windrow.JournalEntry) error {
	b.call("Record")
	return b.memory.Record(entries...)
}
func (b brittle) Sync() error { b.call("Sync"); return b.memory.Sync() }

// brittleWatcher is an observer, and brittleHandler a log, that panic at the beginning or the end of a run.
type brittleWatcher struct{ atEnd bool }

func (w brittleWatcher) StartRun(ctx context.Context, _ windrow.OpKind, _ int) (context.Context, func(windrow.RunStats, error)) {
	if !w.atEnd {
		panic(secret)
	}
	return ctx, func(windrow.RunStats, error) { panic(secret) }
}

func (w brittleWatcher) StartAttempt(ctx context.Context, _ windrow.Attempt) (context.Context, func(error)) {
	return ctx, nil
}

type brittleHandler struct{ slog.Handler }

func (brittleHandler) Handle(context.Context, slog.Record) error { panic(secret) }

// Whoever is only told what happens, or remembers it, may panic: that ends the run with a *PanicError, or, of one that
// the work does not need, nothing at all; never the program, and never what is known of the items.
func TestWhoListensMayPanic(t *testing.T) {
	t.Parallel()
	type processor = windrow.BatchProcessor[string, string]
	journalWith := func(method string) windrow.Option { return windrow.WithJournal(brittle{newMemory(), method}) }
	begun := newMemory()
	begun.entries["i0"] = windrow.JournalEntry{Key: "i0", State: windrow.Unknown}
	for name, tt := range map[string]struct {
		opt      windrow.Option
		set      func(p *processor)
		sent     bool // everything is sent all the same
		harmless bool
	}{
		"ResultID":            {opt: journalWith(""), set: func(p *processor) { p.ResultID = func(string) string { panic(secret) } }, sent: true},
		"Fingerprint":         {opt: journalWith(""), set: func(p *processor) { p.Fingerprint = func(string) string { panic(secret) } }, sent: true},
		"Journal.Begin":       {opt: journalWith("Begin")},
		"Journal.Scope":       {opt: journalWith("Scope")},
		"Journal.Find":        {opt: journalWith("Find")},
		"Journal.Unfinished":  {opt: windrow.WithJournal(brittle{begun, "Unfinished"})},
		"Journal.Intend":      {opt: journalWith("Intend")},
		"Journal.Record":      {opt: journalWith("Record"), sent: true},
		"Journal.Sync":        {opt: journalWith("Sync"), sent: true},
		"Observer, beginning": {opt: windrow.WithObserver(brittleWatcher{})},
		"Observer, end":       {opt: windrow.WithObserver(brittleWatcher{atEnd: true}), sent: true},
		"Logger":              {opt: windrow.WithLogger(slog.New(brittleHandler{slog.NewTextHandler(io.Discard, nil)}))},
		"OnAdjust":            {opt: windrow.OnAdjust(func(windrow.LimiterStats) { panic(secret) }), sent: true, harmless: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			throttled := false
			f := newFake(t, func(c *call) error {
				if !throttled && name == "OnAdjust" {
					throttled = true
					return windrow.Throttled(errBusy, 0)
				}
				return nil
			})
			p := windrow.NewCreateProcessor(client{f, windrow.Capabilities{}}, tt.opt, windrow.Concurrency(1))
			p.Key = byItself
			if tt.set != nil {
				tt.set(p)
			}
			p.ResultID = orDefault(p.ResultID)
			res, err := p.Run(t.Context(), ids(3))
			checkAccounts(t, 3, res, err)
			_, panicked := errors.AsType[*windrow.PanicError](err)
			if panicked == tt.harmless {
				t.Errorf("error %v, want a *PanicError: %t", err, !tt.harmless)
			}
			if calls := len(f.calls); tt.sent && calls == 0 || !tt.sent && calls > 0 {
				t.Errorf("%d calls", calls)
			}
			if done := res.Stats().Succeeded; tt.sent && done == 0 {
				t.Errorf("%d Succeeded: what is known was lost", done)
			}
		})
	}
}

// orDefault is the hook, or one that names nothing.
func orDefault(f func(string) string) func(string) string {
	if f != nil {
		return f
	}
	return func(string) string { return "" }
}
