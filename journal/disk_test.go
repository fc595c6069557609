package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// failing returns a disk on which the nth operation of a kind fails.
func failing(kind disktest.Kind, nth int, err error) *disktest.Disk {
	return &disktest.Disk{Fail: func(op disktest.Op) error {
		if op.Kind == kind && op.Nth == nth {
			return err
		}
		return nil
	}}
}

// use works with a journal until something fails, and notes what it was promised: the state that a key must have at the
// least, since it is durable, and all states that it may have.
type use struct {
	sure map[string]windrow.State
	may  map[string][]windrow.State
}

func (u *use) try(key string, s windrow.State) { u.may[key] = append(u.may[key], s) }

func (u *use) run(t testing.TB, d *disktest.Disk) error {
	u.sure, u.may = map[string]windrow.State{}, map[string][]windrow.State{}
	j, err := Open(name, "import", on(d))
	if err != nil {
		return err
	}
	defer j.Close()
	if err := j.Begin(windrow.OpCreate); err != nil {
		return err
	}
	for round := range 3 {
		ended := map[string]windrow.State{}
		for i := range 4 {
			k := key(10*round + i)
			u.try(k, unknown)
			if err := j.Intend(t.Context(), intent(k)); err != nil {
				return err
			}
			u.sure[k] = unknown
			if i == 0 {
				continue
			}
			if i == 2 {
				if err := j.Save(t.Context(), "idem "+k, "job"); err != nil {
					return err
				}
			}
			state := []windrow.State{succeeded, failed, none}[i-1]
			u.try(k, state)
			ended[k] = state
			if err := j.Record(entry(k, state)); err != nil {
				return err
			}
		}
		if err := j.Sync(); err != nil {
			return err
		}
		maps.Copy(u.sure, ended)
	}
	return nil
}

// verify checks what the next process finds.
func (u *use) verify(t testing.TB, d *disktest.Disk) {
	t.Helper()
	j, err := Open(name, "import", on(d))
	must(t, err)
	must(t, j.Begin(windrow.OpCreate))
	for k, may := range u.may {
		got := stateOf(t, j, k)
		sure, promised := u.sure[k]
		ok := got == sure && promised || got == none && !promised
		for _, s := range may {
			ok = ok || s == got && (!promised || sure == unknown)
		}
		if !ok {
			t.Errorf("%s is %v; durable is %v (%v), may be %v", k, got, sure, promised, may)
		}
	}
	must(t, j.Record(entry("later", succeeded)))
	must(t, j.Close())
}

// F54: the disk is full, or fails, at each write, after none, some or all of its bytes. Who waits is told at once, nothing
// is written after it, and what was durable is there for the next process, whatever becomes of the power.
func TestF54_DiskFull(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS} {
		for _, written := range []int{0, 1, 40, 1 << 20} {
			for nth := 1; ; nth++ {
				d := failing(disktest.Write, nth, &disktest.Short{Bytes: written, Err: fault})
				var u use
				err := u.run(t, d)
				if d.Count(disktest.Write) < nth {
					must(t, err)
					break
				}
				failure, ok := errors.AsType[*DiskError](err)
				if !ok || failure.Op != "write" || failure.Path != name || !errors.Is(err, fault) {
					t.Fatalf("write %d: %v", nth, err)
				}
				if n := d.Count(disktest.Write); n != nth {
					t.Errorf("%d writes after write %d failed", n-nth, nth)
				}
				u.verify(t, d.Kill())
				for seed := range uint64(5) {
					u.verify(t, d.LosePower(rand.New(rand.NewPCG(seed, uint64(nth)))))
				}
			}
		}
	}
}

