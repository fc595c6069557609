// Package pages reads a list that a server gives out in pages: it follows the pages of the five usual kinds of list,
// fetches ahead of whoever handles the items, notices cursors that lead back, and leaves nothing running.
package pages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var (
	// ErrLoop says that the server leads back to a page that was read before.
	ErrLoop = errors.New("windrow: the pages go round in circles: the server sent a cursor, link, key or page that it had sent before")
	// ErrEmpty says that too many pages in a row brought nothing.
	ErrEmpty = errors.New("windrow: too many pages in a row without a new item")
	// errTooLong says that a page holds more than was asked for. Where the next page begins is anybody's guess then,
	// and often the server takes no notice of the paging at all and would send the same for ever.
	errTooLong = errors.New("windrow: the server does not keep to the size of a page")
	// errBoth says that a page contradicts itself.
	errBoth = errors.New("windrow: the page says that it is the last, and that more follow")
	// errNowhere says that a list goes on where it cannot be followed.
	errNowhere = errors.New("windrow: the server says that more pages follow, but not where")
)

// Page is what one fetch brings.
type Page[T any] struct {
	Items []T
	Next  string // the cursor, link or key of the page that follows; "" when there is none
	Total int    // of the whole list, as far as the server says it; 0 when it does not
	Last  bool   // the server says that no page follows
	More  bool   // the server says that a page follows
}

// Position is where a page begins.
type Position struct {
	Page   int    // its number, from 0
	Offset int    // the items on the pages before it
	Cursor string // what it is asked for by: a cursor, a link or a key
}

// String names the page. It leaves out the query and the user of a link, which may be credentials.
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
	Value any // nil when it ended its goroutine instead
	Stack []byte
}

// Error implements error.
func (p *Panic) Error() string { return fmt.Sprintf("the fetch panicked with a %T", p.Value) }

// Config says what to read and how.
type Config[T any] struct {
	Route Route
	// Fetch brings one page. It is called from goroutines of its own, several at once if Parallel says so.
	Fetch func(ctx context.Context, at Position) (Page[T], error)
	// Key is what makes two items the same, of which only the first is handed over. Nil: all are.
	Key func(T) string
	// OnPage is told of each page before its items are handed over. Nil: nobody is.
	OnPage func(at Position, items, total int)

	Start    Position
	Prefetch int // pages that may be fetched ahead of the one that is handled
	Parallel int // pages that may be fetched at once, when the total is known; below 2: one
	MaxEmpty int // pages in a row that may bring nothing
}

// ahead is how many pages may be on their way or waiting while one is handled.
func (c *Config[T]) ahead() int {
	if c.Parallel > 1 {
		return max(c.Prefetch, c.Parallel)
	}
	return c.Prefetch
}

// Read hands the items of all pages to yield, on the caller's goroutine, until it returns false. It returns the error
// that ended the reading before the end of the list, and where; a [Panic] when the fetch panicked. It has ended all
// its goroutines when it returns or panics, whatever ended it.
func (c *Config[T]) Read(ctx context.Context, yield func(T) bool) (Position, error) {
	ahead := c.ahead()
	w := newWalker(c, ahead)
	inner, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for range w.out { // closed when everything has ended
		}
	}()
	go w.walk(inner)

	known := newRecent(recentPages)
	came := newRepeats(c.Key != nil, c.Route.Ahead != nil)
	granted, empty, total := 0, 0, 0
	asked := false // whether this page was asked for although the total was reached by pages that were all new
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
			case again && asked: // a server that starts again behind the end, or repeats its last page
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

// ended is the error of a context that has ended. It always matches the context's own error, beside a cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
