package windrow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/windrow-go/windrow/internal/inspect"
	"github.com/windrow-go/windrow/internal/pages"
)

// Page is what a pager's fetch function returns.
type Page[T any] struct {
	// Items are the records on the page, in the order of the list.
	Items []T
	// Next is the cursor or the link of the next page, "" when there is none. Other pagers ignore it.
	Next string
	// Total is the number of records in the whole list according to the server, 0 when it does not say. It is a hint:
	// it never ends the reading by itself.
	Total int
	// Last says that no page follows, for servers that say so (has_more: false, isLast: true, next: null).
	Last bool
	// More says that a page follows, for servers that say so (has_more: true, isLast: false): a short or an empty page
	// is then not the last. Without Last and More the kind of pager decides. A page with both is an error.
	More bool
}

// Position is where a page of a list begins. It can be stored as JSON, for [StartAt]. The zero value is the beginning.
type Position struct {
	// Page is the number of the page, from 0. It is the position of a [PageNumberPager].
	Page int `json:"page"`
	// Offset is the number of records on the pages before. It is the position of an [OffsetPager].
	Offset int `json:"offset"`
	// Cursor is the cursor of the page, its link, or the key after which it begins. It is the position of the other
	// pagers.
	Cursor string `json:"cursor,omitempty"`
}

// String returns the position, for logs. It leaves out the query and the user of a link, which may be credentials.
func (p Position) String() string { return pages.Position(p).String() }

// PageInfo describes a page for [OnPage].
type PageInfo struct {
	Position Position // of the page; [StartAt] reads the page again
	Items    int      // on the page, before repeated ones are dropped
	Total    int      // of the whole list, according to the server; 0 when it does not say
}

// PageError is the only error of [Pages], and the last pair that it yields.
type PageError struct {
	// Position is that of the page which could not be read, or not to its end. [StartAt] continues there.
	Position Position
	// Err is the error of the fetch function or of the context, [ErrCursorLoop], [ErrEmptyPages], [ErrGoexit], or the
	// [*OptionError] of a reading that could not begin.
	Err error
}

// Error implements error.
func (e *PageError) Error() string { return fmt.Sprintf("windrow: %v: %v", e.Position, e.Err) }

// Unwrap returns the cause.
func (e *PageError) Unwrap() error { return e.Err }

var (
	// ErrCursorLoop is the cause of a [PageError] when the server repeats a cursor, a link or a last key, so that the
	// same pages would follow forever; or when the pages themselves repeat: 3 of them in a row, or 100 items. Fewer are
	// enough where records are inserted in front. Pages whose items are equal to each other may repeat 10,000 times.
	ErrCursorLoop = pages.ErrLoop
	// ErrEmptyPages is matched by the cause of a [PageError] when more pages in a row than [EmptyPages] allows had no
	// new item.
	ErrEmptyPages = pages.ErrEmpty
)

// Pager describes the paging of a list. Make one with [OffsetPager], [PageNumberPager], [CursorPager], [LinkPager] or
// [KeysetPager], and pass it to [Pages]. It may be used many times, and concurrently if its functions may.
//
// A list that changes while it is read by offset or page number is not read as it was at any one time: a record
// inserted in front moves others to the next page, where they come again (Key drops them), and a record removed in
// front moves others to pages that were read already, where they are missed. Where that matters, read by key or by
// cursor, or collect the records before you change them.
type Pager[T any] struct {
	// Key is the identity of a record. A record that comes again within 32 pages is handed over once. A record with the
	// key "" equals no other. Nil means that all records are handed over, as often as they come.
	Key func(item T) string

	route pages.Route
	fetch func(ctx context.Context, at pages.Position) (pages.Page[T], error)
	first string // link
	refusals
}

// refusals holds the errors in the parameters of a pager or a reading.
type refusals struct{ err error }

func (r *refusals) refuse(bad bool, name, field string, value any, problem string) {
	if bad {
		r.err = errors.Join(r.err, &OptionError{Option: name, Field: field, Value: value, Problem: problem})
	}
}

func (r *refusals) within(name, field string, n, low, high int) int {
	r.refuse(n < low || n > high, name, field, n, fmt.Sprintf("must be from %d to %d", low, high))
	return n
}

func newPager[T any](name string, route pages.Route, hasFetch bool, fetch func(ctx context.Context, at pages.Position) (Page[T], error)) *Pager[T] {
	p := &Pager[T]{route: route, fetch: func(ctx context.Context, at pages.Position) (pages.Page[T], error) {
		page, err := fetch(ctx, at)
		return pages.Page[T](page), err
	}}
	p.refuse(!hasFetch, name, "fetch", "nil", "must be a function that fetches a page")
	return p
}

