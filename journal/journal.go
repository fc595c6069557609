package journal

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
	"github.com/windrow-go/windrow/internal/idem"
)

// Journal is a [windrow.Journal] in a file. Make one with [Open], give it to runs with windrow.WithJournal, and close it
// after the runs. Its methods may be called from many goroutines.
//
// The methods that write return a [*DiskError] when the disk fails or has failed in the background; once it has failed, they
// always do. They return [ErrClosed] after Close.
type Journal struct {
	path  string
	w     *writer
	wants header // of a new journal

	mu      sync.Mutex
	header  header
	begun   bool // the file has a header
	resumed bool // it had one when it was opened
	book    book
	open    map[string]*flight // by key: the intents in flight
	idem    map[string]*flight // the same, by idempotency key
}

var _ windrow.Journal = (*Journal)(nil)

var errEmpty = errors.New("journal: the Journal is nil or empty: make one with Open")

// Open opens the journal of a job, and creates the file if there is none; the folder must exist. The name of the job
// identifies the journal: choose it once, such as "import articles", and keep it.
//
// Opening reads the whole file. A last line that is incomplete because the process was killed or the power failed is cut
// off: no request that depended on it was sent. Any other damage or mismatch is refused:
//   - with [ErrLocked], a journal that is already open;
//   - with a [*MismatchError], one of another job, key scheme or version (of another verb, by [Journal.Begin]);
//   - with a [*CorruptError], one in which bytes were changed or lines are missing, and a file that is not a journal;
//   - with a [*DiskError], one that cannot be read or written.
//
// An open journal takes at most 18 bytes of memory for each key, and some hundred kilobytes; the file can have 32 TiB. It
// holds a lock on its file, so a file is open once at a time; the lock ends with the process at the latest.
func Open(path, job string, opts ...Option) (*Journal, error) {
	s, err := newSettings(job, opts)
	if err != nil {
		return nil, err
	}
	f, err := s.disk.Open(path)
	if errors.Is(err, disk.ErrLocked) {
		return nil, fmt.Errorf("journal: %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, &DiskError{path, "open", err}
	}
	j, err := load(path, f, s, job, hashOf)
	if err != nil {
		_ = f.Close() // the error of load matters more
		return nil, err
	}
	return j, nil
}

func load(path string, f disk.File, s settings, job string, hash func(string) uint32) (*Journal, error) {
	c, err := readAll(path, f, hash)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		path: path, header: c.header, begun: c.begun, book: c.book,
		resumed: c.begun,
		wants:   header{Format: formatVersion, Job: text(job), KeyScheme: text(s.keyScheme), Version: s.version},
		open:    map[string]*flight{}, idem: map[string]*flight{},
	}
	if err := j.check(); err != nil {
		return nil, err
	}
	if c.end < c.size {
		if err := f.Truncate(c.end); err != nil {
			return nil, &DiskError{path, "write", err}
		}
		if err := f.Sync(); err != nil {
			return nil, &DiskError{path, "sync", err}
		}
	}
	// Also for a file that existed: the process that created it may have been killed before its own SyncDir.
	if err := s.disk.SyncDir(path); err != nil {
		return nil, &DiskError{path, "sync", err}
	}
	j.w = &writer{path: path, file: f, lines: c.lines, from: c.end, synced: c.end}
	j.book.read = (&reader{path: path, read: j.w.read}).record
	return j, nil
}

// hashOf is the hash of the index. Its seed differs for each process, so that an attacker cannot choose keys that collide.
func hashOf(key string) uint32 { return uint32(maphash.String(seed, key) >> 32) }

var seed = maphash.MakeSeed()

// check compares the header with wants, except the verb, which Begin checks.
func (j *Journal) check() error {
	if !j.begun {
		return nil
	}
	has, wants := j.header, j.wants
	for _, c := range []struct {
		what       string
		has, wants string
	}{
		{"job", strconv.Quote(string(has.Job)), strconv.Quote(string(wants.Job))},
		{"key scheme", strconv.Quote(string(has.KeyScheme)), strconv.Quote(string(wants.KeyScheme))},
		{"version", strconv.Itoa(has.Version), strconv.Itoa(wants.Version)},
	} {
		if c.has != c.wants {
			return &MismatchError{j.path, c.what, c.has, c.wants}
		}
	}
	return nil
}

// Begin implements [windrow.Journal]. It writes the operation into the header of a new journal. If the journal has another
// operation, Begin returns a [*MismatchError]. It refuses [windrow.OpExecute], the operation of package mixed.
func (j *Journal) Begin(op windrow.OpKind) error {
	if j == nil || j.w == nil {
		return errEmpty
	}
	if op > windrow.OpGet {
		return fmt.Errorf("journal: Begin (%v) must be called with an operation from OpDo to OpGet: a run of package mixed cannot use a journal in a file", op)
	}
	g, err := j.begin(op)
	if err != nil || g == nil {
		return err
	}
	return g.wait(context.Background())
}

// Scope implements [windrow.Journal]. It is random for each journal, and "" in a journal from before scopes.
func (j *Journal) Scope() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.header.Scope)
}

