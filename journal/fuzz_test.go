package journal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/disk/disktest"
)

// Whatever a file holds, reading it never panics. What is read without an error is what was written, byte by byte, up
// to a torn end; and a journal that opens works.
func FuzzRead(f *testing.F) {
	data, _ := sample(f)
	f.Add(data, false)
	f.Add(data[:len(data)-5], false)
	f.Add(flip(data, 1000), false)
	f.Add([]byte{}, false)
	f.Add([]byte("not a journal\n"), false)
	var records []byte // without the checksums, which the fuzzer cannot guess
	for line := range bytes.Lines(data) {
		records = append(records, line[prefixLength:]...)
	}
	f.Add(records, true)
	f.Add(records[:len(records)-5], true)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed {
			data = sealAll(data)
		}
		d := new(disktest.Disk)
		d.Put(name, data)
		file, err := d.View(name)
		must(t, err)
		c, err := readAll(name, file, hashOf)
		if err != nil {
			known := errors.Is(err, ErrCorrupt) || errors.Is(err, ErrMismatch)
			if _, ok := errors.AsType[*DiskError](err); !known || ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		good := data[:c.end]
		if bytes.IndexByte(data[c.end:], '\n') >= 0 {
			t.Fatalf("a whole line was cut off: %q", data[c.end:])
		}
		check(t, "written again", string(good), string(rewritten(t, c, file)))
		if !c.begun {
			check(t, "bytes without a header", int64(0), c.end)
			return
		}
		works(t, d, c.header)
		if !bytes.HasPrefix(d.Bytes(name), good) {
			t.Fatal("what was good was changed")
		}
	})
}

// sealAll gives each line its checksum.
func sealAll(records []byte) (data []byte) {
	number := uint64(0)
	for line := range bytes.Lines(records) {
		whole := line[len(line)-1] == '\n'
		data = seal(append(append(data, room...), bytes.TrimSuffix(line, []byte("\n"))...), len(data), number)
		if number++; !whole {
			data = data[:len(data)-1]
		}
	}
	return data
}

// rewritten returns what the records of a file are when they are written again.
func rewritten(t *testing.T, c *contents, file disk.File) (data []byte) {
	s := scan(file, c.end)
	for number := range c.lines {
		line, _, err := s.next()
		must(t, err)
		start := len(data)
		data = append(data, room...)
		if number == 0 {
			data, err = appendHeader(data, c.header)
			must(t, err)
		} else {
			r, err := parseRecord(line[prefixLength : len(line)-1])
			must(t, err)
			data = appendRecord(data, &r)
		}
		data = seal(data, start, number)
	}
	return data
}

// works uses a journal in all ways.
func works(t *testing.T, d *disktest.Disk, h header) {
	i, err := inspect(name, d, hashOf)
	must(t, err)
	keys := map[string]windrow.JournalEntry{}
	for e, err := range i.Entries() {
		must(t, err)
		keys[e.Key] = e
	}
	j, err := Open(name, string(h.Job), on(d), KeyScheme(string(h.KeyScheme)), Version(h.Version))
	if err != nil && h.Job != "" && h.Version >= 0 {
		t.Fatal(err)
	}
	if err != nil {
		return
	}
	must(t, j.Begin(h.Verb))
	for k, e := range keys {
		got, err := j.Find(k)
		must(t, err)
		check(t, "entry", e, got)
	}
	for in, err := range j.Unfinished() {
		must(t, err)
		if in.IdempotencyKey != "" {
			must(t, j.Save(t.Context(), in.IdempotencyKey, "job"))
		}
		for _, k := range in.Keys {
			must(t, j.Record(entry(k, succeeded)))
		}
	}
	check(t, "unfinished", []string(nil), idems(t, j))
	must(t, j.Record(entry("new", failed)))
	must(t, j.Close())
}

