package journal

import (
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/windrow-go/windrow"
	"github.com/windrow-go/windrow/internal/disk"
)

// Inspection is the content of a journal when [Inspect] read it. Its methods may be called from many goroutines.
type Inspection struct {
	Path      string         // of the file
	Job       string         // the name that Open was given; "" as long as no run has begun
	Op        windrow.OpKind // what the job does to its items
	KeyScheme string         // the option KeyScheme
	Version   int            // the option Version
	Created   time.Time      // when the first run began, in UTC; zero as long as none has
	Torn      int64          // bytes of a last line that is not whole, which Open will cut off

	lines uint64
	end   int64
	book  book
	disk  disk.Disk
}

// Inspect reads the journal at path, also while it is in use; then it sees what was written up to now. It changes nothing.
// The errors are those of [Open] except ErrLocked.
func Inspect(path string) (*Inspection, error) { return inspect(path, disk.OS{}, hashOf) }

func inspect(path string, on disk.Disk, hash func(string) uint32) (_ *Inspection, err error) {
	f, err := on.View(path)
	if err != nil {
		return nil, &DiskError{path, "open", err}
	}
	defer closing(path, f, &err)
	c, err := readAll(path, f, hash)
	if err != nil {
		return nil, err
	}
	return &Inspection{
		Path: path, Job: string(c.header.Job), Op: c.header.Verb, KeyScheme: string(c.header.KeyScheme),
		Version: c.header.Version, Created: c.header.Created, Torn: c.size - c.end,
		lines: c.lines, end: c.end, book: c.book, disk: on,
	}, nil
}

// Count returns how many keys are in one of the states. [windrow.Succeeded] keys are done; Unknown keys were begun and have
// not ended, or have ended as Unknown; NotAttempted keys were begun and are proved not to have been applied.
func (i *Inspection) Count(states ...windrow.State) int {
	n := 0
	for state, count := range i.book.counts {
		if slices.Contains(states, windrow.State(state)) {
			n += count
		}
	}
	return n
}

// Entries yields the last entry of each key that is in one of the states, in the order of the file; with no state, of all
// keys. It reads the file again. If that fails, it yields the error last.
func (i *Inspection) Entries(states ...windrow.State) iter.Seq2[windrow.JournalEntry, error] {
	return func(yield func(windrow.JournalEntry, error) bool) {
		err := i.view(func(b *book, s *scanner) error {
			for number := range i.lines {
				line, offset, err := s.next()
				if err != nil {
					return &DiskError{i.Path, "read", err}
				}
				if number == 0 {
					continue // the header
				}
				r, err := parseRecord(line[prefixLength : len(line)-1])
				if err != nil {
					return &CorruptError{i.Path, offset, number + 1, err.Error()}
				}
				if len(states) > 0 && !slices.Contains(states, r.state) {
					continue
				}
				keys := r.keys
				if !r.intent {
					keys = []string{r.key}
				}
				for _, key := range keys {
					last, err := b.isLast(key, offset)
					if err != nil {
						return err
					}
					if last && !yield(r.entry(key), nil) {
						return errEnough
					}
				}
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(windrow.JournalEntry{}, err)
		}
	}
}

// errEnough says that the caller has stopped the iteration.
var errEnough = errors.New("enough")

// Unfinished yields the intents that [windrow.Journal] describes for its Unfinished.
func (i *Inspection) Unfinished() iter.Seq2[windrow.JournalIntent, error] {
	return func(yield func(windrow.JournalIntent, error) bool) {
		err := i.view(func(b *book, _ *scanner) error {
			for r, err := range b.unfinished(b.open()) {
				if err != nil {
					return err
				}
				if !yield(r.asIntent(), nil) {
					return errEnough
				}
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(windrow.JournalIntent{}, err)
		}
	}
}

// view opens the file again and calls f with the book and a scanner at the beginning of the file.
func (i *Inspection) view(f func(b *book, s *scanner) error) (err error) {
	file, err := i.disk.View(i.Path)
	if err != nil {
		return &DiskError{i.Path, "open", err}
	}
	defer closing(i.Path, file, &err)
	b := i.book // a copy that reads from file
	b.read = (&reader{path: i.Path, read: file.ReadAt}).record
	return f(&b, scan(file, i.end))
}

// closing closes a file, and sets *err if that fails and *err is nil.
func closing(path string, f disk.File, err *error) {
	if failed := f.Close(); failed != nil && *err == nil {
		*err = &DiskError{path, "close", failed}
	}
}
