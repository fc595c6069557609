package pages_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/pages"
)

// endless is a list that goes on for ever, whose second page and those after it may block.
func endless(c *catalog, blocks bool) *pages.Pager[string] {
	c.records = records(1000)
	if blocks {
		c.block = func(context.Context) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.asked) > 1
		}
	}
	return pages.Offset(10, func(ctx context.Context, offset, limit int) (pages.Page[string], error) {
		page, err := c.page(ctx, fmt.Sprint(offset), limit, func([]string) int { return 0 })
		page.Total = 1 << 40
		return page, err
	})
}

// Whatever ends the range statement, nothing is running behind it: the bubble would not end otherwise, and no call is
// in flight right after it.
func TestF36LeavingTheLoopLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	endings := map[string]func(t *testing.T, items iter.Seq2[string, error], first func()){
		"break": func(t *testing.T, items iter.Seq2[string, error], first func()) {
			for range items {
				first()
				break
			}
		},
		"break mid page": func(t *testing.T, items iter.Seq2[string, error], first func()) {
			n := 0
			for range items {
				if n++; n == 1 {
					first()
				}
				if n == 5 {
					break
				}
			}
		},
		"stop of a pulled iterator": func(t *testing.T, items iter.Seq2[string, error], first func()) {
			next, stop := iter.Pull2(items)
			for range 3 {
				if _, err, ok := next(); err != nil || !ok {
					t.Errorf("error %v, more %t", err, ok)
				}
			}
			first()
			stop()
		},
		"panic in the loop body": func(t *testing.T, items iter.Seq2[string, error], first func()) {
			defer func() {
				if v := recover(); v != "the body" {
					t.Errorf("panic %v, want that of the body", v)
				}
			}()
			for range items {
				first()
				panic("the body")
			}
		},
		"Goexit in the loop body": func(t *testing.T, items iter.Seq2[string, error], first func()) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range items {
					first()
					runtime.Goexit()
				}
			}()
			<-done
		},
	}
	for ending, leave := range endings {
		for _, blocks := range []bool{false, true} {
			for _, opts := range [][]pages.Option{{pages.Prefetch(0)}, nil, {pages.Prefetch(5)}, {pages.Parallel(4)}} {
				synctest.Test(t, func(t *testing.T) {
					c := &catalog{delay: time.Second}
					start := time.Now()
					leave(t, pages.Read(t.Context(), endless(c, blocks), opts...), func() { synctest.Wait() })
					c.mu.Lock()
					now, asked := c.now, len(c.asked)
					c.mu.Unlock()
					if now != 0 {
						t.Errorf("%s, blocked %t: %d calls in flight", ending, blocks, now)
					}
					if took := time.Since(start); took != time.Second {
						t.Errorf("%s, blocked %t: left after %v, want as soon as the first page was there", ending, blocks, took)
					}
					time.Sleep(time.Hour)
					if len(c.asked) != asked {
						t.Errorf("%s, blocked %t: %d calls after the end", ending, blocks, len(c.asked)-asked)
					}
				})
			}
		}
	}
}

// Fetches that take no notice of their context are waited for.
func TestPagesWaitForAFetchThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	for _, parallel := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var running atomic.Int64
			pager := pages.Offset(1, func(_ context.Context, offset, _ int) (pages.Page[int], error) {
				running.Add(1)
				defer running.Add(-1)
				time.Sleep(time.Duration(offset) * time.Minute)
				return pages.Page[int]{Items: []int{offset}, Total: 100}, nil
			})
			for range pages.Read(t.Context(), pager, pages.Parallel(parallel)) {
				synctest.Wait()
				if n := running.Load(); n != int64(parallel) {
					t.Errorf("%d fetches ahead, want %d", n, parallel)
				}
				break
			}
			if n := running.Load(); n != 0 {
				t.Errorf("%d fetches are still running", n)
			}
		})
	}
}

// When the context ends so does the reading, at once and with its error.
func TestPagesEndWithTheContext(t *testing.T) {
	t.Parallel()
	why := errors.New("the budget is spent")
	for _, blocks := range []bool{false, true} {
		for _, opts := range [][]pages.Option{{pages.Prefetch(0)}, nil, {pages.Parallel(4)}} {
			for _, at := range []int{0, 1, 5, 10} { // items
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					c := &catalog{delay: time.Second}
					list := pages.Read(ctx, endless(c, blocks), opts...)
					if at == 0 {
						cancel(why)
					}
					if blocks && at == 10 {
						time.AfterFunc(time.Minute, func() { cancel(why) })
					}
					n := 0
					var last error
					for _, err := range list {
						if last = err; err == nil {
							if n++; n == at && (!blocks || at < 10) {
								cancel(why)
							}
						}
					}
					page, ok := errors.AsType[*pages.Error](last)
					if !ok || !errors.Is(last, context.Canceled) || !errors.Is(last, why) || n != at {
						t.Fatalf("%d items and the error %v, want %d and the end of the context", n, last, at)
					}
					if want := at / 10; page.Position.Page != want && at != 10 || c.now != 0 {
						t.Errorf("ended at page %v with %d calls in flight", page.Position, c.now)
					}
				})
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		items, err := collect(t, ctx, endless(&catalog{delay: time.Second}, true))
		if len(items) != 10 || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("%d items and the error %v after %v", len(items), err, time.Since(start))
		}
	})
}

