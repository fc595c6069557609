package paging

import (
	"cmp"
	"fmt"
	"net/url"
)

// Outline is the part of a page on which a Route depends.
type Outline struct {
	Items int
	Next  string
	Total int
	Last  bool
	More  bool
	Most  int // items on the longest page so far
}

// Route determines the positions of the pages of a list.
type Route struct {
	// Next returns the position of the next page, whether there may be one, and an error if this page is invalid. It is
	// called from many goroutines at once.
	Next func(at Position, page Outline) (next Position, more bool, err error)
	// Ahead returns the position after a full page at this position. Nil: only the page itself has it.
	Ahead func(at Position) Position
	// Numbered: pages are requested by number, independent of earlier items.
	Numbered bool
}

// same reports whether two positions are those of one page.
func (r *Route) same(a, b Position) bool {
	if r.Numbered {
		return a.Page == b.Page
	}
	return a.Offset == b.Offset
}

// Offset returns the route of a list by offset and limit.
func Offset(size int) Route {
	return sized(size, false, func(most int) int { return cmp.Or(most, size) })
}

// Number returns the route of a list by page number and size.
func Number(size int) Route { return sized(size, true, func(int) int { return 0 }) }

// sized returns a route by page size. skipped returns by how much the offset grows after an empty page.
func sized(size int, numbered bool, skipped func(most int) int) Route {
	return Route{
		Numbered: numbered,
		Ahead: func(at Position) Position {
			return Position{Page: at.Page + 1, Offset: at.Offset + size}
		},
		Next: func(at Position, page Outline) (Position, bool, error) {
			if page.Items > size {
				return at, false, fmt.Errorf("%w: %d items where %d were asked for", errTooLong, page.Items, size)
			}
			next := Position{Page: at.Page + 1, Offset: at.Offset + page.Items}
			// Some servers cap the size of a page silently. If the total shows that, continue after the items received. If
			// the total is wrong, the next page is empty.
			full := page.Items == size || page.Total > next.Offset
			if page.More && page.Items == 0 {
				// The server has filtered out all records of this page, which were no more than a page has.
				next.Offset += skipped(page.Most)
			}
			return next, page.More || !page.Last && page.Items > 0 && full, nil
		},
	}
}

// Cursor returns the route of a list whose pages have the cursor of the next.
func Cursor() Route {
	return Route{Next: func(at Position, page Outline) (Position, bool, error) {
		if page.More && page.Next == "" {
			return at, false, errNowhere
		}
		return behind(at, page, page.Next), !page.Last && page.Next != "", nil
	}}
}

// Link returns the route of a list whose pages link to the next. A relative link is resolved against its page.
func Link() Route {
	return Route{Next: func(at Position, page Outline) (Position, bool, error) {
		if page.More && page.Next == "" {
			return at, false, errNowhere
		}
		if page.Last || page.Next == "" {
			return at, false, nil
		}
		base, err := url.Parse(at.Cursor)
		if err != nil {
			return at, false, badLink("of this page", err)
		}
		next, err := base.Parse(page.Next)
		if err != nil {
			return at, false, badLink("to the next page", err)
		}
		return behind(at, page, next.String()), true, nil
	}}
}

// badLink returns an error without the link itself, which may hold credentials.
func badLink(which string, err error) error {
	if parse, ok := err.(*url.Error); ok {
		err = parse.Err
	}
	return fmt.Errorf("windrow: the link %s is not a URL: %w", which, err)
}

// Keyset returns the route of a list by the key after which a page begins. Next is the key of the page's last item.
func Keyset() Route {
	return Route{Next: func(at Position, page Outline) (Position, bool, error) {
		if page.More && page.Items == 0 {
			return at, false, errNowhere // there is no key for the next page
		}
		if page.Last || page.Items == 0 {
			return at, false, nil
		}
		if page.Next == "" { // "" would be the first page
			return at, false, ErrLoop
		}
		return behind(at, page, page.Next), true, nil
	}}
}

func behind(at Position, page Outline, cursor string) Position {
	return Position{Page: at.Page + 1, Offset: at.Offset + page.Items, Cursor: cursor}
}
