package windrow_test

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
)

// endless is a list that goes on for ever, whose second page and those after it may block.
func endless(c *catalog, blocks bool) *windrow.Pager[string] {
	c.records = records(1000)
	if blocks {
		c.block = func(context.Context) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.asked) > 1
		}
	}
	return windrow.OffsetPager(10, func(ctx context.Context, offset, limit int) (windrow.Page[string], error) {
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
			for _, opts := range [][]windrow.PageOption{{windrow.Prefetch(0)}, nil, {windrow.Prefetch(5)}, {windrow.ParallelPages(4)}} {
				synctest.Test(t, func(t *testing.T) {
					c := &catalog{delay: time.Second}
					start := time.Now()
					leave(t, windrow.Pages(t.Context(), endless(c, blocks), opts...), func() { synctest.Wait() })
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
			pager := windrow.OffsetPager(1, func(_ context.Context, offset, _ int) (windrow.Page[int], error) {
				running.Add(1)
				defer running.Add(-1)
				time.Sleep(time.Duration(offset) * time.Minute)
				return windrow.Page[int]{Items: []int{offset}, Total: 100}, nil
			})
			for range windrow.Pages(t.Context(), pager, windrow.ParallelPages(parallel)) {
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
		for _, opts := range [][]windrow.PageOption{{windrow.Prefetch(0)}, nil, {windrow.ParallelPages(4)}} {
			for _, at := range []int{0, 1, 5, 10} { // items
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					c := &catalog{delay: time.Second}
					pages := windrow.Pages(ctx, endless(c, blocks), opts...)
					if at == 0 {
						cancel(why)
					}
					if blocks && at == 10 {
						time.AfterFunc(time.Minute, func() { cancel(why) })
					}
					n := 0
					var last error
					for _, err := range pages {
						if last = err; err == nil {
							if n++; n == at && (!blocks || at < 10) {
								cancel(why)
							}
						}
					}
					page, ok := errors.AsType[*windrow.PageError](last)
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
	for k, opts := range [][]windrow.PageOption{{windrow.Prefetch(0)}, nil, {windrow.ParallelPages(4)}} {
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
					for _, err := range windrow.Pages(t.Context(), c.byOffset(10), opts...) {
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
	for name, pages := range map[string]iter.Seq2[string, error]{
		"Key":    windrow.Pages(t.Context(), keyed),
		"OnPage": windrow.Pages(t.Context(), (&catalog{}).byOffset(10), windrow.OnPage(func(windrow.PageInfo) { panic("bad") })),
		"KeysetPager": windrow.Pages(t.Context(), windrow.KeysetPager(bad, func(context.Context, string) (windrow.Page[string], error) {
			return windrow.Page[string]{Items: []string{"a"}}, nil
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
			for range pages {
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
		for _, err := range p.Stream(ctx, windrow.Pages(ctx, endless(&catalog{}, true))).All() {
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
		for result, err := range p.Stream(t.Context(), windrow.Pages(t.Context(), c.byCursor(10))).All() {
			if last = err; err == nil {
				if result.Value != strings.ToUpper(c.records[n]) {
					t.Fatalf("result %d is %q", n, result.Value)
				}
				n++
			}
		}
		page, ok := errors.AsType[*windrow.PageError](last)
		if !ok || !errors.Is(last, boom) || page.Position.Page != 50 || n != 500 {
			t.Errorf("%d results and the error %v", n, last)
		}
	})
}

// What makes no sense is refused before anything is fetched, in a *PageError like all else.
func TestPagesRefuseBadParameters(t *testing.T) {
	t.Parallel()
	fetched := 0
	byOffset := func(context.Context, int, int) (windrow.Page[int], error) { fetched++; return windrow.Page[int]{}, nil }
	byText := func(context.Context, string) (windrow.Page[int], error) { fetched++; return windrow.Page[int]{}, nil }
	good := windrow.OffsetPager(10, byOffset)
	for _, test := range []struct {
		pager  *windrow.Pager[int]
		opts   []windrow.PageOption
		option string
	}{
		{nil, nil, "Pager"}, {&windrow.Pager[int]{}, nil, "Pager"},
		{windrow.OffsetPager(0, byOffset), nil, "OffsetPager"}, {windrow.OffsetPager[int](10, nil), nil, "OffsetPager"},
		{windrow.PageNumberPager(1, -1, byOffset), nil, "PageNumberPager"}, {windrow.PageNumberPager(100, 1, byOffset), nil, "PageNumberPager"},
		{windrow.PageNumberPager[int](1, 10, nil), nil, "PageNumberPager"}, {windrow.CursorPager[int](nil), nil, "CursorPager"},
		{windrow.LinkPager("", byText), nil, "LinkPager"}, {windrow.LinkPager[int]("/x", nil), nil, "LinkPager"},
		{windrow.KeysetPager(nil, byText), nil, "KeysetPager"}, {windrow.KeysetPager(func(int) string { return "" }, nil), nil, "KeysetPager"},
		{good, []windrow.PageOption{windrow.Prefetch(-1)}, "Prefetch"}, {good, []windrow.PageOption{windrow.Prefetch(1001)}, "Prefetch"},
		{good, []windrow.PageOption{windrow.ParallelPages(0)}, "ParallelPages"}, {good, []windrow.PageOption{windrow.EmptyPages(-1)}, "EmptyPages"},
		{good, []windrow.PageOption{windrow.StartAt(windrow.Position{Page: -1})}, "StartAt"}, {good, []windrow.PageOption{windrow.StartAt(windrow.Position{Offset: -1})}, "StartAt"},
		{windrow.CursorPager(byText), []windrow.PageOption{windrow.ParallelPages(2)}, "ParallelPages"},
	} {
		n := 0
		for _, err := range windrow.Pages(t.Context(), test.pager, test.opts...) {
			n++
			_, isPage := errors.AsType[*windrow.PageError](err)
			if option, ok := errors.AsType[*windrow.OptionError](err); !ok || !isPage || option.Option != test.option {
				t.Errorf("error %v, want a *PageError of an *OptionError for %s", err, test.option)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d pairs, want one error", test.option, n)
		}
	}
	var none context.Context
	for _, err := range windrow.Pages(none, good) {
		if !errors.Is(err, windrow.ErrNilContext) {
			t.Errorf("error %v, want ErrNilContext", err)
		}
	}
	if fetched > 0 {
		t.Errorf("%d pages were fetched", fetched)
	}
	for _, err := range windrow.Pages(t.Context(), good, nil) {
		t.Errorf("with options that are nil: %v", err)
	}
}

// A server that sends more than was asked for pays no heed to the paging, and would often send the same for ever.
func TestPagesLongerThanAskedForAreAnError(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds[:3] {
		c := &catalog{answer: func(page *windrow.Page[string]) { page.Items = records(25) }}
		got, err := collect(t, t.Context(), kind.pager(c))
		if err == nil || !strings.Contains(err.Error(), "25 items where 10 were asked for") || len(got) != 25 || len(c.asked) != 1 {
			t.Errorf("%s: %d items in %d calls and the error %v", kind.name, len(got), len(c.asked), err)
		}
	}
}

// The error and the position name the page, and show neither records nor what may be credentials.
func TestPageErrorText(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, test := range []struct {
		at   windrow.Position
		want string
	}{
		{windrow.Position{}, "windrow: page 0, offset 0: boom"},
		{windrow.Position{Page: 3, Offset: 300}, "windrow: page 3, offset 300: boom"},
		{windrow.Position{Page: 3, Offset: 300, Cursor: "abc=="}, `windrow: page 3, offset 300, cursor "abc==": boom`},
		{windrow.Position{Cursor: "https://me:secret@example.com/x?token=secret&p=2"}, `windrow: page 0, offset 0, cursor "https://me:secret@example.com/x...": boom`},
		{windrow.Position{Cursor: "https://[::1/x?token=secret"}, `windrow: page 0, offset 0, cursor "https://[::1/x...": boom`},
		{windrow.Position{Cursor: strings.Repeat("x", 79) + "éé"}, `windrow: page 0, offset 0, cursor "` + strings.Repeat("x", 79) + `...": boom`},
	} {
		test.want = strings.ReplaceAll(test.want, "me:secret@", "")
		if got := (&windrow.PageError{Position: test.at, Err: boom}).Error(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}
