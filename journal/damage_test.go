package journal

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// F52: the last record is torn, at any byte. What is before is known, and the journal goes on after it.
func TestF52_TornLastRecord(t *testing.T) {
	t.Parallel()
	data, known := sample(t)
	ends := lineEnds(data)
	all := known[len(known)-1]
	for size := range len(data) + 1 {
		for _, zeros := range []int{0, size % 3 * 700} { // what a system leaves that had no time to write
			d := new(disktest.Disk)
			d.Put(name, slices.Concat(data[:size], make([]byte, zeros)))
			whole := 0 // lines
			for whole < len(ends) && ends[whole] <= size {
				whole++
			}
			i, err := inspect(name, d, hashOf)
			must(t, err)
			j, err := Open(name, "import", on(d))
			if err != nil {
				t.Fatalf("%d bytes and %d zeros: %v", size, zeros, err)
			}
			must(t, j.Begin(windrow.OpCreate))
			want, good := full(all, nil), 0
			if whole > 0 {
				want, good = full(all, known[whole-1]), ends[whole-1]
			}
			check(t, "states", want, states(t, j, all))
			check(t, "bytes to be cut off", int64(size+zeros-good), i.Torn)
			must(t, j.Record(entry("new", succeeded)))
			must(t, j.Close())
			if !bytes.HasPrefix(d.Bytes(name), data[:good]) {
				t.Errorf("%d bytes: what was good has changed", size)
			}
			j = start(t, d)
			check(t, "states after another restart", want, states(t, j, all))
			check(t, "what was added", succeeded, stateOf(t, j, "new"))
			must(t, j.Close())
		}
	}
}

// F53: each bit that is changed is found, and the line that it is in is named.
func TestF53_EveryBitThatIsChanged(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	start := 0
	for line, end := range lineEnds(data) {
		for bit := start * 8; bit < end*8; bit++ {
			damaged := flip(data, bit)
			d := new(disktest.Disk)
			d.Put(name, damaged)
			_, err := Open(name, "import", on(d))
			corrupt, ok := errors.AsType[*CorruptError](err)
			if !ok || !errors.Is(err, ErrCorrupt) {
				t.Fatalf("bit %d of line %d: %v", bit-start*8, line+1, err)
			}
			if corrupt.Offset != int64(start) || corrupt.Line != uint64(line+1) || corrupt.Path != name {
				t.Fatalf("bit %d of line %d, which begins at byte %d: %v", bit-start*8, line+1, start, err)
			}
			problem := errChecksum
			if line == 0 {
				problem = errBeginning
			}
			if corrupt.Problem != problem.Error() {
				t.Fatalf("bit %d of line %d: %v, want that %v", bit-start*8, line+1, err, problem)
			}
			if _, err := inspect(name, d, hashOf); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("Inspect of bit %d: %v", bit, err)
			}
			if !bytes.Equal(d.Bytes(name), damaged) {
				t.Fatal("the file was changed")
			}
		}
		start = end
	}
}

// F53: a line that is gone, came twice, or changed its place.
func TestF53_LinesThatMoved(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines = lines[:len(lines)-1]
	refused := func(what string, lines [][]byte, line int) {
		t.Helper()
		d := new(disktest.Disk)
		d.Put(name, slices.Concat(lines...))
		_, err := Open(name, "import", on(d))
		if corrupt, ok := errors.AsType[*CorruptError](err); !ok || corrupt.Line != uint64(line+1) {
			t.Errorf("line %d %s: %v", line+1, what, err)
		}
	}
	for i := range len(lines) - 1 {
		refused("is gone", slices.Delete(slices.Clone(lines), i, i+1), i)
		swapped := slices.Clone(lines)
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
		refused("is another", swapped, i)
	}
	for i := range lines {
		refused("comes twice", slices.Insert(slices.Clone(lines), i, lines[i]), min(i+1, len(lines)))
	}
}

