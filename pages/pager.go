package pages

import (
	"context"
	"errors"
	"fmt"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/paging"
)

// Pager describes the paging of a list. Make one with [Offset], [Number], [Cursor], [Link] or [Keyset], and pass it to
// [Read]. It may be used many times, and concurrently if its functions may.
//
// A list that changes while it is read by offset or page number is not read as it was at any one time: a record
// inserted in front moves others to the next page, where they come again (Key drops them), and a record removed in
// front moves others to pages that were read already, where they are missed. Where that matters, read by key or by
// cursor, or collect the records before you change them.
type Pager[T any] struct {
	// Key is the identity of a record. A record that comes again within 32 pages is handed over once. A record with the
	// key "" equals no other. Nil means that all records are handed over, as often as they come.
	Key func(item T) string

	route paging.Route
	fetch fetcher[T]
	first string // link
	refusals
}

// fetcher fetches a page.
type fetcher[T any] = func(ctx context.Context, at paging.Position) (paging.Page[T], error)

// refusals holds the errors in the parameters of a pager or a reading.
type refusals struct{ err error }

func (r *refusals) refuse(bad bool, name, field string, value any, problem string) {
	if bad {
		r.err = errors.Join(r.err, &windrow.OptionError{Option: name, Field: field, Value: value, Problem: problem})
	}
}

func (r *refusals) within(name, field string, n, low, high int) int {
	r.refuse(n < low || n > high, name, field, n, fmt.Sprintf("must be from %d to %d", low, high))
	return n
}

func newPager[T any](name string, route paging.Route, hasFetch bool, fetch func(ctx context.Context, at paging.Position) (Page[T], error)) *Pager[T] {
	p := &Pager[T]{route: route, fetch: func(ctx context.Context, at paging.Position) (paging.Page[T], error) {
		page, err := fetch(ctx, at)
		return paging.Page[T](page), err
	}}
	p.refuse(!hasFetch, name, "fetch", "nil", "must be a function that fetches a page")
	return p
}

// Offset returns a pager by offset and limit. A page with fewer than size records is the last, unless its Total says
// that there are more: servers may cap the limit without saying so, and then the list continues behind the records of
// the page. A list that ends with a full page costs one more request. Its response is an empty page, or an earlier page
// from a server that starts again behind the end; once the Total was reached, that is the end, too. An empty page ends
// the list regardless of its Total, which may count records that the caller must not see.
//
// A page with [Page.More] is never the last. The list continues behind its records, or behind an empty page after as
// many as the longest page had: a server that removes records from its pages sends some twice ([Pager.Key] drops them),
// and none is missed. For a server that says where the next page begins use [Cursor]. A page with more than size
// records is an error.
func Offset[T any](size int, fetch func(ctx context.Context, offset, limit int) (Page[T], error)) *Pager[T] {
	p := newPager("pages.Offset", paging.Offset(size), fetch != nil, func(ctx context.Context, at paging.Position) (Page[T], error) {
		return fetch(ctx, at.Offset, size)
	})
	p.within("pages.Offset", "size", size, 1, 1_000_000)
	return p
}

// Number returns a pager by page number and size. The first page has the number first, which is 0 or 1. The list ends
// as with [Offset]. For a server that responds with an error behind the end of the list, fetch must return an empty
// page, or set [Page.Last] on the last one.
func Number[T any](first, size int, fetch func(ctx context.Context, number, size int) (Page[T], error)) *Pager[T] {
	p := newPager("pages.Number", paging.Number(size), fetch != nil, func(ctx context.Context, at paging.Position) (Page[T], error) {
		return fetch(ctx, first+at.Page, size)
	})
	p.within("pages.Number", "first", first, 0, 1)
	p.within("pages.Number", "size", size, 1, 1_000_000)
	return p
}

// Cursor returns a pager by the cursor of the next page, [Page.Next]. The first page has the cursor "". A page without
// Next is the last; a short or an empty page is not. A page without Next and with [Page.More] is an error.
func Cursor[T any](fetch func(ctx context.Context, cursor string) (Page[T], error)) *Pager[T] {
	return newPager("pages.Cursor", paging.Cursor(), fetch != nil, func(ctx context.Context, at paging.Position) (Page[T], error) {
		return fetch(ctx, at.Cursor)
	})
}

// Link returns a pager by the link to the next page, [Page.Next]. A relative link is resolved against the URL of its
// page. The list ends as with [Cursor]. A link may lead to another host: fetch must decide whether to send credentials
// there.
func Link[T any](first string, fetch func(ctx context.Context, url string) (Page[T], error)) *Pager[T] {
	p := newPager("pages.Link", paging.Link(), fetch != nil, func(ctx context.Context, at paging.Position) (Page[T], error) {
		return fetch(ctx, at.Cursor)
	})
	p.first = first
	p.refuse(first == "", "pages.Link", "first", nil, "must be the URL of the first page")
	return p
}

// Keyset returns a pager by the key of the last record on each page: fetch returns the first records whose keys come
// after the given one, in the order of the keys; "" is before all. The list ends with an empty page, or with
// [Page.Last]; an empty page with [Page.More] is an error. Keys must be unique: of several records with one key, those
// behind the end of a page are missed. This paging misses and repeats nothing while other records are inserted and
// removed.
func Keyset[T any](key func(item T) string, fetch func(ctx context.Context, after string) (Page[T], error)) *Pager[T] {
	p := newPager("pages.Keyset", paging.Keyset(), fetch != nil, func(ctx context.Context, at paging.Position) (Page[T], error) {
		page, err := fetch(ctx, at.Cursor)
		if n := len(page.Items); n > 0 {
			page.Next = key(page.Items[n-1])
		}
		return page, err
	})
	p.refuse(key == nil, "pages.Keyset", "key", "nil", "must be a function that returns the key of a record")
	return p
}