// A panic of the fetch function reaches the caller of the range on the caller's goroutine, behind the items before it.
func TestF34PanicInFetch(t *testing.T) {
	t.Parallel()
	for k, opts := range [][]pages.Option{{pages.Prefetch(0)}, nil, {pages.Parallel(4)}} {
		most := 30
		if k == 2 {
			most = 40 // of four pages behind the first, any may be the second call
		}
		for _, exits := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				c := &catalog{records: records(100), delay: time.Second, total: func(int) int { return 100 }}
				c.before = func(call int) error {
					switch {
					case call == 2 && exits:
						runtime.Goexit()
					case call == 2:
						panic("the fetch")
					}
					return nil
				}
				n := 0
				var last error
				func() {
					defer func() {
						v := recover()
						panicked, ok := v.(*windrow.PanicError)
						if ok == exits || ok && (panicked.Value != "the fetch" || !strings.Contains(string(panicked.Stack), "TestF34PanicInFetch")) {
							t.Errorf("panic %v", v)
						}
					}()
					for _, err := range pages.Read(t.Context(), c.byOffset(10), opts...) {
						if last = err; err == nil {
							n++
						}
					}
				}()
				if n%10 != 0 || n > most || n < 10 || c.now != 0 {
					t.Errorf("%d items, %d calls in flight", n, c.now)
				}
				if exits != errors.Is(last, windrow.ErrGoexit) {
					t.Errorf("error %v", last)
				}
			})
		}
	}
}

// A panic of the other functions does so too.
func TestPanicInKeyAndOnPage(t *testing.T) {
	t.Parallel()
	bad := func(string) string { panic("bad") }
	keyed := (&catalog{records: records(30)}).byOffset(10)
	keyed.Key = bad
	for name, list := range map[string]iter.Seq2[string, error]{
		"Key":    pages.Read(t.Context(), keyed),
		"OnPage": pages.Read(t.Context(), (&catalog{}).byOffset(10), pages.OnPage(func(pages.Info) { panic("bad") })),
		"Keyset": pages.Read(t.Context(), pages.Keyset(bad, func(context.Context, string) (pages.Page[string], error) {
			return pages.Page[string]{Items: []string{"a"}}, nil
		})),
	} {
		func() {
			defer func() {
				v := recover()
				if panicked, ok := v.(*windrow.PanicError); ok {
					v = panicked.Value
				}
				if v != "bad" {
					t.Errorf("%s: panic %v", name, v)
				}
			}()
			for range list {
			}
		}()
	}
}

// upper does to a record what can be seen afterwards.
func upper(_ context.Context, record string) (string, error) {
	time.Sleep(time.Millisecond)
	return strings.ToUpper(record), nil
}

// F35: a stream returns when its context ends, also when a page is blocked.
func TestF35StreamOfPagesThatBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := windrow.NewBatchProcessor(upper)
		n := 0
		var last error
		for _, err := range p.Stream(ctx, pages.Read(ctx, endless(&catalog{}, true))).All() {
			if last = err; err == nil {
				n++
			}
		}
		if n != 10 || !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("%d results and the error %v, want 10 and the deadline", n, last)
		}
	})
}

// A74: a list of any length goes through a stream, page by page. The error of a page ends the stream and says which.
func TestA74StreamOfPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		c := &catalog{records: records(1000), delay: 20 * time.Millisecond}
		c.before = func(call int) error {
			if call == 50 {
				return boom
			}
			return nil
		}
		p := windrow.NewBatchProcessor(upper, windrow.Window(16))
		n := 0
		var last error
		for result, err := range p.Stream(t.Context(), pages.Read(t.Context(), c.byCursor(10))).All() {
			if last = err; err == nil {
				if result.Value != strings.ToUpper(c.records[n]) {
					t.Fatalf("result %d is %q", n, result.Value)
				}
				n++
			}
		}
		page, ok := errors.AsType[*pages.Error](last)
		if !ok || !errors.Is(last, boom) || page.Position.Page != 50 || n != 500 {
			t.Errorf("%d results and the error %v", n, last)
		}
	})
}