// F53: the line feed of the last line is changed. A torn line never looks like that.
func TestF53_TheLastLineFeed(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	header := data[:lineEnds(data)[0]]
	for _, data := range [][]byte{data, header} {
		for c := range 256 {
			if c == '\n' || c == 0 {
				continue
			}
			damaged := slices.Clone(data)
			damaged[len(damaged)-1] = byte(c)
			d := new(disktest.Disk)
			d.Put(name, damaged)
			if _, err := Open(name, "import", on(d)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("the last byte is %q: %v", rune(c), err)
			}
		}
		d := new(disktest.Disk)
		damaged := slices.Clone(data)
		damaged[len(damaged)-1] = 0 // was never written
		d.Put(name, damaged)
		j, err := Open(name, "import", on(d))
		must(t, err)
		must(t, j.Close())
	}
}

// A file that is no journal is not touched.
func TestF53_AFileOfAnotherKind(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"x", "\n", "{}", `{"v":1}`, `{"articles":[1,2,3]}` + "\n", "id,title\n1,a\n", "0123456", "12345678x", "12345678 {\"w\":1", "ABCDEF01 ",
		"deadbeef {\"x", "deadbeef {\"v\":1,\"job\":\"import\"}\n", "\x7fELF", strings.Repeat("a line that never ends ", 1000),
	} {
		d := new(disktest.Disk)
		d.Put(name, []byte(text))
		_, err := Open(name, "import", on(d))
		beginning := strings.Trim(text, "0123456789") == "" // of a checksum
		if corrupt, ok := errors.AsType[*CorruptError](err); !beginning && (!ok || corrupt.Offset != 0) {
			t.Errorf("%.20q: %v", text, err)
		}
		if got := string(d.Bytes(name)); !beginning && got != text {
			t.Errorf("%.20q became %.20q", text, got)
		}
	}
}

// Lines with a good checksum that say what cannot be.
func TestF53_RecordsThatCannotBe(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	header := data[:lineEnds(data)[0]]
	for _, test := range []struct{ record, problem string }{
		{`{"t":"done","k":"a","p":7}`, errLost.Error()},
		{`{"t":"intent","k":["a","b"],"a":1,"p":[0,9]}`, errLost.Error()},
		{`{"t":"intent","k":["a","b","a"],"a":1}`, errTwice.Error()},
		{`{"t":"intent","k":["a","b","a"],"a":1,"p":[0,0,-1]}`, ""},
		{`{"t":"done","k":"a"}|{"t":"fail","k":"a"}`, errTwice.Error()},
		{`{"t":"intent","k":["b","a"],"a":1}|{"t":"intent","k":["a"],"a":1}`, errTwice.Error()},
		{`{"t":"done","k":"a"}|{"t":"fail","k":"b"}`, ""},
		{`{"t":"done","k":"a","x":1}`, errForm.Error()},
		{``, errForm.Error()},
	} {
		for _, hash := range []func(string) uint32{hashOf, func(string) uint32 { return 7 }} {
			d, file, last := new(disktest.Disk), slices.Clone(header), 0
			for i, record := range strings.Split(test.record, "|") {
				last = len(file)
				file = seal(append(file, room+record...), len(file), uint64(i+1))
			}
			d.Put(name, file)
			_, err := inspect(name, d, hash)
			corrupt, ok := errors.AsType[*CorruptError](err)
			if ok != (test.problem != "") || ok && (corrupt.Problem != test.problem || corrupt.Offset != int64(last)) {
				t.Errorf("%s: %v", test.record, err)
			}
		}
	}
}

// A line without an end is not read into memory for ever.
func TestF53_ALineThatIsTooLong(t *testing.T) {
	t.Parallel()
	data, _ := sample(t)
	header := data[:lineEnds(data)[0]]
	d := new(disktest.Disk)
	d.Put(name, append(slices.Clone(header), bytes.Repeat([]byte("x"), 3*maxRecord)...))
	_, err := Open(name, "import", on(d))
	if corrupt, ok := errors.AsType[*CorruptError](err); !ok || corrupt.Problem != errLong.Error() || corrupt.Line != 2 {
		t.Error(err)
	}
}

