package sqlitestore

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

// Close waits for calls that are under way; later ones return ErrClosed and do not wait.
func TestCallsAfterClose(t *testing.T) {
	t.Parallel()
	s, err := open(filepath.Join(t.TempDir(), "jobs.db"))
	if err != nil {
		t.Fatal(err)
	}
	entered, ended := make(chan struct{}), make(chan error, 1)
	var written atomic.Bool
	go func() {
		ended <- s.write(t.Context(), func(*conn) error {
			close(entered)
			time.Sleep(50 * time.Millisecond)
			written.Store(true)
			return nil
		})
	}()
	<-entered
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !written.Load() {
		t.Error("Close did not wait")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := s.Get(ctx, "", "a"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if err := s.SetValue(ctx, "a", nil); !errors.Is(err, store.ErrClosed) {
		t.Errorf("SetValue: %v", err)
	}
}
