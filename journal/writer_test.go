package journal

import (
	"io"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// A buffer is used again, but one that had to hold many megabytes once is given back.
func TestBuffersAreKeptWhileTheyAreSmall(t *testing.T) {
	t.Parallel()
	j := start(t, new(disktest.Disk))
	spare := func() int {
		must(t, j.Sync())
		j.w.mu.Lock()
		defer j.w.mu.Unlock()
		return cap(j.w.spare)
	}
	must(t, j.Record(entry("a", succeeded)))
	if size := spare(); size == 0 || size > maxSpare {
		t.Errorf("%d bytes are kept, want what a record takes", size)
	}
	big := windrow.JournalEntry{Key: "b", State: succeeded, ID: strings.Repeat("x", maxRecord/2)}
	must(t, j.Record(big, big, big))
	if size := spare(); size != 0 {
		t.Errorf("%d bytes are kept, want none of so many", size)
	}
	must(t, j.Close())
}

// What is being written is read from memory: the file may have a part of it.
func TestReadingWhatIsBeingWritten(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	d.Put(name, []byte("written+part"))
	f, err := d.Open(name)
	must(t, err)
	w := &writer{path: name, file: f, from: 11, flight: []byte("+fly"), pending: []byte("+wait")}
	for _, test := range []struct {
		at   int64
		size int
		want string
	}{
		{0, 4, "writ"}, {0, 99, "written"}, {6, 99, "n"}, {6, 1, "n"},
		{7, 99, "+fly"}, {7, 2, "+f"}, {10, 99, "y"}, {11, 99, "+wait"}, {15, 99, "t"},
	} {
		p := make([]byte, test.size)
		n, err := w.read(p, test.at)
		must(t, err)
		check(t, "read", test.want, string(p[:n]))
	}
	if n, err := w.read(make([]byte, 99), 16); n != 0 || err != io.EOF {
		t.Errorf("%d bytes behind the end, %v", n, err)
	}
	must(t, f.Close())
}

// A file can have no more bytes than the index can tell apart: before that, nothing is written.
func TestFull(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	f, err := d.Open(name)
	must(t, err)
	r := record{key: "a", state: succeeded}
	size := int64(len(room) + len(appendRecord(nil, &r)) + 1)
	w := &writer{path: name, file: f, from: maxSize - size + 1}
	if _, err := w.add(&r); err != errFull {
		t.Errorf("a byte behind the last place: %v, want %v", err, errFull)
	}
	w.from--
	offset, err := w.add(&r)
	must(t, err)
	check(t, "the last place", maxSize-size, refTo(offset, succeeded).offset())
	if _, err = w.add(&r); err != errFull {
		t.Errorf("behind the last place: %v, want %v", err, errFull)
	}
	check(t, "bytes to be written", size, int64(len(w.pending)))
	if _, err := readAll(name, sized{f, maxSize + 1}, hashOf); err != errFull {
		t.Errorf("a larger file: %v, want %v", err, errFull)
	}
	must(t, f.Close())
}

// sized is a file of some size.
type sized struct {
	disk.File
	size int64
}

func (s sized) Size() (int64, error) { return s.size, nil }