// F57: the journal of something else is refused, and both are named.
func TestF57_TheJournalOfAnother(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	j := start(t, d, KeyScheme("slug"), Version(2))
	must(t, j.Record(entry("a", succeeded)))
	must(t, j.Close())
	before := d.Bytes(name)
	for _, test := range []struct {
		job  string
		opts []Option
		op   windrow.OpKind
		want MismatchError
		text string
	}{
		{"export", []Option{KeyScheme("slug"), Version(2)}, windrow.OpCreate, MismatchError{name, "job", `"import"`, `"export"`},
			`its job is "import", not "export"`},
		{"import", []Option{KeyScheme("sku"), Version(2)}, windrow.OpCreate, MismatchError{name, "key scheme", `"slug"`, `"sku"`},
			`its key scheme is "slug", not "sku"`},
		{"import", []Option{Version(2)}, windrow.OpCreate, MismatchError{name, "key scheme", `"slug"`, `""`}, `its key scheme is "slug", not ""`},
		{"import", []Option{KeyScheme("slug"), Version(3)}, windrow.OpCreate, MismatchError{name, "version", "2", "3"}, "its version is 2, not 3"},
		{"import", []Option{KeyScheme("slug")}, windrow.OpCreate, MismatchError{name, "version", "2", "0"}, "its version is 2, not 0"},
		{"import", []Option{KeyScheme("slug"), Version(2)}, windrow.OpDelete, MismatchError{name, "verb", "create", "delete"}, "its verb is create, not delete"},
	} {
		j, err := Open(name, test.job, append(test.opts, on(d))...)
		if err == nil {
			err = j.Begin(test.op)
			must(t, j.Close())
		}
		got, ok := errors.AsType[*MismatchError](err)
		if !ok || !errors.Is(err, ErrMismatch) {
			t.Errorf("%+v: %v", test, err)
			continue
		}
		check(t, "error", test.want, *got)
		if !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not say %q", err, test.text)
		}
		check(t, "the file", string(before), string(d.Bytes(name)))
	}
	j = start(t, d, KeyScheme("slug"), Version(2))
	check(t, "its own", succeeded, stateOf(t, j, "a"))
	must(t, j.Close())
}

// F57: a newer format.
func TestF57_ANewerFormat(t *testing.T) {
	t.Parallel()
	d := new(disktest.Disk)
	d.Put(name, seal([]byte(room+`{"v":2,"job":"import","anything":"else"}`), 0, 0))
	_, err := Open(name, "import", on(d))
	if got, ok := errors.AsType[*MismatchError](err); !ok || *got != (MismatchError{name, "format version", "2", "1"}) {
		t.Error(err)
	}
}

// Lines end anywhere in what is read at once.
func TestLinesAtTheEndOfAChunk(t *testing.T) {
	t.Parallel()
	for _, chunks := range []int{1, 2} {
		for delta := -3; delta <= 3; delta++ {
			d := new(disktest.Disk)
			j := start(t, d)
			size := func() int {
				must(t, j.Sync())
				return len(d.Bytes(name))
			}
			empty := func() int {
				before := size()
				must(t, j.Record(windrow.JournalEntry{Key: "a", State: succeeded, ID: "x"}))
				return size() - before - 1
			}()
			must(t, j.Record(windrow.JournalEntry{Key: "b", State: succeeded, ID: strings.Repeat("y", chunks*chunk+delta-size()-empty-1)}))
			check(t, "end of the line", chunks*chunk+delta-1, size())
			must(t, j.Record(entry("c", failed)))
			must(t, j.Close())
			j = start(t, d)
			check(t, "states", []windrow.State{succeeded, succeeded, failed}, []windrow.State{stateOf(t, j, "a"), stateOf(t, j, "b"), stateOf(t, j, "c")})
			i, err := inspect(name, d, hashOf)
			must(t, err)
			check(t, "entries", 3, len(entries(t, i)))
			must(t, j.Close())
		}
	}
}

// A journal can be one of any operation.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	for op := windrow.OpDo; op <= windrow.OpGet; op++ {
		d := new(disktest.Disk)
		for range 2 {
			j, err := Open(name, "import", on(d))
			must(t, err)
			must(t, j.Begin(op))
			must(t, j.Close())
		}
	}
}