// A record that is read is written in the same way.
func FuzzRecord(f *testing.F) {
	for _, g := range golden {
		f.Add([]byte(g.json))
	}
	f.Fuzz(func(t *testing.T, json []byte) {
		r, err := parseRecord(json)
		short, shortErr := (&parser{rest: json, keysOnly: true}).record()
		if shortErr != err || short.key != r.key || !slices.Equal(short.keys, r.keys) || !slices.Equal(short.before, r.before) ||
			short.previous != r.previous || short.state != r.state || short.made != r.made {
			t.Fatalf("keys only: %+v, %v; all: %+v, %v", short, shortErr, r, err)
		}
		if err != nil {
			if err != errForm {
				t.Fatal(err)
			}
			return
		}
		check(t, "written again", string(json), string(appendRecord(nil, &r)))
		again, err := parseRecord(appendRecord(nil, &r))
		must(t, err)
		if diff := cmp.Diff(r, again, cmp.AllowUnexported(record{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Whatever is done with a journal, it knows what a map would know, also after restarts and with hashes that collide.
func FuzzOperations(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x11\x12\x13\x21\x22\x41\x51\x61\x71\x81\x91\xa1"), uint8(0))
	f.Add([]byte("\x81\x42\x10\x20\xf0\x03\x13\xf0\x84\x74"), uint8(1))
	f.Add(bytes.Repeat([]byte{0x81, 0x92, 0x13, 0x93, 0xa1, 0xf0}, 20), uint8(3))
	f.Fuzz(func(t *testing.T, script []byte, hashes uint8) {
		if len(script) > 300 {
			return
		}
		hash := func(s string) uint32 { return uint32(s[0]) * 0x01010101 % (uint32(hashes) + 1) << 20 }
		d := new(disktest.Disk)
		j := begunWith(t, d, hash)
		m := model{entries: map[string]windrow.JournalEntry{}}
		for n, op := range script {
			m.step(t, j, n, op)
			if op>>4 == 15 {
				must(t, j.Close())
				j = begunWith(t, d, hash)
			}
			m.verify(t, j)
		}
		must(t, j.Close())
	})
}

// model is what a journal must know.
type model struct {
	entries map[string]windrow.JournalEntry
	intents []*modelIntent // in the order in which they were made
}

type modelIntent struct {
	windrow.JournalIntent
	open map[string]bool
}

// step makes one operation: the high half of op says which, the low half with which keys.
func (m *model) step(t *testing.T, j *Journal, n int, op byte) {
	what, k := op>>4, string(rune('a'+op&7))
	switch {
	case what < 8: // a key ends
		e := windrow.JournalEntry{Key: k, State: windrow.State(what % 5), Reason: windrow.Reason(what % 7), ID: fmt.Sprint(n)}
		must(t, j.Record(e))
		m.entries[k] = e
		if e.State != unknown {
			m.settle(k)
		}
	case what < 12: // an intent of some keys
		in := windrow.JournalIntent{IdempotencyKey: fmt.Sprint(n, "-", what), Attempt: int(what)}
		for i := range what - 7 {
			in.Keys = append(in.Keys, string(rune('a'+(op&7+i)%8)))
		}
		must(t, j.Intend(t.Context(), in))
		made := &modelIntent{in, map[string]bool{}}
		for _, k := range in.Keys {
			m.settle(k)
			m.entries[k] = entry(k, unknown)
			made.open[k] = true
		}
		m.intents = append(m.intents, made)
	case what < 15: // a handle for one of the unfinished intents
		if len(m.intents) == 0 {
			return
		}
		in := m.intents[int(op)%len(m.intents)]
		in.Handle = fmt.Sprint("job ", n)
		must(t, j.Save(t.Context(), in.IdempotencyKey, in.Handle))
		for k := range in.open { // what was recorded of them is no longer the last record
			m.entries[k] = entry(k, unknown)
		}
	}
}

// settle takes a key out of its intent.
func (m *model) settle(k string) {
	for _, in := range m.intents {
		delete(in.open, k)
	}
	m.intents = slices.DeleteFunc(m.intents, func(in *modelIntent) bool { return len(in.open) == 0 })
}

func (m *model) verify(t *testing.T, j *Journal) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(m.entries)) {
		got, err := j.Find(k)
		must(t, err)
		check(t, "entry", m.entries[k], got)
	}
	var want, got []windrow.JournalIntent
	for _, in := range m.intents {
		want = append(want, in.JournalIntent)
	}
	for in, err := range j.Unfinished() {
		must(t, err)
		got = append(got, in)
	}
	check(t, "unfinished", want, got)
}
