package journal

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/windrow-go/windrow"
)

// F73: an intent that is Repeatable is in the file when Intend returns, where a kill of the process does not lose it,
// whatever else is being written, and Sync makes it durable.
func TestF73_RepeatableIntentsAreWritten(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/journal"
	j, err := Open(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	if j.Resumed() {
		t.Error("a new journal is said to be of an earlier process")
	}
	if err := j.Begin(windrow.OpCreate); err != nil {
		t.Fatal(err)
	}
	const workers, items = 8, 50
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range items {
				key := fmt.Sprintf("%d/%d", w, i)
				in := windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1, Repeatable: i%7 != 0}
				if err := j.Intend(t.Context(), in); err != nil {
					t.Errorf("Intend: %v", err)
					return
				}
				if e, err := j.Find(key); err != nil || e.State != windrow.Unknown {
					t.Errorf("Find after Intend: %+v, %v", e, err)
				}
				if i%2 == 0 {
					if err := j.Record(windrow.JournalEntry{Key: key, State: windrow.Succeeded}); err != nil {
						t.Errorf("Record: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	// The file as a process finds it after a kill: without what is in memory.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := t.TempDir() + "/journal"
	if err := os.WriteFile(after, text, 0o600); err != nil {
		t.Fatal(err)
	}
	killed, err := Open(after, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer killed.Close()
	if !killed.Resumed() {
		t.Error("the journal of an earlier process is not said to be one")
	}
	for w := range workers {
		for i := range items {
			key := fmt.Sprintf("%d/%d", w, i)
			if e, err := killed.Find(key); err != nil || e.State == windrow.NotAttempted {
				t.Errorf("%s is forgotten: %+v, %v", key, e, err)
			}
		}
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	j.w.mu.Lock()
	if j.w.synced != j.w.from || len(j.w.pending) > 0 {
		t.Errorf("after Sync %d of %d bytes are on disk", j.w.synced, j.w.from)
	}
	j.w.mu.Unlock()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkIntendRepeatable is what an intent costs that is not synced, beside BenchmarkIntend.
func BenchmarkIntendRepeatable(b *testing.B) {
	j, err := Open(b.TempDir()+"/journal", "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	if err := j.Begin(windrow.OpCreate); err != nil {
		b.Fatal(err)
	}
	keys := make([]string, b.N)
	for i := range keys {
		keys[i] = fmt.Sprintf("item-%d", i)
	}
	b.ResetTimer()
	for _, key := range keys {
		if err := j.Intend(b.Context(), windrow.JournalIntent{Keys: []string{key}, IdempotencyKey: key, Attempt: 1, Repeatable: true}); err != nil {
			b.Fatal(err)
		}
	}
}