// What makes no sense is refused before anything is fetched, in a *Error like all else.
func TestPagesRefuseBadParameters(t *testing.T) {
	t.Parallel()
	fetched := 0
	byOffset := func(context.Context, int, int) (pages.Page[int], error) { fetched++; return pages.Page[int]{}, nil }
	byText := func(context.Context, string) (pages.Page[int], error) { fetched++; return pages.Page[int]{}, nil }
	good := pages.Offset(10, byOffset)
	for _, test := range []struct {
		pager  *pages.Pager[int]
		opts   []pages.Option
		option string
	}{
		{nil, nil, "pages.Pager"}, {&pages.Pager[int]{}, nil, "pages.Pager"},
		{pages.Offset(0, byOffset), nil, "pages.Offset"}, {pages.Offset[int](10, nil), nil, "pages.Offset"},
		{pages.Number(1, -1, byOffset), nil, "pages.Number"}, {pages.Number(100, 1, byOffset), nil, "pages.Number"},
		{pages.Number[int](1, 10, nil), nil, "pages.Number"}, {pages.Cursor[int](nil), nil, "pages.Cursor"},
		{pages.Link("", byText), nil, "pages.Link"}, {pages.Link[int]("/x", nil), nil, "pages.Link"},
		{pages.Keyset(nil, byText), nil, "pages.Keyset"}, {pages.Keyset(func(int) string { return "" }, nil), nil, "pages.Keyset"},
		{good, []pages.Option{pages.Prefetch(-1)}, "pages.Prefetch"}, {good, []pages.Option{pages.Prefetch(1001)}, "pages.Prefetch"},
		{good, []pages.Option{pages.Parallel(0)}, "pages.Parallel"}, {good, []pages.Option{pages.MaxEmpty(-1)}, "pages.MaxEmpty"},
		{good, []pages.Option{pages.StartAt(pages.Position{Page: -1})}, "pages.StartAt"}, {good, []pages.Option{pages.StartAt(pages.Position{Offset: -1})}, "pages.StartAt"},
		{pages.Cursor(byText), []pages.Option{pages.Parallel(2)}, "pages.Parallel"},
	} {
		n := 0
		for _, err := range pages.Read(t.Context(), test.pager, test.opts...) {
			n++
			_, isPage := errors.AsType[*pages.Error](err)
			if option, ok := errors.AsType[*windrow.OptionError](err); !ok || !isPage || option.Option != test.option {
				t.Errorf("error %v, want a *Error of an *OptionError for %s", err, test.option)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d pairs, want one error", test.option, n)
		}
	}
	var none context.Context
	for _, err := range pages.Read(none, good) {
		if !errors.Is(err, windrow.ErrNilContext) {
			t.Errorf("error %v, want ErrNilContext", err)
		}
	}
	if fetched > 0 {
		t.Errorf("%d pages were fetched", fetched)
	}
	for _, err := range pages.Read(t.Context(), good, nil) {
		t.Errorf("with options that are nil: %v", err)
	}
}

// A server that sends more than was asked for pays no heed to the paging, and would often send the same for ever.
func TestPagesLongerThanAskedForAreAnError(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds[:3] {
		c := &catalog{answer: func(page *pages.Page[string]) { page.Items = records(25) }}
		got, err := collect(t, t.Context(), kind.pager(c))
		if err == nil || !strings.Contains(err.Error(), "25 items where 10 were asked for") || len(got) != 25 || len(c.asked) != 1 {
			t.Errorf("%s: %d items in %d calls and the error %v", kind.name, len(got), len(c.asked), err)
		}
	}
}

// The error and the position name the page, and show neither records nor what may be credentials.
func TestErrorText(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, test := range []struct {
		at   pages.Position
		want string
	}{
		{pages.Position{}, "windrow: page 0, offset 0: boom"},
		{pages.Position{Page: 3, Offset: 300}, "windrow: page 3, offset 300: boom"},
		{pages.Position{Page: 3, Offset: 300, Cursor: "abc=="}, `windrow: page 3, offset 300, cursor "abc==": boom`},
		{pages.Position{Cursor: "https://me:secret@example.com/x?token=secret&p=2"}, `windrow: page 0, offset 0, cursor "https://me:secret@example.com/x...": boom`},
		{pages.Position{Cursor: "https://[::1/x?token=secret"}, `windrow: page 0, offset 0, cursor "https://[::1/x...": boom`},
		{pages.Position{Cursor: strings.Repeat("x", 79) + "éé"}, `windrow: page 0, offset 0, cursor "` + strings.Repeat("x", 79) + `...": boom`},
	} {
		test.want = strings.ReplaceAll(test.want, "me:secret@", "")
		if got := (&pages.Error{Position: test.at, Err: boom}).Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