// F54: what fails in the background is the error of every later call, and the last word of Close.
func TestF54_EveryCallSaysSo(t *testing.T) {
	t.Parallel()
	d := failing(disktest.Write, 3, syscall.ENOSPC)
	j := start(t, d)
	must(t, j.Intend(t.Context(), intent("a")))
	must(t, j.Record(entry("a", succeeded)))
	full := func(err error) bool {
		_, ok := errors.AsType[*DiskError](err)
		return ok && errors.Is(err, syscall.ENOSPC) &&
			err.Error() == "journal: "+name+": write: no space left on device: nothing more is recorded; remove the cause and open it again"
	}
	if err := j.Sync(); !full(err) {
		t.Errorf("Sync: %v", err)
	}
	everyCall(t, j, full)
	if err := j.Close(); !full(err) {
		t.Errorf("Close: %v", err)
	}
	check(t, "writes", 3, d.Count(disktest.Write))
	must(t, j.Close())
}

// F54: Close is the last to hear of it.
func TestF54_CloseSaysSo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind disktest.Kind
		nth  int
		op   string
	}{{disktest.Write, 2, "write"}, {disktest.Sync, 2, "sync"}, {disktest.Close, 1, "close"}} {
		j := start(t, failing(test.kind, test.nth, syscall.EIO))
		must(t, j.Record(entry("a", succeeded)))
		err := j.Close()
		if failure, ok := errors.AsType[*DiskError](err); !ok || failure.Op != test.op || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", test.op, err)
		}
	}
}

// F55: a sync that fails is the last one: the next would succeed, and say nothing of what the system had dropped.
func TestF55_SyncFails(t *testing.T) {
	t.Parallel()
	for nth := 1; ; nth++ {
		d := failing(disktest.Sync, nth, syscall.EIO)
		var u use
		err := u.run(t, d)
		if d.Count(disktest.Sync) < nth {
			must(t, err)
			break
		}
		if failure, ok := errors.AsType[*DiskError](err); !ok || failure.Op != "sync" || !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync %d: %v", nth, err)
		}
		check(t, "syncs", nth, d.Count(disktest.Sync))
		u.verify(t, d.Kill())
		for seed := range uint64(5) {
			u.verify(t, d.LosePower(rand.New(rand.NewPCG(seed, uint64(nth)))))
		}
	}
}

// F55: what a failed write or sync left in the file is cut off. Otherwise the next process would read it, since the system
// has it in memory, and write behind it; and when the power fails then, there is a hole.
func TestF55_WhatFailedIsCutOff(t *testing.T) {
	t.Parallel()
	for _, kind := range []disktest.Kind{disktest.Write, disktest.Sync} {
		d := &disktest.Disk{}
		d.Fail = func(op disktest.Op) error {
			if op.Kind != kind || op.Nth != 4 {
				return nil
			}
			if kind == disktest.Write {
				return &disktest.Short{Bytes: 10, Err: syscall.EIO}
			}
			return syscall.EIO
		}
		j := start(t, d)
		must(t, j.Intend(t.Context(), intent("a")))
		must(t, j.Intend(t.Context(), intent("b")))
		before := d.Bytes(name)
		check(t, "operations", 3, d.Count(kind))
		if err := j.Intend(t.Context(), intent("c")); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		check(t, string(kind)+": the file", string(before), string(d.Bytes(name)))
		_ = j.Close() // with the same error

		next := d.Kill()
		j = start(t, next)
		check(t, "c", none, stateOf(t, j, "c"))
		must(t, j.Intend(t.Context(), intent("d")))
		for seed := range uint64(5) {
			after := start(t, next.LosePower(rand.New(rand.NewPCG(seed, 1))))
			for key, want := range map[string]windrow.State{"a": unknown, "b": unknown, "c": none, "d": unknown} {
				check(t, string(kind)+": "+key, want, stateOf(t, after, key))
			}
			must(t, after.Close())
		}
		must(t, j.Close())
	}
}

// F55: every later call says so.
func TestF55_EveryCallSaysSo(t *testing.T) {
	t.Parallel()
	d := failing(disktest.Sync, 3, syscall.EIO)
	j := start(t, d)
	must(t, j.Intend(t.Context(), intent("a")))
	broken := func(err error) bool { return errors.Is(err, syscall.EIO) }
	if err := j.Intend(t.Context(), intent("b")); !broken(err) {
		t.Error(err)
	}
	everyCall(t, j, broken)
	if err := j.Close(); !broken(err) {
		t.Error(err)
	}
	check(t, "syncs", 3, d.Count(disktest.Sync))
}

