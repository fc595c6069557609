package journal

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

const (
	none      = windrow.NotAttempted
	succeeded = windrow.Succeeded
	failed    = windrow.Failed
	skipped   = windrow.Skipped
	unknown   = windrow.Unknown
)

// name is the path of journals on disks in memory.
const name = "/var/lib/import.journal"

// on returns the option for a disk in memory.
func on(d *disktest.Disk) Option { return onDisk(d) }

// start opens a journal on a disk and begins it.
func start(t testing.TB, d disk.Disk, opts ...Option) *Journal {
	t.Helper()
	j, err := Open(name, "import", append(opts, onDisk(d))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(windrow.OpCreate); err != nil {
		t.Fatal(err)
	}
	return j
}

// must fails the test if there is an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func intent(keys ...string) windrow.JournalIntent {
	return windrow.JournalIntent{Keys: keys, IdempotencyKey: "idem " + keys[0], Attempt: 1}
}

func entry(key string, state windrow.State) windrow.JournalEntry {
	return windrow.JournalEntry{Key: key, State: state}
}

// check compares what is with what is to be.
func check[T any](t testing.TB, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// stateOf returns the state of a key.
func stateOf(t testing.TB, j *Journal, key string) windrow.State {
	t.Helper()
	e, err := j.Find(key)
	must(t, err)
	return e.State
}

// sample returns a journal with all kinds of records, and what is known after each of its lines.
func sample(t testing.TB) (data []byte, known []map[string]windrow.State) {
	t.Helper()
	d := new(disktest.Disk)
	j := start(t, d)
	now := map[string]windrow.State{}
	known = append(known, maps.Clone(now))
	add := func(err error, states ...any) {
		t.Helper()
		must(t, err)
		for i := 0; i < len(states); i += 2 {
			now[states[i].(string)] = states[i+1].(windrow.State)
		}
		known = append(known, maps.Clone(now))
	}
	add(j.Intend(t.Context(), intent("a", "b")), "a", unknown, "b", unknown)
	add(j.Record(windrow.JournalEntry{Key: "a", State: succeeded, ID: "4711", Fingerprint: "f"}), "a", succeeded)
	add(j.Save(t.Context(), "idem a", "job"))
	add(j.Record(entry("J*\n\x00Grüße", failed)), "J*\n\x00Grüße", failed)
	add(j.Record(entry("b", unknown)), "b", unknown)
	add(j.Intend(t.Context(), intent("b")), "b", unknown)
	add(j.Record(windrow.JournalEntry{Key: "c", State: skipped, Reason: windrow.ReasonUnchanged}), "c", skipped)
	add(j.Record(entry("b", none)), "b", none)
	add(j.Intend(t.Context(), intent("d")), "d", unknown)
	must(t, j.Close())
	return d.Bytes(name), known
}

// lines returns where the lines of a file end.
func lineEnds(data []byte) (ends []int) {
	for i, c := range data {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return ends
}

// states returns what a journal knows of all keys of the sample.
func states(t testing.TB, j *Journal, keys map[string]windrow.State) map[string]windrow.State {
	t.Helper()
	got := map[string]windrow.State{}
	for key := range keys {
		e, err := j.Find(key)
		must(t, err)
		got[key] = e.State
	}
	return got
}

// full returns want with none for the keys of all that it does not have.
func full(all, want map[string]windrow.State) map[string]windrow.State {
	got := map[string]windrow.State{}
	for key := range all {
		got[key] = want[key]
	}
	return got
}

// idems returns the idempotency keys of the intents that are unfinished.
func idems(t testing.TB, j *Journal) (keys []string) {
	t.Helper()
	for in, err := range j.Unfinished() {
		must(t, err)
		keys = append(keys, in.IdempotencyKey)
	}
	return keys
}

// calls are all ways to ask a journal for something.
var calls = map[string]func(t testing.TB, j *Journal) error{
	"Begin": func(_ testing.TB, j *Journal) error { return j.Begin(windrow.OpCreate) },
	"Find":  func(_ testing.TB, j *Journal) error { _, err := j.Find("a"); return err },
	"Unfinished": func(_ testing.TB, j *Journal) error {
		for _, err := range j.Unfinished() {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"Intend": func(t testing.TB, j *Journal) error { return j.Intend(t.Context(), intent("z")) },
	"Save":   func(t testing.TB, j *Journal) error { return j.Save(t.Context(), "idem a", "job") },
	"Record": func(_ testing.TB, j *Journal) error { return j.Record(entry("z", succeeded)) },
	"Sync":   func(_ testing.TB, j *Journal) error { return j.Sync() },
}

// everyCall checks the error of all calls.
func everyCall(t testing.TB, j *Journal, check func(error) bool) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		if err := calls[name](t, j); !check(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// flip returns a copy in which a bit is changed.
func flip(data []byte, bit int) []byte {
	data = slices.Clone(data)
	data[bit/8] ^= 1 << (bit % 8)
	return data
}

func key(i int) string { return fmt.Sprint("key ", i) }

// lazyFile writes half of what it is given.
type lazyFile struct{ disk.File }

func (f lazyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.File.WriteAt(p[:len(p)/2], off)
}
