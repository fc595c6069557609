package jobs_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs"
)

// crash copies the store of a manager as a kill would leave it.
func (m *managed) crash() (path string) {
	m.t.Helper()
	path = filepath.Join(m.t.TempDir(), "jobs.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(m.path + suffix)
		if err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	return path
}

// What a killed process had begun is Unknown when the job is cancelled before it goes on, paused or not, also while there is
// no manager to carry it out.
func TestCancelAfterAKill(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		f := newFarm(0)
		reached, block := make(chan struct{}), make(chan struct{})
		var once sync.Once
		f.answer = func(ctx context.Context, _, _ string) error {
			f.mu.Lock()
			n := len(f.order)
			f.mu.Unlock()
			if n > 10 {
				once.Do(func() { close(reached) })
				<-block
			}
			return ctx.Err()
		}
		records := make([]any, 30)
		for k := range records {
			records[k] = Patch{Status: "new"}
		}
		m := start(t, f)
		j := m.submit(jobs.Spec{Operations: []jobs.Operation{{Type: jobs.Create, Resource: "fields", Records: records}}})
		<-reached
		path := m.crash()
		close(block)
		m.wait(j.ID)
		f = newFarm(0)
		next := prepare(t, path, f)
		if paused {
			if _, err := next.Pause(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := next.Cancel(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		if err := next.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		j = next.wait(j.ID)
		if p := j.Progress; j.State != jobs.Cancelled || p.Unknown == 0 || p.Unknown+p.Succeeded < 11 || p.NotAttempted < 10 || f.creates > 0 {
			t.Errorf("paused %t: %s, %+v, %d creates", paused, j.State, p, f.creates)
		}
		for _, item := range next.items(j.ID, jobs.ItemQuery{States: []windrow.State{windrow.Unknown}}) {
			if item.Message == "" || item.Pile() != jobs.AfterLookUp {
				t.Errorf("%+v", item)
			}
		}
	}
}
