package journal

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// slowDisk is a disk whose syncs take as long as the test wants.
type slowDisk struct {
	disktest.Disk
	slow  atomic.Bool
	ready chan error // a sync returns what comes from it, when slow
}

func newSlowDisk() *slowDisk {
	d := &slowDisk{ready: make(chan error)}
	d.Fail = func(op disktest.Op) error {
		if op.Kind == disktest.Sync && d.slow.Load() {
			return <-d.ready
		}
		return nil
	}
	return d
}

// Concurrent intents share a sync, and each returns only when it is over.
func TestIntentsShareASync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDisk()
		j := start(t, &d.Disk)
		before := d.Count(disktest.Sync)
		d.slow.Store(true)
		var returned atomic.Int32
		begin := func(key string) {
			go func() {
				if err := j.Intend(t.Context(), intent(key)); err != nil {
					t.Error(err)
				}
				returned.Add(1)
			}()
		}
		begin("first")
		synctest.Wait()
		check(t, "syncs that began", 1, d.Count(disktest.Sync)-before)
		for i := range 10 {
			begin(key(i))
		}
		synctest.Wait()
		check(t, "syncs while the first is not over", 1, d.Count(disktest.Sync)-before)
		check(t, "intents that returned", int32(0), returned.Load())
		d.ready <- nil
		synctest.Wait()
		check(t, "intents that returned after the first sync", int32(1), returned.Load())
		check(t, "syncs", 2, d.Count(disktest.Sync)-before)
		d.ready <- nil
		synctest.Wait()
		check(t, "intents that returned after the second sync", int32(11), returned.Load())
		check(t, "syncs", 2, d.Count(disktest.Sync)-before)
		d.slow.Store(false)
		must(t, j.Close())
	})
}

// When a sync fails, all who wait are told, also those whose turn would be the next.
func TestF55_AllWhoWaitAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDisk()
		j := start(t, &d.Disk)
		must(t, j.Record(entry("a", succeeded)))
		d.slow.Store(true)
		var told atomic.Int32
		for i := range 5 {
			go func() {
				if err := j.Intend(t.Context(), intent(key(i))); errors.Is(err, syscall.EIO) {
					told.Add(1)
				}
			}()
			synctest.Wait()
		}
		syncs := d.Count(disktest.Sync)
		d.ready <- syscall.EIO
		synctest.Wait()
		check(t, "told", int32(5), told.Load())
		check(t, "syncs after the one that failed", 0, d.Count(disktest.Sync)-syncs)
		if err := j.Close(); !errors.Is(err, syscall.EIO) {
			t.Error(err)
		}
	})
}

// F29: a wait for the disk ends with its context.
func TestF29_IntendReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDisk()
		j := start(t, &d.Disk)
		must(t, j.Intend(t.Context(), intent("x")))
		d.slow.Store(true)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error)
		go func() { errs <- j.Intend(ctx, intent("a")) }()
		go func() { errs <- j.Save(ctx, "idem x", "job") }()
		synctest.Wait()
		cancel(cause)
		for range 2 {
			if err := <-errs; err != cause {
				t.Errorf("want the cause, got %v", err)
			}
		}
		d.slow.Store(false)
		d.ready <- nil
		check(t, "state", unknown, stateOf(t, j, "a"))
		must(t, j.Record(entry("a", none))) // as a run does
		must(t, j.Close())
		after := start(t, d.Kill())
		check(t, "state", none, stateOf(t, after, "a"))
		must(t, after.Close())
	})
}

// What is durable at the same moment at which the context ends is durable.
func TestIntendThatIsDurableInTime(t *testing.T) {
	t.Parallel()
	for range 100 {
		g := &group{done: make(chan struct{})}
		close(g.done)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, g.wait(ctx))
	}
}

