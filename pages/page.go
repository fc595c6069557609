package pages

import (
	"fmt"

	"github.com/windrow-go/windrow/internal/paging"
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
	// Page is the number of the page, from 0. It is the position of a pager made by [Number].
	Page int `json:"page"`
	// Offset is the number of records on the pages before. It is the position of a pager made by [Offset].
	Offset int `json:"offset"`
	// Cursor is the cursor of the page, its link, or the key after which it begins. It is the position of the other
	// pagers.
	Cursor string `json:"cursor,omitempty"`
}

// String returns the position, for logs. It leaves out the query and the user of a link, which may be credentials.
func (p Position) String() string { return paging.Position(p).String() }

// Info describes a page for [OnPage].
type Info struct {
	Position Position // of the page; [StartAt] reads the page again
	Items    int      // on the page, before repeated ones are dropped
	Total    int      // of the whole list, according to the server; 0 when it does not say
}

// Error is the only error of [Read], and the last pair that it yields.
type Error struct {
	// Position is that of the page which could not be read, or not to its end. [StartAt] continues there.
	Position Position
	// Err is the error of the fetch function or of the context, [ErrCursorLoop], [ErrEmpty], [windrow.ErrGoexit], or
	// the [*windrow.OptionError] of a reading that could not begin.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("windrow: %v: %v", e.Position, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrCursorLoop is the cause of an [Error] when the server repeats a cursor, a link or a last key, so that the same
	// pages would follow forever; or when the pages themselves repeat: 3 of them in a row, or 100 items. Fewer may come
	// again when records are inserted at the front of a list read by offset. Pages whose items are equal to each other
	// may repeat 10,000 times.
	ErrCursorLoop = paging.ErrLoop
	// ErrEmpty is matched by the cause of an [Error] when more pages in a row than [MaxEmpty] allows had no new item.
	ErrEmpty = paging.ErrEmpty
)