// begin writes the header, if there is none.
func (j *Journal) begin(op windrow.OpKind) (*group, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.w.refuses(); err != nil {
		return nil, err
	}
	if j.begun {
		if j.header.Verb != op {
			return nil, &MismatchError{j.path, "verb", j.header.Verb.String(), op.String()}
		}
		return nil, nil
	}
	h := j.wants
	h.Verb, h.Scope, h.Created = op, text(idem.RunID()), time.Now().UTC()
	line, err := appendHeader(nil, h)
	if err != nil {
		return nil, fmt.Errorf("journal: the header: %w", err)
	}
	g, err := j.w.begin(line)
	if err != nil {
		return nil, err
	}
	j.header, j.begun = h, true
	return g, nil
}

// writable returns an error if nothing can be recorded. The lock is held.
func (j *Journal) writable() error {
	if err := j.w.refuses(); err != nil {
		return err
	}
	if !j.begun {
		return errNotBegun
	}
	return nil
}

// Find implements [windrow.Journal]. It reads the file if the key has a record.
func (j *Journal) Find(key string) (windrow.JournalEntry, error) {
	none := windrow.JournalEntry{Key: key}
	if key == "" {
		return none, errNoKey
	}
	if err := j.w.refuses(); err != nil {
		return none, err
	}
	var few [4]ref
	refs := j.book.index.find(few[:0], j.book.hash(key))
	if len(refs) == 0 {
		return none, nil
	}
	last, at, err := j.book.lastOf(key, refs)
	if err != nil || at == 0 {
		return none, err
	}
	return last.entry(key), nil
}

// Unfinished implements [windrow.Journal]. It takes 8 bytes of memory for each key that is Unknown while it runs.
func (j *Journal) Unfinished() iter.Seq2[windrow.JournalIntent, error] {
	return func(yield func(windrow.JournalIntent, error) bool) {
		if err := j.w.refuses(); err != nil {
			yield(windrow.JournalIntent{}, err)
			return
		}
		j.mu.Lock()
		offsets := j.book.open()
		j.mu.Unlock()
		for r, err := range j.book.unfinished(offsets) {
			if !yield(r.asIntent(), err) {
				return
			}
		}
	}
}

// Record implements [windrow.Journal]. Entries are synced in the background, after a second or as soon as there are 100.
// Record waits only if a megabyte is still to be written.
func (j *Journal) Record(entries ...windrow.JournalEntry) error {
	for i := range entries {
		if err := checkEntry(&entries[i]); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := j.record(entries); err != nil {
		return err
	}
	if g := j.w.ended(len(entries)); g != nil {
		return g.wait(context.Background())
	}
	return nil
}

func (j *Journal) record(entries []windrow.JournalEntry) error {
	var few [64]change
	changes := few[:0]
	for i := range entries {
		changes = append(changes, change{hash: j.book.hash(entries[i].Key)})
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.writable(); err != nil {
		return err
	}
	for len(entries) > 0 {
		n := distinct(changes)
		if err := j.recordDistinct(entries[:n], changes[:n]); err != nil {
			return err
		}
		entries, changes = entries[n:], changes[n:]
	}
	return nil
}

// recordDistinct records entries whose keys all differ. The lock is held.
func (j *Journal) recordDistinct(entries []windrow.JournalEntry, changes []change) (err error) {
	j.book.near = j.book.index.fetch(changes)
	for i := range entries {
		if changes[i].before, err = j.lastOf(entries[i].Key, changes[i].hash); err != nil {
			return err
		}
	}
	n, failed := j.w.appendEnds(entries, changes)
	if err := j.book.applyAll(changes[:n]); err != nil {
		return err
	}
	for i := range entries[:n] {
		j.ended(entries[i].Key)
	}
	return failed
}

// lastOf returns the offset of the last record of a key, 0 when there is none. The lock is held.
func (j *Journal) lastOf(key string, hash uint32) (int64, error) {
	if f := j.open[key]; f != nil {
		return f.last, nil
	}
	return j.book.last(key, hash)
}

// write appends an intent and enters it into the book. The group is nil unless the intent is to be made durable. The lock is
// held.
func (j *Journal) write(r *record, durable bool) (offset int64, g *group, err error) {
	if offset, g, err = j.w.append(r, durable); err != nil {
		return 0, nil, err
	}
	j.book.index.mu.Lock()
	defer j.book.index.mu.Unlock()
	return offset, g, j.book.note(r, offset)
}

// Resumed reports whether the file had a header when it was opened. Then an earlier process has used it, and may have sent
// items without a record if the power failed.
func (j *Journal) Resumed() bool { return j.resumed }

// Sync implements [windrow.Journal].
func (j *Journal) Sync() error { return j.w.sync() }

// Close makes all records durable, and closes the file, which ends its lock. It returns an error if the disk fails or has
// failed before. A second Close does nothing. Close the journal after the runs that use it have returned.
func (j *Journal) Close() error {
	if j == nil || j.w == nil {
		return errEmpty
	}
	return j.w.close()
}
