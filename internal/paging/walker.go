package paging

import (
	"context"
	"hash/maphash"

	"github.com/windrow-go/windrow/internal/contain"
)

// walker fetches the pages in order, on a goroutine of its own, as far ahead as its grants allow.
type walker[T any] struct {
	*Config[T]
	grants chan struct{}  // one for each page that may be fetched
	out    chan result[T] // never full: there are no more results than grants, except the last one
	loops  *loops

	queue    []*request[T]    // pages that are fetched or in flight, in order
	finished chan *request[T] // never full: it has room for all requests in flight
	running  int
	width    int // pages that may be in flight at once
	tokens   int // unused grants
	total    int // of the list, from the last page
	most     int // items on the longest page
	seed     maphash.Seed
	ctx      context.Context
	stop     context.CancelFunc // of ctx; nil when there is none
}

// request is a page that is being fetched.
type request[T any] struct {
	at    Position
	page  Page[T]
	print print
	err   error
	ended bool
}

// result is the next page in order, or an error.
type result[T any] struct {
	at, next Position
	page     Page[T]
	print    print
	read     bool  // yield the page's items before the error
	more     bool  // a page follows
	err      error // ends the list
}

func newWalker[T any](c *Config[T], ahead int) *walker[T] {
	width := max(1, c.Parallel)
	return &walker[T]{
		Config: c, loops: newLoops(), width: width, seed: maphash.MakeSeed(),
		grants:   make(chan struct{}, ahead+1),
		out:      make(chan result[T], ahead+2),
		finished: make(chan *request[T], width),
	}
}

// walk goes from page to page until the end of the list, an error, or the end of the context. It closes out when all
// requests have ended.
func (w *walker[T]) walk(ctx context.Context) {
	defer close(w.out)
	defer w.drop()
	if w.Start.Cursor != "" {
		w.loops.closed(w.Start.Cursor)
	}
	for at := w.Start; ; {
		r := w.page(ctx, at)
		if r.more && r.next.Cursor != "" && w.loops.closed(r.next.Cursor) {
			r.more, r.err = false, ErrLoop
		}
		w.out <- r
		if r.err != nil || !r.more {
			return
		}
		at = r.next
	}
}

// page fetches one page, or takes it from those that were fetched ahead.
func (w *walker[T]) page(ctx context.Context, at Position) result[T] {
	if len(w.queue) > 0 && !w.Route.same(w.queue[0].at, at) {
		w.drop()
		w.width = 1 // the guessed positions were wrong
	}
	if len(w.queue) == 0 {
		if w.tokens == 0 {
			select {
			case <-w.grants:
				w.tokens++
			case <-ctx.Done():
				return result[T]{at: at, err: ended(ctx)}
			}
		}
		w.start(ctx, at)
	}
	head := w.queue[0]
	for !head.ended {
		var grants chan struct{}
		if guess, ok := w.guess(); ok {
			if w.tokens > 0 {
				w.start(ctx, guess)
				continue
			}
			grants = w.grants
		}
		select {
		case r := <-w.finished:
			r.ended = true
			w.running--
		case <-grants:
			w.tokens++
		}
	}
	w.queue = w.queue[1:]
	if ctx.Err() != nil {
		return result[T]{at: at, err: ended(ctx)}
	}
	if head.err != nil {
		return result[T]{at: at, err: head.err}
	}
	r := result[T]{at: at, page: head.page, print: head.print, read: true}
	if r.page.Last && r.page.More {
		r.err = errBoth
		return r
	}
	w.total, w.most = r.page.Total, max(w.most, len(r.page.Items))
	r.next, r.more, r.err = w.Route.Next(at, Outline{
		Items: len(r.page.Items), Next: r.page.Next, Total: r.page.Total, Last: r.page.Last, More: r.page.More, Most: w.most,
	})
	return r
}

// guess returns the next page to fetch beside those in flight.
func (w *walker[T]) guess() (Position, bool) {
	if w.Route.Ahead == nil || w.running >= w.width {
		return Position{}, false
	}
	at := w.Route.Ahead(w.queue[len(w.queue)-1].at)
	return at, at.Offset < w.total
}

// start starts the fetch of a page.
func (w *walker[T]) start(ctx context.Context, at Position) {
	if w.stop == nil {
		w.ctx, w.stop = context.WithCancel(ctx)
	}
	w.tokens--
	w.running++
	r := &request[T]{at: at}
	w.queue = append(w.queue, r)
	go func(ctx context.Context) {
		calling := true
		defer func() { w.finished <- r }()
		defer contain.Recover(&calling, func(value any, stack []byte) { r.err = &Panic{Value: value, Stack: stack} })
		if r.page, r.err = w.Fetch(ctx, at); r.err == nil && w.Key == nil {
			r.print = byContent(w.digest(), r.page.Items) // here, so that the caller does not wait for it
		}
		calling = false
	}(w.ctx)
}

func (w *walker[T]) digest() *digest { return &digest{seed: w.seed} }

// drop cancels the requests in flight, waits for them, and drops the pages fetched ahead.
func (w *walker[T]) drop() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	for ; w.running > 0; w.running-- {
		<-w.finished
	}
	w.tokens += len(w.queue)
	w.queue = nil
}
