package jobs_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// A fatal error pauses the job with the reason; it goes on when it is resumed.
func TestARefusedCredentialPausesTheJob(t *testing.T) {
	t.Parallel()
	f := newFarm(50)
	var refuse atomic.Bool
	refuse.Store(true)
	f.answer = func(context.Context, string, string) error {
		if refuse.Load() {
			return windrow.Fatal(errors.New("401 Unauthorized"))
		}
		return nil
	}
	m := start(t, f)
	j := m.run(daily(30))
	if j.State != jobs.Paused || !strings.Contains(j.Reason, "401 Unauthorized") || j.Progress.Succeeded != 0 {
		t.Fatalf("%s: %s", j.State, j.Reason)
	}
	refuse.Store(false)
	if _, err := m.Resume(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if j = m.wait(j.ID); j.State != jobs.Completed || j.Progress.Succeeded+j.Progress.Failed != 45 {
		t.Errorf("%s %+v", j.State, j.Progress)
	}
}

// Submit is idempotent by key, over restarts; another spec under the key is refused.
func TestSubmitIsIdempotent(t *testing.T) {
	t.Parallel()
	f := newFarm(10)
	path := filepath.Join(t.TempDir(), "jobs.db")
	m := open(t, path, f)
	spec := daily(30)
	spec.IdempotencyKey = "irrigation-2026-12"
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for k := range ids {
		wg.Go(func() { ids[k] = m.submit(spec).ID })
	}
	wg.Wait()
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("ids %v", ids)
	}
	m.wait(ids[0])
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, path, f)
	if j := m.submit(spec); j.ID != ids[0] || j.State != jobs.Completed {
		t.Errorf("%s is %s", j.ID, j.State)
	}
	other := daily(40)
	other.IdempotencyKey = spec.IdempotencyKey
	if _, err := m.Submit(t.Context(), other); !errors.Is(err, jobs.ErrKeyReused) {
		t.Errorf("another spec: %v", err)
	}
	if _, err := m.Submit(jobs.WithCaller(t.Context(), jobs.Caller{Tenant: "other"}), other); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := m.Get(jobs.WithCaller(t.Context(), jobs.Caller{Tenant: "other"}), ids[0]); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("another tenant sees the job: %v", err)
	}
}