// Ends are synced in groups of 100, or after a second.
func TestRecordsAreSyncedInGroups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		j := start(t, d)
		before := d.Count(disktest.Sync)
		syncs := func(want int) {
			t.Helper()
			synctest.Wait()
			check(t, "syncs", want, d.Count(disktest.Sync)-before)
		}
		for i := range 99 {
			must(t, j.Record(entry(key(i), succeeded)))
		}
		syncs(0)
		must(t, j.Record(entry(key(99), succeeded)))
		syncs(1)
		time.Sleep(5 * time.Second) // nothing is left to be synced
		syncs(1)
		must(t, j.Record(entry("a", succeeded)))
		time.Sleep(600 * time.Millisecond)
		must(t, j.Record(entry("b", succeeded)))
		time.Sleep(399 * time.Millisecond)
		syncs(1)
		time.Sleep(time.Millisecond)
		syncs(2)
		check(t, "durable", string(d.Bytes(name)), string(d.Durable(name)))
		var many []windrow.JournalEntry
		for i := range 250 {
			many = append(many, entry(key(i), failed))
		}
		must(t, j.Record(many...))
		syncs(3)
		must(t, j.Record(entry("c", succeeded)))
		must(t, j.Sync())
		syncs(4)
		must(t, j.Sync()) // there is nothing
		syncs(4)
		time.Sleep(5 * time.Second)
		syncs(4)
		must(t, j.Record(entry("d", succeeded)))
		must(t, j.Intend(t.Context(), intent("e"))) // takes it along
		syncs(5)
		time.Sleep(5 * time.Second)
		syncs(5)
		must(t, j.Record(entry("f", succeeded)))
		must(t, j.Close())
		syncs(6)
		check(t, "durable", string(d.Bytes(name)), string(d.Durable(name)))
	})
}

// Record does not wait for the disk, unless it is far behind.
func TestRecordWaitsForADiskThatIsFarBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDisk()
		j := start(t, &d.Disk)
		d.slow.Store(true)
		const records = 3000
		big := strings.Repeat("x", 1000)
		var recorded atomic.Int32
		go func() {
			for i := range records {
				must(t, j.Record(windrow.JournalEntry{Key: key(i), State: succeeded, ID: big}))
				recorded.Add(1)
			}
		}()
		for steps := 0; ; steps++ {
			synctest.Wait()
			now := recorded.Load()
			if now == records {
				break
			}
			// A megabyte is to be written, and as much is being written at the most.
			behind := int(now) - bytes.Count(d.Durable(name), []byte(`"done"`))
			if behind < maxPending/1100 || behind > 2*maxPending/1000+2 {
				t.Fatalf("step %d: %d records of 1 kB were taken that are not durable", steps, behind)
			}
			for i := 0; i < int(now); i += 97 { // some from memory
				check(t, "state", succeeded, stateOf(t, j, key(i)))
			}
			d.ready <- nil
			if steps > records {
				t.Fatal("it stands still")
			}
		}
		d.slow.Store(false)
		synctest.Wait()
		select {
		case d.ready <- nil:
		default:
		}
		must(t, j.Close())
		j = start(t, d.Kill())
		check(t, "last", succeeded, stateOf(t, j, key(records-1)))
		must(t, j.Close())
	})
}

// Sync waits for what is being written, too.
func TestSyncWaitsForWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newSlowDisk()
		j := start(t, &d.Disk)
		d.slow.Store(true)
		var many []windrow.JournalEntry
		for i := range groupSize {
			many = append(many, entry(key(i), succeeded))
		}
		must(t, j.Record(many...))
		synctest.Wait() // the group is being synced
		var done atomic.Int32
		for _, f := range []func() error{j.Sync, j.Close} {
			go func() {
				must(t, f())
				done.Add(1)
			}()
			synctest.Wait()
		}
		check(t, "returned before the sync", int32(0), done.Load())
		d.ready <- nil
		synctest.Wait()
		check(t, "returned after it", int32(2), done.Load())
		check(t, "syncs", 2, d.Count(disktest.Sync)) // the header's, and this
	})
}

// A timer that comes when everything is synced does nothing.
func TestClosedJournal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		j := start(t, d)
		must(t, j.Record(entry("a", succeeded)))
		must(t, j.Close())
		must(t, j.Close())
		time.Sleep(2 * time.Second)
		everyCall(t, j, func(err error) bool { return err == ErrClosed })
		check(t, "syncs", 2, d.Count(disktest.Sync))
		check(t, "closes", 1, d.Count(disktest.Close))
	})
}

// A short write without an error is one even so.
func TestShortWrite(t *testing.T) {
	t.Parallel()
	j := start(t, new(disktest.Disk))
	j.w.file = lazyFile{j.w.file}
	err := j.Intend(t.Context(), intent("a"))
	if failure, ok := errors.AsType[*DiskError](err); !ok || failure.Op != "write" {
		t.Error(err)
	}
	must(t, errors.Join(j.w.file.Close()))
}

