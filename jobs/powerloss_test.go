package jobs_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/windrow-go/windrow/jobs"
	"github.com/windrow-go/windrow/jobs/internal/store"
	"github.com/windrow-go/windrow/jobs/sqlitestore"
)

// A job whose process was killed goes on at once: its leases end with the lock of the file, not by the clock.
func TestAKilledJobGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	f := newFarm(2000)
	block := make(chan struct{})
	reached := make(chan struct{}, 1)
	f.answer = func(ctx context.Context, _, _ string) error {
		f.mu.Lock()
		n := len(f.order)
		f.mu.Unlock()
		if n >= 300 {
			select {
			case reached <- struct{}{}:
			default:
			}
			<-block
		}
		return ctx.Err()
	}
	m := start(t, f)
	j := m.submit(daily(30))
	<-reached
	copied := m.crash()
	close(block)
	m.wait(j.ID)
	next := open(t, copied, newFarm(2000))
	began := time.Now()
	want(t, next.wait(j.ID), jobs.Completed, 1800, 0, 0, 0, 0)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it went on after %v", took)
	}
}

// image is what a disk may hold after a power loss: the file, and the WAL, of which synced bytes are certain.
type image struct {
	file, wal []byte
	synced    int // bytes of the WAL whose pages may be in the file already
}

// Of the format of the WAL, https://www.sqlite.org/fileformat.html section 4.1, and of its index, walformat.html.
const (
	walHeader   = 32
	walFrame    = 24 + 4096
	atAttempted = 128 // in the index: how many frames may have been moved to the file; they were synced before
)

// snap copies a store while it is written. The copy is of one moment as far as a power loss is concerned: each page that was
// moved to the file meanwhile is in the WAL, unless the WAL began anew. ok is false then.
func snap(t *testing.T, path string) (im image, ok bool) {
	t.Helper()
	read := func(suffix string) []byte {
		data, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return data
	}
	salt := func(wal []byte) string {
		if len(wal) < walHeader {
			return ""
		}
		return string(wal[:walHeader])
	}
	before := salt(read("-wal"))
	im.file = read("")
	im.wal = read("-wal")
	index := read("-shm")
	if len(index) < atAttempted+4 || before != salt(im.wal) || before != salt(read("-wal")) {
		return im, false
	}
	attempted := binary.NativeEndian.Uint32(index[atAttempted:])
	if attempted > 0 {
		im.synced = walHeader + int(attempted)*walFrame
	}
	return im, im.synced <= len(im.wal)
}

// write writes the image to a new file. Of the WAL the first bytes are there, and then garbage.
func (im image) write(t *testing.T, bytes, garbage int, random *rand.Rand) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "jobs.db")
	wal := slices.Clone(im.wal[:bytes])
	for range garbage {
		wal = append(wal, byte(random.Uint32()))
	}
	if err := errors.Join(os.WriteFile(path, im.file, 0o600), os.WriteFile(path+"-wal", wal, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever a power loss leaves of a running job can be opened and is consistent: the indexes agree with the tables, and the
// counts with the items. What was acknowledged and synced is there.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const copies, seed = 30, 1
	random := rand.New(rand.NewPCG(seed, 0))
	f := newFarm(10_000)
	m := start(t, f)
	spec := daily(30)
	spec.Options.MaxConcurrent = 50
	j := m.submit(spec)
	stop := make(chan struct{})
	checkpoints := make(chan error, 1)
	go func() { checkpoints <- moveWAL(m.path, stop) }()
	opened, cut, moved := 0, 0, 0
	for opened < copies {
		now, err := m.Get(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.State.Ended() {
			j = m.submit(daily(31 + opened)) // another one
			continue
		}
		im, ok := snap(t, m.path)
		if !ok {
			continue
		}
		opened++
		bytes := len(im.wal)
		if random.IntN(3) > 0 {
			bytes = im.synced + random.IntN(len(im.wal)-im.synced+1)
			cut++
		}
		if im.synced > 0 {
			moved++
		}
		path := im.write(t, bytes, random.IntN(3)*random.IntN(10_000), random)
		what := fmt.Sprintf("copy %d, %d of %d bytes of the WAL, %d of which were moved", opened, bytes, len(im.wal), im.synced)
		found := consistent(t, path, what)
		if bytes == len(im.wal) { // nothing that was acknowledged is lost
			if n, ok := found[now.ID]; !ok || n.Total < now.Progress.Completed() || n.Done() < now.Progress.Completed() {
				t.Errorf("%s: %+v of %+v", what, n, now.Progress)
			}
		}
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
	}
	close(stop)
	if err := <-checkpoints; err != nil {
		t.Errorf("checkpoints: %v", err)
	}
	if cut == 0 || moved == 0 {
		t.Errorf("%d copies were cut short, and of %d a part of the WAL had been moved", cut, moved)
	}
	if now, err := m.Cancel(t.Context(), j.ID); err != nil && !now.State.Ended() {
		t.Error(err)
	}
}

// consistent opens a store, checks it, and returns the counts of its jobs.
func consistent(t *testing.T, path, what string) map[string]store.Counts {
	t.Helper()
	s, err := sqlitestore.Open(path)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return balanced(t, s, what)
}

// balanced compares the counts of each job with its items, and returns them.
func balanced(t *testing.T, opened *sqlitestore.Store, what string) map[string]store.Counts {
	t.Helper()
	s, ok := store.Of(opened)
	if !ok {
		t.Fatal("it is no store")
	}
	list, err := s.List(t.Context(), store.JobQuery{AllTenants: true})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	found := map[string]store.Counts{}
	for _, j := range list {
		counts, err := s.Recount(t.Context(), j.Number)
		if err != nil || counts != j.Counts {
			t.Errorf("%s: job %s has the counts %+v and the items %+v, %v", what, j.ID, j.Counts, counts, err)
		}
		found[j.ID] = counts
	}
	return found
}

// moveWAL moves pages from the WAL to the file at random moments, so that the copies see that half done.
func moveWAL(path string, stop <-chan struct{}) (err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(25 * time.Millisecond):
		}
		if _, err := db.Exec("pragma wal_checkpoint(passive)"); err != nil {
			return err
		}
	}
}

// A WAL of which bytes are gone that had been moved to the file is no power loss. It is refused, or found by Check, or
// harmless, and never taken for a store whose counts are wrong.
func TestALostWAL(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 0))
	m := start(t, newFarm(3000))
	j := m.submit(daily(30))
	for range 20 {
		im, ok := snap(t, m.path)
		if !ok {
			continue
		}
		path := im.write(t, random.IntN(len(im.wal)+1), 0, random)
		s, err := sqlitestore.Open(path)
		if err != nil {
			if !errors.Is(err, sqlitestore.ErrDamaged) && !errors.Is(err, sqlitestore.ErrNotStore) {
				t.Errorf("it is refused with %v", err)
			}
			continue
		}
		if err := s.Check(t.Context()); err == nil {
			balanced(t, s, "a shortened WAL")
		} else if !errors.Is(err, sqlitestore.ErrDamaged) {
			t.Errorf("Check: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	m.wait(j.ID)
}
