package pages

import (
	"context"
	"errors"
	"slices"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/paging"
	"github.com/windrow-go/windrow/internal/refusal"
	"github.com/windrow-go/windrow/internal/seam"
)

// Option is a policy of [Read].
type Option interface{ apply(*options) }

type optionFunc func(*options)

func (f optionFunc) apply(o *options) { f(o) }

// options holds the options of a reading.
type options struct {
	start                     Position
	prefetch, parallel, empty int
	onPage                    func(Info)
	run                       []windrow.Option // options of Run
	runs                      bool
	refusals
}

// Prefetch is how many pages may be fetched ahead while one is handled, and so how many are held beside it: from 0,
// which fetches a page after the one before was handled, to 1,000. Defaults to 1.
func Prefetch(n int) Option {
	return optionFunc(func(o *options) { o.prefetch = o.within("pages.Prefetch", "", n, 0, 1000) })
}

// Parallel lets up to n pages, from 1 to 1,000, be fetched at the same time, and as many be held; they are handed over
// in order. It is for a pager made by [Offset] or [Number] whose pages have the Total: pages behind the Total are
// fetched one at a time. Defaults to 1.
func Parallel(n int) Option {
	return optionFunc(func(o *options) { o.parallel = o.within("pages.Parallel", "", n, 1, 1000) })
}

// StartAt begins the reading at a position from [OnPage] or an [Error], of a pager of the same kind and size. Defaults
// to the first page.
func StartAt(position Position) Option {
	return optionFunc(func(o *options) {
		o.start = position
		o.refuse(position.Page < 0 || position.Offset < 0, "pages.StartAt", "", position, "must not be negative")
	})
}

// MaxEmpty is how many pages in a row may have no new item before the reading ends with [ErrEmpty]: empty pages that
// have a cursor for the next, and pages whose records have all come before by [Pager.Key]. Defaults to 100.
func MaxEmpty(n int) Option {
	return optionFunc(func(o *options) { o.empty = o.within("pages.MaxEmpty", "", n, 0, 1_000_000) })
}

// OnPage calls f for each page before its items are handed over, from the goroutine that ranges. A caller that stores
// the position can start there again after a kill, and gets the items of that page once more. Items that
// [windrow.BatchProcessor.Stream] has pulled may not be handled yet; a journal records which are.
func OnPage(f func(Info)) Option {
	return optionFunc(func(o *options) {
		o.onPage = f
		o.refuse(f == nil, "pages.OnPage", "", "nil", "must be a function")
	})
}

// Run fetches each page by a run of one read with these options: a fetch that fails is repeated by the run's
// [windrow.RetryPolicy], through its limiter. A server that throttles, or that takes no requests for a while, then
// delays the reading and does not end it. Give [windrow.WithLimiter] the limiter of the runs against the same server,
// so that all use what one of them learns. Without it the reading has a limiter of its own. Unless the options have a
// [windrow.Retry], a page whose response has status 502, 503 or 504 is fetched again for up to 5 minutes.
//
// The errors of the fetch function are classified like those of a client: see [windrow.Classify]. Without Run a page is
// fetched once, and its error ends the reading. The pagers of the adapters make such runs themselves.
func Run(opts ...windrow.Option) Option {
	opts = slices.Clone(opts)
	return optionFunc(func(o *options) { o.run, o.runs = opts, true })
}

// byRuns returns a fetch function that makes a run of one read for each call.
func byRuns[T any](fetch fetcher[T], opts []windrow.Option) fetcher[T] {
	reads := windrow.NewGetProcessor(windrow.GetFunc(func(ctx context.Context, at paging.Position) (*paging.Page[T], error) {
		page, err := fetch(ctx, at)
		if err != nil {
			return nil, err
		}
		return &page, nil
	}), refusal.ForRun(opts)...)
	run := func(ctx context.Context, at paging.Position) (none paging.Page[T], _ error) {
		res, err := reads.Run(ctx, []paging.Position{at})
		first := res.At(0)
		if err == nil && first.Value != nil {
			return *first.Value, nil
		}
		if err == nil {
			return none, &windrow.OptionError{Option: "pages.Run", Problem: "must have no options that keep a page from being fetched"}
		}
		if panicked, ok := errors.AsType[*windrow.PanicError](err); ok {
			return none, &paging.Panic{Value: panicked.Value, Stack: panicked.Stack}
		}
		if first.State == windrow.Failed {
			return none, first.Err
		}
		if bulk, ok := errors.AsType[*windrow.BulkError](err); ok && bulk.Cause != nil {
			return none, bulk.Cause
		}
		return none, err
	}
	if seam.Given(opts, "Retry") {
		return run
	}
	return func(ctx context.Context, at paging.Position) (paging.Page[T], error) {
		return paging.Persist(ctx, func() (paging.Page[T], error) { return run(ctx, at) })
	}
}