// Nothing can be recorded before Begin.
func TestBeginComesFirst(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	j, err := Open(name, "import", on(d))
	must(t, err)
	for _, call := range []string{"Intend", "Save", "Record"} {
		if err := calls[call](t, j); err != errNotBegun {
			t.Errorf("%s: %v", call, err)
		}
	}
	for _, call := range []string{"Find", "Unfinished", "Sync"} {
		must(t, calls[call](t, j))
	}
	if err := j.Begin(windrow.OpGet + 1); err == nil {
		t.Error("an operation that there is not")
	}
	must(t, j.Close())
	check(t, "size", 0, len(d.Bytes(name)))
}

// A record that the reader would not take is not written: one of more than 4 MiB, wherever it comes.
func TestRecordThatIsTooLong(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	j := start(t, d)
	sized := func(key string, size int) windrow.JournalEntry { // of a line, its line feed included
		e := windrow.JournalEntry{Key: key, State: succeeded, ID: "x"}
		empty := len(appendRecord([]byte(room), &record{key: key, state: succeeded, id: "x"})) + 1
		e.ID = strings.Repeat("x", size-empty+1)
		return e
	}
	must(t, j.Record(sized("a", maxRecord), sized("b", maxRecord), sized("c", 1000), sized("d", maxRecord)))
	check(t, "size", 3*maxRecord+1000+lineEnds(d.Bytes(name))[0], len(d.Bytes(name)))
	for _, err := range []error{
		j.Record(entry("e", succeeded), sized("f", maxRecord+1)),
		j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"f"}, IdempotencyKey: strings.Repeat("x", maxRecord-49)}),
	} {
		if err == nil || err.Error() != "journal: a record of 4194305 bytes is more than the 4194304 that fit" {
			t.Errorf("%.200v", err)
		}
	}
	must(t, j.Record(entry("g", succeeded)))
	known := func(of ...string) (keys string) {
		for _, key := range of {
			if stateOf(t, j, key) == succeeded {
				keys += key
			}
		}
		return keys
	}
	check(t, "known", "eg", known("e", "f", "g"))
	check(t, "counts", [5]int{succeeded: 6}, j.book.counts)
	must(t, j.Close())
	j = start(t, d)
	check(t, "known when it is opened again", "abcdeg", known("a", "b", "c", "d", "e", "f", "g"))
	must(t, j.Close())
}

// The number of an attempt is bounded, and what is within the bounds comes back.
func TestAttempts(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	j := start(t, d)
	for _, n := range []int{-1, maxTries + 1} {
		if err := j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"a"}, Attempt: n}); err == nil {
			t.Errorf("attempt %d is taken", n)
		}
	}
	for _, n := range []int{0, 1, maxTries} {
		must(t, j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{key(n)}, Attempt: n}))
	}
	must(t, j.Close())
	j = start(t, d)
	var got []int
	for in, err := range j.Unfinished() {
		must(t, err)
		got = append(got, in.Attempt)
	}
	check(t, "attempts", []int{0, 1, maxTries}, got)
	must(t, j.Close())
}

// What has ended is forgotten: memory holds what is in flight.
func TestWhatIsInFlight(t *testing.T) {
	t.Parallel()
	j := start(t, new(disktest.Disk))
	inFlight := func(what string, keys, intents int) {
		t.Helper()
		check(t, what, []int{keys, intents}, []int{len(j.open), len(j.idem)})
	}
	must(t, j.Intend(t.Context(), intent("a", "b")))
	must(t, j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"c"}}))
	inFlight("begun", 3, 1)
	must(t, j.Record(entry("a", succeeded), entry("c", failed), entry("d", succeeded)))
	inFlight("ended one of two", 1, 1)
	must(t, j.Intend(t.Context(), intent("a", "b"))) // again, with the same idempotency key
	inFlight("begun again", 2, 1)
	must(t, j.Record(entry("a", none)))
	must(t, j.Save(t.Context(), "idem a", "job"))
	must(t, j.Record(entry("b", unknown)))
	inFlight("ended", 0, 0)
	must(t, j.Intend(t.Context(), intent("e", "f")))
	must(t, j.Intend(t.Context(), windrow.JournalIntent{Keys: []string{"e"}, IdempotencyKey: "idem e"}))
	must(t, j.Record(entry("f", succeeded))) // the last of the first intent, while the second has its key
	inFlight("the other with that key is in flight", 1, 1)
	must(t, j.Save(t.Context(), "idem e", "job"))
	must(t, j.Close())
}
