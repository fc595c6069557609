package journal_test

import (
	"path/filepath"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/disk/disktest"
	"github.com/windrow-go/windrow/journal"
	"github.com/windrow-go/windrow/windrowtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	windrowtest.TestJournal(t, func(tb testing.TB, name string) windrow.Journal {
		return mustOpen(tb, filepath.Join(dir, name), "conformance")
	})
}

// The disk of the other tests is as good as a real one.
func TestConformanceInMemory(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	windrowtest.TestJournal(t, func(tb testing.TB, name string) windrow.Journal {
		return mustOpen(tb, name, "conformance", disk.On(d).(journal.Option))
	})
}

func mustOpen(tb testing.TB, path, job string, opts ...journal.Option) *journal.Journal {
	tb.Helper()
	j, err := journal.Open(path, job, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}