// The power fails at each operation. (A program that is told of it there has done by then what one could do that is not.)
func TestF52_F58_PowerFails(t *testing.T) {
	t.Parallel()
	for stop := 1; ; stop++ {
		ops := 0
		d := &disktest.Disk{}
		d.Fail = func(op disktest.Op) error {
			if op.Kind == disktest.Read || op.Kind == disktest.Close {
				return nil
			}
			if ops++; ops == stop && op.Kind == disktest.Write {
				return &disktest.Short{Bytes: stop % 50, Err: disktest.ErrGone}
			}
			if ops >= stop {
				return disktest.ErrGone
			}
			return nil
		}
		var u use
		if err := u.run(t, d); err == nil {
			break
		}
		for seed := range uint64(20) {
			u.verify(t, d.LosePower(rand.New(rand.NewPCG(seed, uint64(stop)))))
		}
	}
}

// F58: what was begun and has not ended is Unknown.
func TestF58_BegunAndNotEnded(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	j := start(t, d)
	must(t, j.Intend(t.Context(), intent("a")))
	must(t, j.Intend(t.Context(), intent("b", "c")))
	must(t, j.Record(entry("a", succeeded), entry("c", succeeded)))
	must(t, j.Sync())
	must(t, j.Intend(t.Context(), intent("d")))
	must(t, j.Record(entry("d", succeeded))) // and is killed before that is durable
	after := d.LosePower(rand.New(rand.NewPCG(1, 1)))
	must(t, j.Close())
	j = start(t, after)
	for k, want := range map[string]windrow.State{"a": succeeded, "b": unknown, "c": succeeded, "d": unknown} {
		check(t, k, want, stateOf(t, j, k))
	}
	check(t, "unfinished", []string{"idem b", "idem d"}, idems(t, j))
	must(t, j.Close())
}

// F59: keys are found in any order.
func TestF59_OtherOrder(t *testing.T) {
	t.Parallel()
	const n = 1000
	d := new(disktest.Disk)
	j := start(t, d)
	for i := range n {
		must(t, j.Record(windrow.JournalEntry{Key: key(i), State: succeeded, ID: fmt.Sprint(i)}))
	}
	must(t, j.Close())
	j = start(t, d)
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(2 * n) {
		want := windrow.JournalEntry{Key: key(i)}
		if i < n {
			want.State, want.ID = succeeded, fmt.Sprint(i)
		}
		got, err := j.Find(key(i))
		must(t, err)
		check(t, "entry", want, got)
	}
	must(t, j.Close())
}

// Keys that are looked up in the order in which they were recorded take few reads, and one that is asked for again none.
func TestKeysInOrderTakeFewReads(t *testing.T) {
	t.Parallel()
	const n = 1000
	d := new(disktest.Disk)
	j := start(t, d)
	for i := range n {
		must(t, j.Record(entry(key(i), succeeded)))
	}
	must(t, j.Close())
	j = start(t, d)
	before := d.Count(disktest.Read)
	for i := range n {
		check(t, "state", succeeded, stateOf(t, j, key(i)))
	}
	reads := d.Count(disktest.Read) - before
	if most := len(d.Bytes(name))/aheadBytes + 3; reads > most {
		t.Errorf("%d reads, want at most %d", reads, most)
	}
	stateOf(t, j, key(7))
	before = d.Count(disktest.Read)
	check(t, "state", succeeded, stateOf(t, j, key(7)))
	check(t, "reads for the same key", 0, d.Count(disktest.Read)-before)
	must(t, j.Close())
}

