// Package paging reads a paged list: it follows the five usual kinds of paging, fetches ahead of the consumer, detects
// cursors that lead back, and leaks no goroutine.
package paging

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var (
	// ErrLoop says that the server leads back to an earlier page.
	ErrLoop = errors.New("windrow: the pages are in a loop: the server repeated an earlier cursor, link, key or page")
	// ErrEmpty says that too many pages in a row had no new item.
	ErrEmpty = errors.New("windrow: too many pages in a row without a new item")
	// errTooLong says that a page has more items than requested. Then it is not known where the next page begins; often the
	// server ignores the paging and would send the same page forever.
	errTooLong = errors.New("windrow: the server does not keep to the size of a page")
	// errBoth says that a page contradicts itself.
	errBoth = errors.New("windrow: the page says that it is the last, and that more follow")
	// errNowhere says that more pages follow, without a cursor or link.
	errNowhere = errors.New("windrow: the server says that more pages follow, but not where")
)

// Page is the result of one fetch.
type Page[T any] struct {
	Items []T
	Next  string // the cursor, link or key of the page that follows; "" when there is none
	Total int    // of the whole list; 0 if the server does not say
	Last  bool   // the server says that no page follows
	More  bool   // the server says that a page follows
}

// Position is where a page begins.
type Position struct {
	Page   int    // its number, from 0
	Offset int    // the items on the pages before it
	Cursor string // its cursor, link or key
}

// String names the page, without the query and the user of a link, which may be credentials.
func (p Position) String() string {
	text := fmt.Sprintf("page %d, offset %d", p.Page, p.Offset)
	if p.Cursor == "" {
		return text
	}
	const longest = 80
	cursor, _, cut := strings.Cut(p.Cursor, "?")
	if link, err := url.Parse(cursor); err == nil && link.User != nil {
		link.User = nil
		cursor = link.String()
	}
	if len(cursor) > longest {
		cursor, cut = strings.ToValidUTF8(cursor[:longest], ""), true
	}
	if cut {
		cursor += "..."
	}
	return fmt.Sprintf("%s, cursor %q", text, cursor)
}

// Panic is the error of a fetch that did not return.
type Panic struct {
	Value any // nil if it ended its goroutine instead
	Stack []byte
}

// Error implements error.
func (p *Panic) Error() string { return fmt.Sprintf("the fetch panicked with a %T", p.Value) }

// Config configures the reading of a list.
type Config[T any] struct {
	Route Route
	// Fetch fetches one page. It is called from goroutines of its own, with Parallel from several at once.
	Fetch func(ctx context.Context, at Position) (Page[T], error)
	// Key returns the key of an item; of items with one key only the first is yielded. Nil: all are.
	Key func(T) string
	// OnPage is called with each page before its items are yielded. It may be nil.
	OnPage func(at Position, items, total int)

	Start    Position
	Prefetch int // pages that may be fetched ahead of the current one
	Parallel int // pages that may be fetched at once, if the total is known; below 2: one
	MaxEmpty int // pages in a row that may have no new item
}

// ahead returns how many pages may be in flight or fetched beside the current one.
func (c *Config[T]) ahead() int {
	if c.Parallel > 1 {
		return max(c.Prefetch, c.Parallel)
	}
	return c.Prefetch
}

// Read calls yield with the items of all pages, on the caller's goroutine, until it returns false. It returns the error that
// ended the reading before the end of the list, and the position; a [Panic] if the fetch panicked. All its goroutines have
// ended when it returns or panics.
func (c *Config[T]) Read(ctx context.Context, yield func(T) bool) (Position, error) {
	ahead := c.ahead()
	w := newWalker(c, ahead)
	inner, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for range w.out { // closed when all goroutines have ended
		}
	}()
	go w.walk(inner)

	known := newRecent(recentPages)
	came := newRepeats(c.Key != nil, c.Route.Ahead != nil)
	granted, empty, total := 0, 0, 0
	asked := false // this page was requested although the total was reached, by new pages only
	grant := func(pages int) {
		for ; granted < pages; granted++ {
			w.grants <- struct{}{}
		}
	}
	for n := 1; ; n++ {
		grant(n)
		r := <-w.out
		if !r.read {
			return r.at, r.err
		}
		grant(n + ahead)
		var keys []string
		if c.Key != nil {
			keys = make([]string, len(r.page.Items))
			for i, item := range r.page.Items {
				keys[i] = c.Key(item)
			}
			r.print = w.digest().byKeys(keys)
		}
		again, loop := false, false
		if r.err == nil {
			switch again, loop = came.see(r.print); {
			case again && asked: // after the end the server starts again, or repeats its last page
				return r.at, nil
			case loop:
				return r.at, ErrLoop
			}
		}
		total = cmp.Or(r.page.Total, total)
		asked = total > 0 && r.at.Offset+len(r.page.Items) >= total && !r.page.More && !again
		if c.OnPage != nil {
			c.OnPage(r.at, len(r.page.Items), r.page.Total)
		}
		fresh := false
		known.turn()
		for i, item := range r.page.Items {
			if ctx.Err() != nil {
				return r.at, ended(ctx)
			}
			if c.Key != nil && known.again(keys[i]) {
				continue
			}
			fresh = true
			if !yield(item) {
				return r.at, nil
			}
		}
		if r.err != nil || !r.more {
			return r.at, r.err
		}
		if empty++; fresh {
			empty = 0
		}
		if empty > c.MaxEmpty {
			return r.next, fmt.Errorf("%w: %d", ErrEmpty, empty)
		}
	}
}

// ended returns the error of a context that has ended. It matches the context's own error in addition to the cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
