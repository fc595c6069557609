package windrow

import (
	"cmp"
	"context"
	"time"

	"github.com/windrow-go/windrow/internal/engine"
)

// BatchReconciler is a [Reconciler] of several items with one request. It returns one outcome for each, in their order:
// one whose error matches [ErrNotFound] was not applied, and of one with another error nobody knows.
type BatchReconciler[In, Out any] interface {
	ReconcileBatch(ctx context.Context, in []In) ([]Outcome[Out], error)
}

const defaultSettlingTime = 2 * time.Second

// SettlingTime is how long after a lost answer a look-up that finds nothing proves nothing, since a write may arrive late
// and what is searched may lag behind. An item is looked up at once, and when it is not found again after that time, counted
// from the end of its attempt, or from the start of the run for one that an earlier run has sent. Only then is it sent again,
// or has failed. What the server applies later than that may be doubled. Defaults to 2 seconds; 0 believes the first
// look-up.
func SettlingTime(d time.Duration) Option {
	return option("SettlingTime", d >= 0, d, "must not be negative", func(o *options) { o.settling = d })
}

// mayLook reports whether there is a way to look up whether an item was applied.
func (p *BatchProcessor[In, Out]) mayLook() bool {
	return p.Reconcile != nil || p.ReconcileBatch != nil
}

// lookUps tells the engine how to look up whether items were applied.
func (p *BatchProcessor[In, Out]) lookUps(cfg *engine.Config, res *BulkResult[In, Out]) {
	cfg.SettlingTime = p.opts.settling
	if p.ReconcileBatch != nil {
		cfg.LookItems = max(1, cmp.Or(p.Capabilities.MaxReads, p.Capabilities.MaxItems, defaultMaxItems))
		cfg.ReconcileBatch = func(ctx context.Context, items []int, answers *engine.Answers) (int, error) {
			out, err := p.ReconcileBatch(ctx, res.inputsOf(items))
			if err != nil || len(out) != len(items) {
				return len(out), err
			}
			for k, o := range out {
				if o.Err == nil {
					res.values[items[k]&res.mask] = o.Value
				} else {
					answers.Set(k, engine.Answer{Err: o.Err})
				}
			}
			return len(out), nil
		}
	}
	if p.Reconcile != nil {
		cfg.Reconcile = func(ctx context.Context, i int) (bool, error) {
			out, applied, err := p.Reconcile(ctx, res.inputs[i&res.mask])
			if err == nil && applied {
				res.values[i&res.mask] = out
			}
			return applied, err
		}
	}
}
