package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// entries returns what an inspection lists.
func entries(t testing.TB, i *Inspection, states ...windrow.State) (all []windrow.JournalEntry) {
	t.Helper()
	for e, err := range i.Entries(states...) {
		must(t, err)
		all = append(all, e)
	}
	return all
}

func TestInspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := new(disktest.Disk)
		j, err := Open(name, "import", on(d), KeyScheme("slug"), Version(7))
		must(t, err)
		i, err := inspect(name, d, hashOf)
		must(t, err)
		check(t, "job before Begin", "", i.Job)
		check(t, "created before Begin", time.Time{}, i.Created)
		check(t, "entries before Begin", 0, len(entries(t, i)))
		began := time.Now()
		must(t, j.Begin(windrow.OpDelete))
		must(t, j.Intend(t.Context(), intent("a", "b", "c")))
		must(t, j.Record(windrow.JournalEntry{Key: "b", State: succeeded, ID: "7", Fingerprint: "f"}, entry("d", failed)))
		must(t, j.Record(windrow.JournalEntry{Key: "e", State: skipped, Reason: windrow.ReasonNotFound}, entry("d", succeeded), entry("c", none)))
		must(t, j.Intend(t.Context(), intent("f")))
		must(t, j.Record(entry("f", unknown)))
		must(t, j.Save(t.Context(), "idem a", "job"))
		i, err = inspect(name, d, hashOf) // while it is open
		must(t, err)
		must(t, j.Record(entry("g", succeeded)))
		must(t, j.Close())
		check(t, "header", []any{name, "import", windrow.OpDelete, "slug", 7, true, int64(0)},
			[]any{i.Path, i.Job, i.Op, i.KeyScheme, i.Version, i.Created.Equal(began), i.Torn})
		check(t, "counts", []int{2, 0, 1, 2, 1, 6, 4, 0},
			[]int{i.Count(succeeded), i.Count(failed), i.Count(skipped), i.Count(unknown), i.Count(none), i.Count(succeeded, failed, skipped, unknown, none), i.Count(succeeded, unknown), i.Count()})
		all := []windrow.JournalEntry{
			{Key: "b", State: succeeded, ID: "7", Fingerprint: "f"},
			{Key: "e", State: skipped, Reason: windrow.ReasonNotFound},
			entry("d", succeeded), entry("c", none), entry("f", unknown), entry("a", unknown),
		}
		check(t, "entries", all, entries(t, i))
		check(t, "entries that are done", []windrow.JournalEntry{all[0], all[2]}, entries(t, i, succeeded))
		check(t, "entries that are unknown or none", all[3:], entries(t, i, unknown, none))
		check(t, "entries that failed", 0, len(entries(t, i, failed)))
		for range i.Entries() {
			break
		}
		var unfinished []windrow.JournalIntent
		for in, err := range i.Unfinished() {
			must(t, err)
			unfinished = append(unfinished, in)
		}
		a := intent("a", "b", "c")
		a.Handle = "job"
		check(t, "unfinished", []windrow.JournalIntent{a, intent("f")}, unfinished)
		for range i.Unfinished() {
			break
		}
		check(t, "opened and closed", d.Count(disktest.View)+d.Count(disktest.Open), d.Count(disktest.Close))
	})
}

// What cannot be read is said.
func TestInspectFails(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	d := new(disktest.Disk)
	if _, err := inspect(name, d, hashOf); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	d.Put(name, data)
	i, err := inspect(name, d, hashOf)
	must(t, err)
	var fault disktest.Kind
	d.Fail = func(op disktest.Op) error {
		if op.Kind == fault {
			return syscall.EIO
		}
		return nil
	}
	for kind, op := range map[disktest.Kind]string{disktest.View: "open", disktest.Read: "read", disktest.Close: "close"} {
		fault = kind
		for what, err := range map[string]error{
			"Inspect":    second(inspect(name, d, hashOf)),
			"Entries":    lastError(i.Entries()),
			"Unfinished": lastError(i.Unfinished()),
		} {
			if failure, ok := errors.AsType[*DiskError](err); !ok || failure.Op != op || failure.Path != name || !errors.Is(err, syscall.EIO) {
				t.Errorf("%s when %s fails: %v", what, kind, err)
			}
		}
	}
	fault = ""
	damaged := bytes.Replace(data, []byte(`"fail"`), []byte(`"flop"`), 1)
	d.Put(name, damaged) // while it is being inspected
	corrupt, ok := errors.AsType[*CorruptError](lastError(i.Entries()))
	if want := lineOfText(damaged, "flop"); !ok || corrupt.Line != want {
		t.Errorf("changed meanwhile: %v, want line %d", corrupt, want)
	}
	d.Put(name, data[:len(data)-10])
	if err := lastError(i.Entries()); err == nil {
		t.Error("it was shortened meanwhile, and nobody says so")
	}
}

func lastError[T any](seq func(func(T, error) bool)) (failure error) {
	for _, err := range seq {
		failure = err
	}
	return failure
}

func lineOfText(data []byte, text string) uint64 {
	before, _, _ := bytes.Cut(data, []byte(text))
	return uint64(bytes.Count(before, []byte("\n")) + 1)
}

// The documentation shows what a journal really looks like.
func TestTheFileInTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("doc.go")
	must(t, err)
	var data strings.Builder
	for line := range strings.Lines(string(text)) {
		if line, ok := strings.CutPrefix(line, "//\t"); ok && len(line) > 9 && line[8:10] == " {" {
			data.WriteString(line)
		}
	}
	d := new(disktest.Disk)
	d.Put(name, []byte(data.String()))
	j, err := Open(name, "import articles", on(d))
	must(t, err)
	got, err := j.Find("a1")
	must(t, err)
	check(t, "entry", windrow.JournalEntry{Key: "a1", State: succeeded, ID: "4711"}, got)
	must(t, j.Begin(windrow.OpCreate))
	must(t, j.Close())
}
