package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow/jobs/internal/store"
)

func TestKeysOfAllKinds(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	keys := []string{"", "a", "\x00", "a\x00b", "\xff\xfe", "ü", strings.Repeat("k", 5000), "'", "a"}
	j, _, err := s.Insert(t.Context(), aJob("a", store.Ready), func(yield func(store.Item, error) bool) {
		for i, k := range keys {
			if !yield(store.Item{Index: int64(i), Key: k, Input: []byte(`"` + fmt.Sprint(i) + `"`)}, nil) {
				return
			}
		}
	})
	must(t, err)
	for i, k := range keys[:len(keys)-1] {
		q := store.ItemQuery{Op: 0, Key: k, Limit: 1, Input: true}
		items, err := s.Items(t.Context(), j.Number, q)
		if err != nil || len(items) != 1 || items[0].Key != k || items[0].Index != int64(i) {
			t.Errorf("%q: %+v, %v", k, items, err)
		}
	}
	repeated, err := s.Repeated(t.Context(), j.Number, 0, 10)
	if diff := cmp.Diff([]int64{8}, repeated); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestSizeOfItems(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	s := mustOpen(t, path)
	const n = 20_000
	insert(t, s, "a", n)
	_, lease := claim(t, s)
	p, err := s.NextPart(t.Context(), lease, 0, n, "me", time.Now().Add(time.Hour))
	must(t, err)
	for lo := int64(0); lo < n; lo += 500 {
		must(t, s.Checkpoint(t.Context(), p.PartLease, store.Batch{Results: done(lo, lo+500, store.ItemSucceeded)}))
	}
	mustClose(t, s)
	info, err := os.Stat(path)
	must(t, err)
	if each := info.Size() / n; each > 120 {
		t.Errorf("an item takes %d bytes", each)
	}
}

func TestBackupWhileWriting(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	j := insert(t, s, "a", 5000)
	_, lease := claim(t, s)
	p, err := s.NextPart(t.Context(), lease, 0, 5000, "me", time.Now().Add(time.Hour))
	must(t, err)
	written := make(chan error)
	begun := make(chan bool)
	go func() {
		var err error
		for i := int64(0); i < 5000 && err == nil; i += 50 {
			err = s.Checkpoint(context.Background(), p.PartLease, store.Batch{Results: done(i, i+50, store.ItemSucceeded)})
			if i == 100 {
				close(begun)
			}
		}
		written <- err
	}()
	<-begun
	path := filepath.Join(t.TempDir(), "backup.db")
	must(t, s.Backup(t.Context(), path))
	must(t, <-written)
	if err := s.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ctx, path+"2"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	c := mustOpen(t, path)
	defer mustClose(t, c)
	must(t, c.Check(t.Context()))
	if n := balanced(t, c, t.Context(), j.Number, "t", "a"); n.Total != 5000 || n.Succeeded < 100 {
		t.Errorf("%+v", n)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	states := []store.State{store.Queued, store.Running, store.Paused, store.Completed, store.Failed, store.Cancelled}
	for _, from := range states {
		for _, allowed := range states {
			id := fmt.Sprint(from, allowed)
			j := aJob(id)
			j.State = from
			j, _, err := s.Insert(t.Context(), j, nil)
			must(t, err)
			to, reason := store.Paused, "because"
			j, err = s.Change(t.Context(), j.Number, store.Change{From: []store.State{allowed}, State: &to, Reason: &reason}, store.Event{Type: "paused"})
			events, e := s.Events(t.Context(), j.Number, 0, 10)
			must(t, e)
			if from == allowed {
				if err != nil || j.State != to || j.Reason != reason || len(events) != 1 {
					t.Errorf("%s: %+v, %v, %v", id, j, events, err)
				}
			} else if !errors.Is(err, store.ErrConflict) || j.State != from || len(events) != 0 {
				t.Errorf("%s: %+v, %v, %v", id, j, events, err)
			}
		}
	}
}

func TestLeases(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	insert(t, s, "a", 100)
	j, old := claim(t, s)
	if _, err := s.Claim(ctx, store.Claim{Now: time.Now(), Until: time.Now(), Resources: []string{"fields"}}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a leased job was leased: %v", err)
	}
	if _, err := s.Change(ctx, j.Number, store.Change{Free: true}); !errors.Is(err, store.ErrConflict) {
		t.Error(err)
	}
	p, err := s.NextPart(ctx, old, 0, 60, "me", time.Now().Add(-time.Second))
	must(t, err)
	again, err := s.NextPart(ctx, old, 0, 60, "you", time.Now().Add(time.Hour))
	if err != nil || again.Part != p.Part || again.Epoch != p.Epoch+1 || again.To != 60 {
		t.Fatalf("%+v, %v", again, err)
	}
	if err := s.Checkpoint(ctx, p.PartLease, store.Batch{Results: done(0, 1, store.ItemSucceeded)}); !errors.Is(err, store.ErrFenced) {
		t.Error(err)
	}
	rest, err := s.NextPart(ctx, old, 0, 60, "me", time.Now().Add(time.Hour))
	if err != nil || rest.From != 60 || rest.To != 100 {
		t.Fatalf("%+v, %v", rest, err)
	}
	must(t, s.EndPart(ctx, rest.PartLease, true))
	if err := s.RenewPart(ctx, rest.PartLease, time.Now()); !errors.Is(err, store.ErrFenced) {
		t.Error(err)
	}
	if n, err := s.OpenParts(ctx, j.Number, 0); n != 1 || err != nil {
		t.Error(n, err)
	}
	_, err = s.Change(ctx, j.Number, store.Change{Lease: &old, Release: true})
	must(t, err)
	if err := s.Renew(ctx, old, time.Now()); !errors.Is(err, store.ErrFenced) {
		t.Error(err)
	}
	if _, now := claim(t, s); now.Epoch != old.Epoch+1 {
		t.Errorf("%+v", now)
	}
}

func TestDeleteInSteps(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	job := aJob("a", store.Ready)
	job.Key = "k"
	j, _, err := s.Insert(ctx, job, fields(1000), store.Event{Type: "queued"})
	must(t, err)
	if _, err := s.Delete(ctx, "t", "a", 100); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	to := store.Completed
	_, err = s.Change(ctx, j.Number, store.Change{State: &to})
	must(t, err)
	steps := 0
	for more := true; more; steps++ {
		more, err = s.Delete(ctx, "t", "a", 100)
		must(t, err)
		if _, err := s.Get(ctx, "t", "a"); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		if steps == 0 {
			doomed, err := s.Doomed(ctx)
			if err != nil || len(doomed) != 1 || doomed[0].ID != "a" {
				t.Errorf("%+v, %v", doomed, err)
			}
			job.ID = "b"
			if _, inserted, err := s.Insert(ctx, job, nil); !inserted || err != nil {
				t.Error("the key is not free", err)
			}
		}
	}
	if steps != 11 {
		t.Errorf("%d steps", steps)
	}
	if n, err := s.Recount(ctx, j.Number); n.Total != 0 || err != nil {
		t.Error(n, err)
	}
}

// An Insert that fails or is not wanted leaves nothing, however many items it has stored before.
func TestInsertOfMany(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	bad := errors.New("the source failed")
	_, inserted, err := s.Insert(ctx, aJob("a", store.Ready), func(yield func(store.Item, error) bool) {
		for it := range fields(3500) {
			if !yield(it, nil) {
				return
			}
		}
		if jobs, err := s.List(ctx, store.JobQuery{Tenant: "t"}); len(jobs) != 0 || err != nil {
			t.Errorf("it is seen already: %v, %v", jobs, err)
		}
		yield(store.Item{}, bad)
	})
	if inserted || err != bad {
		t.Error(inserted, err)
	}
	if j := insert(t, s, "a", 3500); j.Counts.Total != 3500 || j.Operations[0].Counts.NotAttempted != 3500 {
		t.Errorf("%+v", j.Counts)
	}
}

// When the disk is full the call fails, and the store goes on when there is room.
func TestFull(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	ctx := t.Context()
	j := insert(t, s, "a", 3000)
	_, lease := claim(t, s)
	p, err := s.NextPart(ctx, lease, 0, 3000, "me", time.Now().Add(time.Hour))
	must(t, err)
	pages := func(n string) {
		c := <-s.writer
		defer func() { s.writer <- c }()
		must(t, c.script("pragma max_page_count = "+n))
	}
	pages("1")
	r := done(0, 3000, store.ItemFailed)
	r[0].Message = strings.Repeat("secret", 5000)
	if err := s.Checkpoint(ctx, p.PartLease, store.Batch{Results: r}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if n := balanced(t, s, ctx, j.Number, "t", "a"); n.Done() != 0 {
		t.Errorf("%+v", n)
	}
	pages("1000000")
	must(t, s.Checkpoint(ctx, p.PartLease, store.Batch{Results: r}))
	if n := balanced(t, s, ctx, j.Number, "t", "a"); n.Failed != 3000 {
		t.Errorf("%+v", n)
	}
	groups, err := s.ErrorGroups(ctx, j.Number, 10)
	if err != nil || len(groups) != 1 || groups[0].Items != 3000 || groups[0].Code != "INVALID" {
		t.Errorf("%v", err)
	}
	wrong := done(0, 32, store.ItemSucceeded) // they have ended
	if err := s.Checkpoint(ctx, p.PartLease, store.Batch{Results: wrong}); !errors.Is(err, store.ErrConflict) {
		t.Error(err)
	}
	if err := s.Checkpoint(ctx, p.PartLease, store.Batch{Results: done(3000, 3032, store.ItemSucceeded)}); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	balanced(t, s, ctx, j.Number, "t", "a")
	must(t, s.Check(ctx))
}

// A context that ends ends the call, and no transaction stays open.
func TestContexts(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	j := insert(t, s, "a", 50_000)
	for _, after := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		if _, err := s.Repeated(ctx, j.Number, 0, 10); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		if err := s.SetValue(ctx, "a", []byte("b")); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		_, _, err := s.Insert(ctx, aJob("b", store.Ready), fields(50_000))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		cancel()
	}
	must(t, s.SetValue(t.Context(), "a", []byte("c")))
	if v, err := s.Value(t.Context(), "a"); string(v) != "c" || err != nil {
		t.Error(v, err)
	}
	if counts, err := s.CountJobs(t.Context()); err != nil || !cmp.Equal(counts, map[store.State]int{store.Queued: 1}) {
		t.Error(counts, err)
	}
}