// OffsetPager pages by offset and limit. A page with fewer than size records is the last, unless its Total says that
// there are more: servers may cap the limit without saying so, and then the list continues behind the records of the
// page. A list that ends with a full page costs one more request. Its response is an empty page, or an earlier page
// from a server that starts again behind the end; once the Total was reached, that is the end, too. An empty page ends
// the list regardless of its Total, which may count records that the caller must not see.
//
// A page with [Page.More] is never the last. The list continues behind its records, or behind an empty page after as
// many as the longest page had: a server that removes records from its pages sends some twice ([Pager.Key] drops them),
// and none is missed. For a server that says where the next page begins use a [CursorPager]. A page with more than size
// records is an error.
func OffsetPager[T any](size int, fetch func(ctx context.Context, offset, limit int) (Page[T], error)) *Pager[T] {
	p := newPager("OffsetPager", pages.Offset(size), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, at.Offset, size)
	})
	p.within("OffsetPager", "size", size, 1, 1_000_000)
	return p
}

// PageNumberPager pages by number and size. The first page has the number first, which is 0 or 1. It ends as an
// [OffsetPager] does. For a server that responds with an error behind the end of the list, fetch must return an empty
// page, or set [Page.Last] on the last one.
func PageNumberPager[T any](first, size int, fetch func(ctx context.Context, number, size int) (Page[T], error)) *Pager[T] {
	p := newPager("PageNumberPager", pages.Number(size), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, first+at.Page, size)
	})
	p.within("PageNumberPager", "first", first, 0, 1)
	p.within("PageNumberPager", "size", size, 1, 1_000_000)
	return p
}

// CursorPager pages by the cursor of the next page, [Page.Next]. The first page has the cursor "". A page without Next
// is the last; a short or an empty page is not. A page without Next and with [Page.More] is an error.
func CursorPager[T any](fetch func(ctx context.Context, cursor string) (Page[T], error)) *Pager[T] {
	return newPager("CursorPager", pages.Cursor(), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, at.Cursor)
	})
}

// LinkPager pages by the link to the next page, [Page.Next]. A relative link is resolved against the URL of its page.
// It ends as a [CursorPager] does. A link may lead to another host: fetch must decide whether to send credentials
// there.
func LinkPager[T any](first string, fetch func(ctx context.Context, url string) (Page[T], error)) *Pager[T] {
	p := newPager("LinkPager", pages.Link(), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		return fetch(ctx, at.Cursor)
	})
	p.first = first
	p.refuse(first == "", "LinkPager", "first", nil, "must be the URL of the first page")
	return p
}

// KeysetPager pages by the key of the last record on each page: fetch returns the first records whose keys come after
// the given one, in the order of the keys; "" is before all. The list ends with an empty page, or with [Page.Last]; an
// empty page with [Page.More] is an error. Keys must be unique: of several records with one key, those behind the end
// of a page are missed. This paging misses and repeats nothing while other records are inserted and removed.
func KeysetPager[T any](key func(item T) string, fetch func(ctx context.Context, after string) (Page[T], error)) *Pager[T] {
	p := newPager("KeysetPager", pages.Keyset(), fetch != nil, func(ctx context.Context, at pages.Position) (Page[T], error) {
		page, err := fetch(ctx, at.Cursor)
		if n := len(page.Items); n > 0 {
			page.Next = key(page.Items[n-1])
		}
		return page, err
	})
	p.refuse(key == nil, "KeysetPager", "key", "nil", "must be a function that returns the key of a record")
	return p
}

// PageOption is a policy of [Pages].
type PageOption interface{ applyPages(*pageOptions) }

type pageOptionFunc func(*pageOptions)

func (f pageOptionFunc) applyPages(o *pageOptions) { f(o) }

// pageOptions holds the options of a reading.
type pageOptions struct {
	start                     Position
	prefetch, parallel, empty int
	onPage                    func(PageInfo)
	run                       []Option // options of PageRun
	runs                      bool
	refusals
}

// Prefetch is how many pages may be fetched ahead while one is handled, and so how many are held beside it: from 0,
// which fetches a page after the one before was handled, to 1,000. Defaults to 1.
func Prefetch(n int) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.prefetch = o.within("Prefetch", "", n, 0, 1000) })
}

// ParallelPages lets up to n pages, from 1 to 1,000, be fetched at the same time, and as many be held; they are handed
// over in order. It is for an [OffsetPager] or a [PageNumberPager] whose pages have the Total: pages behind the Total
// are fetched one at a time. Defaults to 1.
func ParallelPages(n int) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.parallel = o.within("ParallelPages", "", n, 1, 1000) })
}

