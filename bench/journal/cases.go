package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/bench/ratio"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/journal"
)

// bench is where the files of the cases are.
type bench struct {
	dir   string
	files atomic.Int64
	syncs map[string]*counter // by case
}

// counter is a disk that counts syncs.
type counter struct {
	disk.OS
	n atomic.Int64
}

// Open implements [disk.Disk].
func (c *counter) Open(path string) (disk.File, error) {
	f, err := c.OS.Open(path)
	return countedFile{f, c}, err
}

type countedFile struct {
	disk.File
	counter *counter
}

// Sync implements [disk.File].
func (f countedFile) Sync() error {
	f.counter.n.Add(1)
	return f.File.Sync()
}

// file returns the name of a new file, so that no run pays for what another left.
func (b *bench) file() string { return filepath.Join(b.dir, fmt.Sprint("file", b.files.Add(1))) }

// with calls f with a new journal, and closes it.
func (b *bench) with(f func(j *journal.Journal) error, opts ...journal.Option) error {
	path := b.file()
	j, err := journal.Open(path, "bench", opts...)
	if err != nil {
		return err
	}
	if err = j.Begin(windrow.OpCreate); err == nil {
		err = f(j)
	}
	return errors.Join(err, j.Close(), os.Remove(path))
}

// ends are the cases of how an item ended, which is recorded in groups.
func (b *bench) ends(items int) []ratio.Case {
	inputs := make([]string, items)
	for i := range inputs {
		inputs[i] = "article-" + strconv.Itoa(i)
	}
	run := func(j *journal.Journal) error {
		p := windrow.NewBatchProcessor(noop, windrow.Concurrency(8))
		p.Key = func(in string) string { return in }
		if j != nil {
			p.OnResult = func(r windrow.Result[string, string]) {
				if err := j.Record(windrow.JournalEntry{Key: r.Key, State: r.State, ID: r.Value}); err != nil {
					panic(err)
				}
			}
		} else {
			p.OnResult = func(windrow.Result[string, string]) {}
		}
		_, err := p.Run(context.Background(), inputs)
		if j != nil {
			err = errors.Join(err, j.Sync())
		}
		return err
	}
	return []ratio.Case{
		{Name: "a run", Prepare: work(func() error { return run(nil) })},
		{Name: "a run that records", Prepare: work(func() error { return b.with(run) })},
		{Name: "Record", Prepare: work(func() error {
			return b.with(func(j *journal.Journal) error {
				for _, in := range inputs {
					if err := j.Record(windrow.JournalEntry{Key: in, State: windrow.Succeeded, ID: in}); err != nil {
						return err
					}
				}
				return j.Sync()
			})
		})},
		{Name: "by hand, sync of 100", Prepare: work(func() error { return b.byHand(items, 100) })},
	}
}

//go:noinline
func noop(_ context.Context, in string) (string, error) { return in, nil }

func work(run func() error) func(int) (ratio.Work, error) {
	return func(int) (ratio.Work, error) { return ratio.Work{Run: run}, nil }
}

// byHand writes lines with a checksum and syncs each group of them.
func (b *bench) byHand(lines, group int) (err error) {
	f, err := os.Create(b.file())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	table := crc32.MakeTable(crc32.Castagnoli)
	var buf []byte
	for i := range lines {
		record := fmt.Appendf(nil, `{"t":"intent","k":["article-%d"],"a":1,"idem":"article-%d"}`, i, i)
		buf = fmt.Appendf(buf, "%08x %s\n", crc32.Checksum(record, table), record)
		if (i+1)%group == 0 || i == lines-1 {
			if _, err := f.Write(buf); err != nil {
				return err
			}
			if err := f.Sync(); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}

// intents are the cases of what must be durable before an item is sent, with so many in flight, and of what has to outlive
// the process only, because the item may be sent twice. By hand, one sync serves all of them, which is the minimum.
func (b *bench) intents(items, inFlight int) []ratio.Case {
	syncs := &counter{}
	b.syncs[intentsOf(inFlight)] = syncs
	intend := func(repeatable bool, opts ...journal.Option) func(int) (ratio.Work, error) {
		return work(func() error {
			return b.with(func(j *journal.Journal) error { return intendAll(j, items, inFlight, repeatable) }, opts...)
		})
	}
	return []ratio.Case{
		{Name: byHandFor(inFlight), Prepare: work(func() error { return b.byHand(items, inFlight) })},
		{Name: intentsOf(inFlight), Prepare: intend(false, disk.On(syncs).(journal.Option))},
		{Name: intentsOf(inFlight) + ", repeatable", Prepare: intend(true)},
	}
}

// intendAll makes intents with so many in flight.
func intendAll(j *journal.Journal, items, inFlight int, repeatable bool) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	errs := make([]error, inFlight)
	for w := range inFlight {
		workers.Go(func() {
			for errs[w] == nil {
				i := next.Add(1)
				if i > int64(items) {
					return
				}
				key := "article-" + strconv.FormatInt(i, 10)
				errs[w] = j.Intend(context.Background(), windrow.JournalIntent{
					Keys: []string{key}, IdempotencyKey: key, Attempt: 1, Repeatable: repeatable,
				})
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

func byHandFor(inFlight int) string { return fmt.Sprintf("by hand, sync of %d", inFlight) }
func intentsOf(inFlight int) string { return fmt.Sprintf("Intend, %d in flight", inFlight) }

// resume makes a journal of so many records, an intent and an end for each key, and returns the case of opening it and
// how many bytes it holds for each key then.
func (b *bench) resume(records int) (ratio.Case, func() (float64, error), error) {
	path := b.file()
	keys := records / 2
	j, err := journal.Open(path, "bench")
	if err != nil {
		return ratio.Case{}, nil, err
	}
	if err = j.Begin(windrow.OpCreate); err == nil {
		for from := 0; from < keys && err == nil; from += 500 {
			var ends []windrow.JournalEntry
			var workers sync.WaitGroup
			for i := from; i < min(from+500, keys); i++ {
				key := "article-" + strconv.Itoa(i)
				ends = append(ends, windrow.JournalEntry{Key: key, State: windrow.Succeeded, ID: strconv.Itoa(i)})
				workers.Go(func() {
					_ = j.Intend(context.Background(), windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1}) // Record fails then, too
				})
			}
			workers.Wait()
			err = j.Record(ends...)
		}
	}
	if err := errors.Join(err, j.Close()); err != nil {
		return ratio.Case{}, nil, err
	}
	var opened *journal.Journal
	open := ratio.Case{Name: "Open", Prepare: func(int) (ratio.Work, error) {
		return ratio.Work{
			Run: func() (err error) {
				opened, err = journal.Open(path, "bench")
				return err
			},
			Check: func() error {
				e, err := opened.Find("article-" + strconv.Itoa(keys-1))
				if err == nil && e.State != windrow.Succeeded {
					err = fmt.Errorf("the last key is %v", e.State)
				}
				return errors.Join(err, opened.Close())
			},
		}, nil
	}}
	return open, func() (float64, error) {
		opened = nil
		before := heap()
		j, err := journal.Open(path, "bench")
		if err != nil {
			return 0, err
		}
		held := float64(heap()) - float64(before)
		return held / float64(keys), j.Close()
	}, nil
}

// heap returns how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers let go in the first
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
