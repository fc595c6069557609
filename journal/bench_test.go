package journal_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/journal"
)

// BenchmarkRecord is what it costs to note how an item ended, the group sync included.
func BenchmarkRecord(b *testing.B) {
	j := begun(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		key := strconv.Itoa(i)
		if err := j.Record(windrow.JournalEntry{Key: key, State: windrow.Succeeded, ID: key}); err != nil {
			b.Fatal(err)
		}
		i++
	}
	if err := j.Sync(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkIntend is what an intent costs with so many items in flight.
func BenchmarkIntend(b *testing.B) {
	for _, inFlight := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			d := &countingDisk{}
			j := begun(b, disk.On(d).(journal.Option))
			b.ReportAllocs()
			b.SetParallelism((inFlight + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					key := strconv.FormatInt(n.Add(1), 10)
					if err := j.Intend(b.Context(), windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1}); err != nil {
						b.Error(err)
						return
					}
					if err := j.Record(windrow.JournalEntry{Key: key, State: windrow.Succeeded}); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(d.syncs.Load())/float64(b.N)*float64(inFlight), "syncs/group")
			b.ReportMetric(float64(d.took.Load())/float64(d.syncs.Load()), "ns/sync")
		})
	}
}

// countingDisk counts what is synced, and how long it takes.
type countingDisk struct {
	disk.OS
	syncs, took atomic.Int64
}

func (d *countingDisk) Open(path string) (disk.File, error) {
	f, err := d.OS.Open(path)
	return countingFile{f, d}, err
}

type countingFile struct {
	disk.File
	disk *countingDisk
}

func (f countingFile) Sync() error {
	start := time.Now()
	defer func() {
		f.disk.syncs.Add(1)
		f.disk.took.Add(int64(time.Since(start)))
	}()
	return f.File.Sync()
}

// BenchmarkOpen is what it takes to read a journal of a million records, and to look all its keys up.
func BenchmarkOpen(b *testing.B) {
	const keys = 500_000
	path := filepath.Join(b.TempDir(), "journal")
	j := mustOpen(b, path, "bench")
	if err := j.Begin(windrow.OpCreate); err != nil {
		b.Fatal(err)
	}
	for i := 0; i < keys; i += 1000 {
		in := windrow.JournalIntent{IdempotencyKey: strconv.Itoa(i), Attempt: 1}
		for k := range 1000 {
			in.Keys = append(in.Keys[:0], keyOf(i+k))
			entry := windrow.JournalEntry{Key: keyOf(i + k), State: windrow.Succeeded, ID: strconv.Itoa(i + k)}
			if err := j.Record(windrow.JournalEntry{Key: entry.Key, State: windrow.Failed}, entry); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("Open", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&before)
			b.StartTimer()
			j := mustOpen(b, path, "bench")
			b.StopTimer()
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/keys, "B/key")
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	b.Run("Find", func(b *testing.B) {
		j := mustOpen(b, path, "bench")
		defer j.Close()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if e, err := j.Find(keyOf(i)); err != nil || e.State != windrow.Succeeded {
				b.Fatal(e, err)
			}
			i = (i + 1) % keys
		}
	})
	b.Run("FindNothing", func(b *testing.B) {
		j := mustOpen(b, path, "bench")
		defer j.Close()
		i := keys
		for b.Loop() {
			if e, err := j.Find(keyOf(i)); err != nil || e.State != windrow.NotAttempted {
				b.Fatal(e, err)
			}
			i++
		}
	})
}

func keyOf(i int) string { return "article-" + strconv.Itoa(i) }

func begun(tb testing.TB, opts ...journal.Option) *journal.Journal {
	tb.Helper()
	j := mustOpen(tb, filepath.Join(tb.TempDir(), "journal"), "bench", opts...)
	if err := j.Begin(windrow.OpCreate); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = j.Close() })
	return j
}
