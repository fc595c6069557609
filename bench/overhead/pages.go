package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/windrow-go/windrow/bench/ratio"
	"github.com/windrow-go/windrow/pages"
)

// The work of every contender: a page of 100 items takes 20 ms to fetch, an item 0.1 ms to handle. Both are waits that
// make up for their own delays, so that what is left is the reader's.
const (
	pageSize  = 100
	fetchTime = 20 * time.Millisecond
	itemTime  = 100 * time.Microsecond
	pageTime  = pageSize * itemTime

	parallel = 4 // pages that are fetched at once by the parallel contender
)

// lists reads a list page by page, beside the time that it must take.
func lists() workload {
	of := func(prepare func(count int) ratio.Work) func(int) (ratio.Work, error) {
		return func(items int) (ratio.Work, error) {
			work := prepare(items / pageSize)
			work.Items = items / pageSize * pageSize
			return work, nil
		}
	}
	return workload{
		name:  "pages",
		about: fmt.Sprintf("Pages: pages of %d items, %v to fetch one, %v to handle an item, up to %d pages at once", pageSize, fetchTime, itemTime, parallel),
		items: 100 * pageSize,
		least: pageSize,
		contenders: []contender{
			{"ideal", false, of(func(count int) ratio.Work { return sleeping(ideal(count)) })},
			{"hand-written", false, of(func(count int) ratio.Work { return reading(count, byHand) })},
			{"windrow", false, of(func(count int) ratio.Work { return reading(count, byPages()) })},
			{"one after the other", true, of(func(count int) ratio.Work { return reading(count, byPages(pages.Prefetch(0))) })},
			{"ideal parallel", false, of(func(count int) ratio.Work { return sleeping(idealParallel(count)) })},
			{"windrow parallel", false, of(func(count int) ratio.Work { return reading(count, byPages(pages.Parallel(parallel))) })},
		},
		baselines: []string{"ideal", "ideal parallel"},
		goals: []ratio.Goal{
			{Case: "windrow", Metric: ratio.Wall, Baseline: "ideal", Max: 1.05},
			{Case: "windrow parallel", Metric: ratio.Wall, Baseline: "ideal parallel", Max: 1.1},
		},
	}
}

// ideal is the time that reading takes when the next page is always fetched while one is handled.
func ideal(count int) time.Duration {
	return fetchTime + time.Duration(count-1)*max(fetchTime, pageTime) + pageTime
}

// idealParallel is the time that it takes when several pages are fetched at once behind the first.
func idealParallel(count int) time.Duration {
	rounds := (count - 1 + parallel - 1) / parallel
	return fetchTime + max(time.Duration(count)*pageTime, time.Duration(rounds)*fetchTime+pageTime)
}

// sleeping takes that long.
func sleeping(d time.Duration) ratio.Work {
	return ratio.Work{Run: func() error { time.Sleep(d); return nil }}
}

// waits are waits that last as long as they should on the whole: what one took too long, on a machine that has other
// things to do, the next is shorter. Short ones are made together.
type waits struct {
	mu   sync.Mutex
	owed time.Duration
}

func (w *waits) wait(d time.Duration) {
	w.mu.Lock()
	w.owed += d
	d = w.owed
	if d < time.Millisecond {
		d = 0
	}
	w.owed -= d
	w.mu.Unlock()
	if d == 0 {
		return
	}
	start := time.Now()
	time.Sleep(d)
	late := time.Since(start) - d
	w.mu.Lock()
	w.owed -= late
	w.mu.Unlock()
}

// list gives out so many pages of the numbers from 0.
type list struct {
	pages int
	waits waits
}

func (l *list) fetch(_ context.Context, offset, limit int) (pages.Page[int], error) {
	l.waits.wait(fetchTime)
	items := make([]int, limit)
	for i := range items {
		items[i] = offset + i
	}
	return pages.Page[int]{Items: items, Total: l.pages * pageSize, Last: offset+limit >= l.pages*pageSize}, nil
}

// reading reads a list in some way and handles its items.
func reading(count int, read func(l *list, handle func(int)) error) ratio.Work {
	var handled, outOfOrder int
	return ratio.Work{
		Run: func() error {
			var waits waits
			return read(&list{pages: count}, func(n int) {
				if n != handled {
					outOfOrder++
				}
				handled++
				waits.wait(itemTime)
			})
		},
		Check: func() error {
			defer func() { handled, outOfOrder = 0, 0 }()
			if handled != count*pageSize || outOfOrder > 0 {
				return fmt.Errorf("%d items of %d, %d out of order", handled, count*pageSize, outOfOrder)
			}
			return nil
		},
	}
}

// byPages reads with windrow.
func byPages(opts ...pages.Option) func(l *list, handle func(int)) error {
	return func(l *list, handle func(int)) error {
		for n, err := range pages.Read(context.Background(), pages.Offset(pageSize, l.fetch), opts...) {
			if err != nil {
				return err
			}
			handle(n)
		}
		return nil
	}
}

// byHand reads with a goroutine that is one page ahead, as many programs do.
func byHand(l *list, handle func(int)) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	next := make(chan pages.Page[int])
	errs := make(chan error, 1)
	go func() {
		defer close(next)
		for offset := 0; ; offset += pageSize {
			page, err := l.fetch(ctx, offset, pageSize)
			if err != nil {
				errs <- err
				return
			}
			select {
			case next <- page:
			case <-ctx.Done():
				return
			}
			if page.Last {
				return
			}
		}
	}()
	for page := range next {
		for _, n := range page.Items {
			handle(n)
		}
	}
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