// F60: the entry of a new file in its folder is durable before anything can be recorded in it, also when who made the
// file was killed before.
func TestF60_TheEntryInTheFolder(t *testing.T) {
	t.Parallel()
	d := failing(disktest.SyncDir, 1, syscall.EIO)
	_, err := Open(name, "import", on(d))
	if failure, ok := errors.AsType[*DiskError](err); !ok || failure.Op != "sync" || !errors.Is(err, syscall.EIO) {
		t.Errorf("the folder cannot be synced: %v", err)
	}
	if d.Durable(name) != nil {
		t.Fatal("the entry is durable, the test says nothing")
	}
	j := start(t, d)
	must(t, j.Intend(t.Context(), intent("a")))
	for seed := range uint64(20) {
		after := start(t, d.LosePower(rand.New(rand.NewPCG(seed, 3))))
		check(t, "state after the loss of power", unknown, stateOf(t, after, "a"))
		must(t, after.Close())
	}
	must(t, j.Close())
}

// The file cannot be opened, read or cut.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	for _, test := range []struct {
		kind disktest.Kind
		err  error
		text string
	}{
		{disktest.Open, fs.ErrPermission, "open: permission denied"},
		{disktest.Open, syscall.EROFS, "open: read-only file system"},
		{disktest.Open, syscall.ENOSPC, "open: no space left on device"},
		{disktest.Read, syscall.EIO, "read: input/output error"},
		{disktest.Truncate, syscall.EROFS, "write: read-only file system: nothing more is recorded"},
		{disktest.Sync, syscall.EIO, "sync: input/output error"},
		{disktest.SyncDir, syscall.EIO, "sync: input/output error"},
	} {
		d := failing(test.kind, 1, test.err)
		d.Put(name, data[:len(data)-3])
		_, err := Open(name, "import", on(d))
		if _, ok := errors.AsType[*DiskError](err); !ok || !errors.Is(err, test.err) || !strings.HasPrefix(err.Error(), "journal: "+name+": "+test.text) {
			t.Errorf("%s: %v", test.kind, err)
		}
		j, err := Open(name, "import", on(d))
		if err != nil {
			t.Errorf("%s: it stays locked: %v", test.kind, err)
			continue
		}
		must(t, j.Close())
	}
}

// Reading fails while the journal is in use.
func TestFindFails(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	d := new(disktest.Disk)
	d.Put(name, data)
	j := start(t, d)
	fails := true
	d.Fail = func(op disktest.Op) error {
		if op.Kind == disktest.Read && fails {
			return syscall.EIO
		}
		return nil
	}
	for _, call := range []string{"Find", "Unfinished"} {
		err := calls[call](t, j)
		if failure, ok := errors.AsType[*DiskError](err); !ok || failure.Op != "read" || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", call, err)
		}
	}
	for what, err := range map[string]error{
		"Intend": j.Intend(t.Context(), intent("a")),
		"Record": j.Record(entry("c", failed)),
		"Save":   j.Save(t.Context(), "idem d", "job"),
	} {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", what, err)
		}
	}
	fails = false
	check(t, "afterwards", succeeded, stateOf(t, j, "a"))
	must(t, j.Record(entry("c", failed)))
	must(t, j.Close())
}

// A sync that fails takes all from the file that was not synced before, also what was written earlier without a sync.
func TestFailedSyncLeavesNoHole(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	j := start(t, d)
	must(t, j.Intend(t.Context(), intent("a")))
	synced := len(d.Durable(name))
	repeatable := intent("b")
	repeatable.Repeatable = true
	must(t, j.Intend(t.Context(), repeatable))
	if len(d.Bytes(name)) == synced {
		t.Fatal("the intent is not in the file, the test says nothing")
	}
	d.Fail = func(op disktest.Op) error {
		if op.Kind == disktest.Sync {
			return syscall.EIO
		}
		return nil
	}
	if err := j.Intend(t.Context(), intent("c")); !errors.Is(err, syscall.EIO) {
		t.Errorf("the sync fails: %v", err)
	}
	check(t, "bytes in the file", synced, len(d.Bytes(name)))
	if err := j.Close(); err == nil {
		t.Error("Close says nothing")
	}
}
