package resume

import (
	"context"
	"iter"

	"github.com/windrow-go/windrow/internal/contain"
)

// Guard returns a journal that turns panics of j into errors with lost.
func Guard(j Journal, lost contain.Lost) Journal { return guarded{j, lost} }

type guarded struct {
	journal Journal
	lost    contain.Lost
}

// try calls f and turns its panic into an error.
func (g guarded) try(f func() error) error { return contain.Try(f, g.lost) }

// Find implements [Journal].
func (g guarded) Find(key string) (e Entry, err error) {
	err = g.try(func() error { e, err = g.journal.Find(key); return err })
	return e, err
}

// Unfinished implements [Journal].
func (g guarded) Unfinished() iter.Seq2[Intent, error] {
	return func(yield func(Intent, error) bool) {
		more := true
		if err := g.try(func() error {
			for intent, err := range g.journal.Unfinished() {
				if more = yield(intent, err); !more {
					break
				}
			}
			return nil
		}); err != nil && more {
			yield(Intent{}, err)
		}
	}
}

// Intend implements [Journal].
func (g guarded) Intend(ctx context.Context, intent Intent) error {
	return g.try(func() error { return g.journal.Intend(ctx, intent) })
}

// Save implements [Journal].
func (g guarded) Save(ctx context.Context, idempotencyKey, handle string) error {
	return g.try(func() error { return g.journal.Save(ctx, idempotencyKey, handle) })
}

// Record implements [Journal].
func (g guarded) Record(entries []Entry) error {
	return g.try(func() error { return g.journal.Record(entries) })
}

// Sync implements [Journal].
func (g guarded) Sync() error { return g.try(g.journal.Sync) }
