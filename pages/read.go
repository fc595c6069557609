package pages

import (
	"cmp"
	"context"
	"errors"
	"iter"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/paging"
)

// Read yields the items of a list one at a time, with nil. When the reading ends before the list, it yields last an
// [*Error] with a zero item. Each range over it starts again from [StartAt], or else the first page. It can be the
// input of [windrow.BatchProcessor.Stream].
//
// While the caller handles a page, the next one is being fetched ([Prefetch]). The fetch function is called from other
// goroutines, one call at a time unless [Parallel] says otherwise. Read does not retry or limit calls: give it a [Run],
// or let fetch use [windrow.Limiter.Do] or a client that retries.
//
// When the range statement ends, for whatever reason, the contexts of the fetches in flight are cancelled and the
// fetches have returned. A fetch that ignores its context is waited for. When ctx ends the reading ends at once, also
// in the middle of a page. A panic of the fetch function is passed on to the caller, as a [*windrow.PanicError], after
// the items before were handed over.
func Read[T any](ctx context.Context, pager *Pager[T], opts ...Option) iter.Seq2[T, error] {
	o := options{prefetch: 1, parallel: 1, empty: 100}
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&o)
		}
	}
	if o.runs && pager != nil && pager.fetch != nil {
		running := *pager
		running.fetch = byRuns(pager.fetch, o.run)
		pager = &running
	}
	return func(yield func(T, error) bool) {
		at, err := read(ctx, pager, o, func(item T) bool { return yield(item, nil) })
		if panicked, ok := err.(*paging.Panic); ok {
			if err = windrow.ErrGoexit; panicked.Value != nil {
				panic(&windrow.PanicError{Value: panicked.Value, Stack: panicked.Stack})
			}
		}
		if err != nil {
			var none T
			yield(none, &Error{Position: at, Err: err})
		}
	}
}

// read checks the parameters, and reads the list.
func read[T any](ctx context.Context, pager *Pager[T], o options, yield func(T) bool) (Position, error) {
	if inspect.IsNil(ctx) {
		return o.start, windrow.ErrNilContext
	}
	if pager == nil || pager.fetch == nil {
		pager = newPager[T]("pages.Pager", paging.Route{}, false, nil)
	}
	o.refuse(o.parallel > 1 && pager.route.Ahead == nil, "pages.Parallel", "", o.parallel, "is for a pager made by pages.Offset or pages.Number")
	if err := errors.Join(o.err, pager.err); err != nil {
		return o.start, err
	}
	o.start.Cursor = cmp.Or(o.start.Cursor, pager.first)
	c := paging.Config[T]{
		Route: pager.route, Fetch: pager.fetch, Key: pager.Key,
		Start: paging.Position(o.start), Prefetch: o.prefetch, Parallel: o.parallel, MaxEmpty: o.empty,
	}
	if o.onPage != nil {
		c.OnPage = func(at paging.Position, items, total int) { o.onPage(Info{Position(at), items, total}) }
	}
	at, err := c.Read(ctx, yield)
	return Position(at), err
}
