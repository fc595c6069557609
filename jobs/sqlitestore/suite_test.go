package sqlitestore

import (
	"path/filepath"
	"testing"

	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/internal/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(tb testing.TB) store.Store {
		s, err := open(filepath.Join(tb.TempDir(), "jobs.db"))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := s.Close(); err != nil {
				tb.Error(err)
			}
		})
		return s
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	storetest.TestRestart(t, func(tb testing.TB) store.Store { return mustOpen(tb, path) })
}
