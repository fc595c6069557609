package pages_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
)

// ended is a context whose methods must not be called on a nil pointer.
type ended struct{ context.Context }

// last reads a list and returns its last error.
func last(ctx context.Context, pager *pages.Pager[int], opts ...pages.Option) (last error) {
	for _, err := range pages.Read(ctx, pager, opts...) {
		last = err
	}
	return last
}

// unread returns a fetch function that must not be called.
func unread(t *testing.T) func(context.Context, string) (pages.Page[int], error) {
	return func(context.Context, string) (pages.Page[int], error) {
		t.Error("a page was fetched")
		return pages.Page[int]{}, nil
	}
}

// What is nil, or a nil pointer in an interface, is refused by name before a page is fetched.
func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	var (
		noContext context.Context
		noEnded   *ended
	)
	fetch := unread(t)
	all := pages.Cursor(fetch)
	for name, tt := range map[string]struct {
		got  error
		want string
	}{
		"a nil context":            {last(noContext, all), windrow.ErrNilContext.Error()},
		"a nil pointer as context": {last(noEnded, all), windrow.ErrNilContext.Error()},
		"a nil pager":              {last(t.Context(), nil), "windrow: pages.Pager: fetch (nil) must be a function that fetches a page"},
		"a nil fetch":              {last(t.Context(), pages.Cursor[int](nil)), "windrow: pages.Cursor: fetch (nil) must be a function that fetches a page"},
		"a nil key":                {last(t.Context(), pages.Keyset(nil, fetch)), "windrow: pages.Keyset: key (nil) must be a function that returns the key of a record"},
		"OnPage":                   {last(t.Context(), all, pages.OnPage(nil)), "windrow: pages.OnPage (nil) must be a function"},
		"Run, a nil limiter":       {last(t.Context(), all, pages.Run(windrow.WithLimiter(nil))), "windrow: WithLimiter (nil) must be a limiter"},
	} {
		if tt.got == nil {
			t.Errorf("%s: no error", name)
		} else if _, ok := errors.AsType[*windrow.PanicError](tt.got); ok || !strings.Contains(tt.got.Error(), tt.want) {
			t.Errorf("%s: error %v\nwant  %s", name, tt.got, tt.want)
		}
	}
}

// Options that the run of a page would ignore are refused by it, by name, before a page is fetched.
func TestOptionsThatARunIgnores(t *testing.T) {
	t.Parallel()
	const noStream = " is for a stream, and this call makes none: leave it out, or use Stream of a processor"
	for want, opts := range map[string][]windrow.Option{
		"windrow: Unordered" + noStream: {windrow.Unordered()},
		"windrow: Window" + noStream:    {windrow.Window(10)},
		"windrow: Linger" + noStream:    {windrow.Options(windrow.Linger(time.Second))},
		"windrow: BatchSize (9) has no effect on single calls without BatchDelay: leave it out, or use a client with batches": {windrow.BatchSize(9), windrow.BatchDelay(0)},
	} {
		err := last(t.Context(), pages.Cursor(unread(t)), pages.Run(opts...))
		if _, ok := errors.AsType[*windrow.OptionError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	}
}
