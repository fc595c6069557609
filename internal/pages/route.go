package pages

import (
	"cmp"
	"fmt"
	"net/url"
)

// Outline is what the way through a list depends on.
type Outline struct {
	Items int
	Next  string
	Total int
	Last  bool
	More  bool
	Most  int // items on the longest page so far
}

// Route is the way through a list of one kind.
type Route struct {
	// Next says where the page after this one begins, whether there may be one, and what is wrong with this page. It
	// is called from many goroutines at once.
	Next func(at Position, page Outline) (next Position, more bool, err error)
	// Ahead says where the page after the one at this position begins, if that one is full. Nil: only the page itself
	// can tell.
	Ahead func(at Position) Position
	// Numbered: pages are asked for by their number, whatever the items on those before.
	Numbered bool
}

// same reports whether the same page is asked for.
func (r *Route) same(a, b Position) bool {
	if r.Numbered {
		return a.Page == b.Page
	}
	return a.Offset == b.Offset
}

// Offset is the route through a list that is asked for by offset and limit.
func Offset(size int) Route {
	return sized(size, false, func(most int) int { return cmp.Or(most, size) })
}

// Number is the route through a list that is asked for by page number and size.
func Number(size int) Route { return sized(size, true, func(int) int { return 0 }) }

// sized is the route by sizes. skipped says by how much the offset grows behind an empty page.
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
			// Servers cap the size of a page without a word. Where the total shows it, the list goes on behind what
			// came. If the total lies, the next page is empty.
			full := page.Items == size || page.Total > next.Offset
			if page.More && page.Items == 0 {
				// The server has left out what was there. It looked at no more than it puts on a page.
				next.Offset += skipped(page.Most)
			}
			return next, page.More || !page.Last && page.Items > 0 && full, nil
		},
	}
}

// Cursor is the route through a list each page of which says what to ask for next.
func Cursor() Route {
	return Route{Next: func(at Position, page Outline) (Position, bool, error) {
		if page.More && page.Next == "" {
			return at, false, errNowhere
		}
		return behind(at, page, page.Next), !page.Last && page.Next != "", nil
	}}
}

// Link is the route through a list each page of which links to the next. A relative link starts from its page.
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

// badLink leaves out the link itself, which may hold credentials.
func badLink(which string, err error) error {
	if parse, ok := err.(*url.Error); ok {
		err = parse.Err
	}
	return fmt.Errorf("windrow: the link %s is not a URL: %w", which, err)
}

// Keyset is the route through a list that is asked for by the key after which a page begins. Next is the key of the
// page's last item.
func Keyset() Route {
	return Route{Next: func(at Position, page Outline) (Position, bool, error) {
		if page.More && page.Items == 0 {
			return at, false, errNowhere // there is no key to go on behind
		}
		if page.Last || page.Items == 0 {
			return at, false, nil
		}
		if page.Next == "" { // which is where the list begins
			return at, false, ErrLoop
		}
		return behind(at, page, page.Next), true, nil
	}}
}

func behind(at Position, page Outline, cursor string) Position {
	return Position{Page: at.Page + 1, Offset: at.Offset + page.Items, Cursor: cursor}
}