// StartAt begins the reading at a position from [OnPage] or a [PageError], of a pager of the same kind and size.
// Defaults to the first page.
func StartAt(position Position) PageOption {
	return pageOptionFunc(func(o *pageOptions) {
		o.start = position
		o.refuse(position.Page < 0 || position.Offset < 0, "StartAt", "", position, "must not be negative")
	})
}

// EmptyPages is how many pages in a row may have no new item before the reading ends with [ErrEmptyPages]: empty pages
// that have a cursor for the next, and pages whose records have all come before by [Pager.Key]. Defaults to 100.
func EmptyPages(n int) PageOption {
	return pageOptionFunc(func(o *pageOptions) { o.empty = o.within("EmptyPages", "", n, 0, 1_000_000) })
}

// OnPage calls f for each page before its items are handed over, from the goroutine that ranges. A caller that stores
// the position can start there again after a kill, and gets the items of that page once more. Items that
// [BatchProcessor.Stream] has pulled may not be handled yet; a journal records which are.
func OnPage(f func(PageInfo)) PageOption {
	return pageOptionFunc(func(o *pageOptions) {
		o.onPage = f
		o.refuse(f == nil, "OnPage", "", "nil", "must be a function")
	})
}

// PageRun fetches each page by a run of one read with these options: a fetch that fails is repeated by the run's
// [RetryPolicy], through its limiter. A server that throttles, or that takes no requests for a while, then delays the
// reading and does not end it. Give [WithLimiter] the limiter of the runs against the same server, so that all use what
// one of them learns. Without it the reading has a limiter of its own. Unless the options have a [Retry], a page whose
// response has status 502, 503 or 504 is fetched again for up to 5 minutes.
//
// The errors of the fetch function are classified like those of a client: see [Classify]. Without PageRun a page is
// fetched once, and its error ends the reading. The pagers of the adapters make such runs themselves.
func PageRun(opts ...Option) PageOption {
	opts = slices.Clone(opts)
	return pageOptionFunc(func(o *pageOptions) { o.run, o.runs = opts, true })
}

// pagesByRuns returns a fetch function that makes a run of one read for each call.
func pagesByRuns[T any](fetch func(context.Context, pages.Position) (pages.Page[T], error), opts []Option) func(context.Context, pages.Position) (pages.Page[T], error) {
	reads := NewGetProcessor(GetFunc(func(ctx context.Context, at pages.Position) (*pages.Page[T], error) {
		page, err := fetch(ctx, at)
		if err != nil {
			return nil, err
		}
		return &page, nil
	}), forRun(opts)...)
	run := func(ctx context.Context, at pages.Position) (none pages.Page[T], _ error) {
		res, err := reads.Run(ctx, []pages.Position{at})
		first := res.At(0)
		if err == nil && first.Value != nil {
			return *first.Value, nil
		}
		if err == nil {
			return none, &OptionError{Option: "PageRun", Problem: "must have no options that keep a page from being fetched"}
		}
		if panicked, ok := errors.AsType[*PanicError](err); ok {
			return none, &pages.Panic{Value: panicked.Value, Stack: panicked.Stack}
		}
		if first.State == Failed {
			return none, first.Err
		}
		if bulk, ok := errors.AsType[*BulkError](err); ok && bulk.Cause != nil {
			return none, bulk.Cause
		}
		return none, err
	}
	if newOptions(opts).given["Retry"] {
		return run
	}
	return func(ctx context.Context, at pages.Position) (pages.Page[T], error) {
		return pages.Persist(ctx, func() (pages.Page[T], error) { return run(ctx, at) })
	}
}

// readPages checks the parameters, and reads the list.
func readPages[T any](ctx context.Context, pager *Pager[T], o pageOptions, yield func(T) bool) (Position, error) {
	if inspect.IsNil(ctx) {
		return o.start, ErrNilContext
	}
	if pager == nil || pager.fetch == nil {
		pager = newPager[T]("Pager", pages.Route{}, false, nil)
	}
	o.refuse(o.parallel > 1 && pager.route.Ahead == nil, "ParallelPages", "", o.parallel, "is for an OffsetPager or a PageNumberPager")
	if err := errors.Join(o.err, pager.err); err != nil {
		return o.start, err
	}
	o.start.Cursor = cmp.Or(o.start.Cursor, pager.first)
	c := pages.Config[T]{
		Route: pager.route, Fetch: pager.fetch, Key: pager.Key,
		Start: pages.Position(o.start), Prefetch: o.prefetch, Parallel: o.parallel, MaxEmpty: o.empty,
	}
	if o.onPage != nil {
		c.OnPage = func(at pages.Position, items, total int) { o.onPage(PageInfo{Position(at), items, total}) }
	}
	at, err := c.Read(ctx, yield)
	return Position(at), err
}
