package part

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/jobs/internal/store"
)

// A Record without entries leaves nothing to be stored, so nothing waits for it.
func TestRecordOfNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newFake("a").open(t, Config{})
		if err := j.Record(); err != nil {
			t.Fatal(err)
		}
		if err := j.Sync(); err != nil {
			t.Error(err)
		}
		if err := j.Abandon(); err != nil { // of nothing, too
			t.Error(err)
		}
		if err := j.Sync(); err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A key of another part is not begun, and can be neither begun nor ended.
func TestKeysOfAnotherPart(t *testing.T) {
	t.Parallel()
	f := newFake("a", "b")
	j := f.open(t, Config{})
	if got, err := j.Find("x"); err != nil || got.Key != "x" || got.State != windrow.NotAttempted {
		t.Errorf("Find = %+v, %v", got, err)
	}
	if err := j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"a", "x"}, Attempt: 1}); err == nil {
		t.Error("Intend succeeds")
	}
	if err := j.Record(windrow.JournalEntry{Key: "a", State: windrow.Failed}, windrow.JournalEntry{Key: "x", State: windrow.Failed}); err == nil {
		t.Error("Record succeeds")
	}
	if err := j.Settle(windrow.JournalEntry{Key: "x", State: windrow.Failed}); err == nil {
		t.Error("Settle succeeds")
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if f.made() != 0 {
		t.Errorf("%d checkpoints were made", f.made())
	}
}

// A context that ends while the store is busy ends the wait. What is recorded then holds, also after a restart.
func TestTheContextEndsWhileTheStoreIsBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake("a", "b")
		f.wait = time.Hour
		j := f.open(t, Config{})
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
		defer cancel()
		start := time.Now()
		if err := j.Intend(ctx, windrow.JournalIntent{Keys: []string{"a", "b"}, IdempotencyKey: "ab", Attempt: 1}); !errors.Is(err, cause) {
			t.Errorf("Intend returns %v", err)
		}
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Minute, cause)
		defer cancel()
		if err := j.Save(ctx, "ab", "job"); !errors.Is(err, cause) {
			t.Errorf("Save returns %v", err)
		}
		if d := time.Since(start); d != 2*time.Minute {
			t.Errorf("they returned after %v", d)
		}
		if err := j.Record(windrow.JournalEntry{Key: "a"}); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = f.open(t, Config{})
		a, err := j.Find("a")
		b, late := j.Find("b")
		if err != nil || late != nil || a.State != windrow.NotAttempted || b.State != windrow.Unknown {
			t.Errorf("a: %+v, %v; b: %+v, %v", a, err, b, late)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A holder whose lease has passed on stores nothing, and hears so from every method.
func TestAHolderThatIsFenced(t *testing.T) {
	t.Parallel()
	f := newFake("a", "b")
	j := f.open(t, Config{})
	if err := j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"a"}, IdempotencyKey: "a", Attempt: 1}); err != nil {
		t.Fatal(err)
	}
	next := f.open(t, Config{})
	if j.Resumed() || !next.Resumed() {
		t.Errorf("Resumed is %v for the first holder, %v for the second", j.Resumed(), next.Resumed())
	}
	if err := j.Record(windrow.JournalEntry{Key: "a", State: windrow.Succeeded}); err != nil && !errors.Is(err, store.ErrFenced) {
		t.Errorf("Record returns %v", err)
	}
	for _, call := range []struct {
		method string
		call   func() error
	}{
		{"Sync", j.Sync},
		{"Begin", func() error { return j.Begin(windrow.OpCreate) }},
		{"Find", func() error { _, err := j.Find("a"); return err }},
		{"Intend", func() error {
			return j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"b"}, Attempt: 1})
		}},
		{"Save", func() error { return j.Save(t.Context(), "a", "job") }},
		{"Record", func() error { return j.Record(windrow.JournalEntry{Key: "a", State: windrow.Failed}) }},
		{"Record of nothing", func() error { return j.Record() }},
		{"Settle", func() error { return j.Settle(windrow.JournalEntry{Key: "b", State: windrow.Failed}) }},
		{"Settle of what was recorded", func() error { return j.Settle(windrow.JournalEntry{Key: "a", State: windrow.Failed}) }},
		{"Abandon", j.Abandon},
		{"Unfinished", func() (last error) {
			for _, err := range j.Unfinished() {
				last = err
			}
			return last
		}},
		{"Close", j.Close},
		{"Close again", j.Close},
	} {
		if err := call.call(); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s returns %v", call.method, err)
		}
	}
	if a, err := next.Find("a"); err != nil || a.State != windrow.Unknown {
		t.Errorf("the next holder finds %+v, %v", a, err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	f.checkCounts(t)
}

// A hook that panics leaves the journal usable, and nothing of its entry in it.
func TestDescribePanics(t *testing.T) {
	t.Parallel()
	f := newFake("a", "b")
	j := f.open(t, Config{Describe: func(e windrow.JournalEntry) (string, string) { panic("describe") }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = j.Record(windrow.JournalEntry{Key: "a", State: windrow.Succeeded}, windrow.JournalEntry{Key: "b", State: windrow.Failed, Err: errors.New("no")})
	}()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = f.open(t, Config{})
	a, err := j.Find("a")
	b, late := j.Find("b")
	if err != nil || late != nil || a.State != windrow.NotAttempted || b.State != windrow.NotAttempted {
		t.Errorf("a: %+v, %v; b: %+v, %v", a, err, b, late)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	f.checkCounts(t)
}
